package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// lamps are a definition in a group of the test's own, and an object of its kind.
func (w *world) lamps() (definition, lamp string) {
	group := w.namespace + ".example.com"
	definition = fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.%s}
spec:
  group: %[1]s
  scope: Namespaced
  names: {kind: Lamp, plural: lamps}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`, group)
	return definition, fmt.Sprintf("apiVersion: %s/v1\nkind: Lamp\nmetadata: {name: desk}\nspec: {watts: 40}\n", group)
}

// A kind that somebody takes away between two runs: what is of it fails while it is wanted; when it is
// wanted no more the inventory keeps it, and it goes once the kind is back.
func TestKindThatVanishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	definition, lamp := w.lamps()
	minute := 0
	at := func(source string, yaml ...string) []byte {
		minute++
		return stream(fetched{name: source, revision: fmt.Sprintf("%040d", minute), at: script.Noon.Add(time.Duration(minute) * time.Minute), yaml: yaml})
	}
	w.mustRun(0, at("crds", definition), "--prune")
	w.mustRun(0, at("config", lamp, configMap("a", "value")), "--prune")
	crd := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/lamps." + w.namespace + ".example.com"
	w.cluster.Must(t, "DELETE", crd, "")
	kinds := "/apis/" + w.namespace + ".example.com/v1"
	eventually(t, "the kind is gone", func() bool {
		list, err := w.cluster.Do(t.Context(), "GET", kinds, "")
		return list == nil && err == nil
	})
	id := "Lamp." + w.namespace + ".example.com/desk"
	o := w.mustRun(5, at("config", lamp), "--prune")
	if got := w.actions(o); got[id] != "failed" || got["ConfigMap/a"] != "skipped" || !strings.Contains(o.stdout, `"code":"unknown-kind"`) || !w.has("a") {
		t.Errorf("while it is wanted: %v", got)
	}
	o = w.mustRun(0, at("config"), "--prune")
	if got := w.actions(o); got[id] != "skipped" || got["ConfigMap/a"] != "pruned" || !strings.Contains(o.stdout, "the cluster does not serve its kind; the inventory keeps it") {
		t.Errorf("when it is wanted no more: %v\n%s", got, o.stdout)
	}
	if !slices.Contains(w.inventory(), "Lamp/desk") {
		t.Errorf("the inventory forgot it: %v", w.inventory())
	}
	// The kind comes back, and with it, from a backup perhaps, an object that is another one.
	w.mustRun(0, at("crds", definition), "--prune")
	eventually(t, "the kind is served", func() bool {
		list, err := w.cluster.Do(t.Context(), "GET", kinds+"/lamps", "")
		return list != nil && err == nil
	})
	w.cluster.Must(t, "POST", kinds+"/namespaces/"+w.namespace+"/lamps", lamp)
	o = w.mustRun(0, at("config"), "--prune")
	if w.cluster.Must(t, "GET", kinds+"/namespaces/"+w.namespace+"/lamps/desk", "") == nil || slices.Contains(w.inventory(), "Lamp/desk") {
		t.Errorf("somebody else's was taken for ours:\n%s", o.stdout)
	}
}

// The API server lists a kind a while after it has taken its definition. A run right after the one that
// brought the definition waits for that, and so does the one that brings both.
func TestKindThatIsListedLate(t *testing.T) {
	t.Parallel()
	for name, together := range map[string]bool{"in one stream": true, "in the next run": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			definition, lamp := w.lamps()
			group := w.namespace + ".example.com"
			var hidden atomic.Int32 // how often discovery is without the kind
			hidden.Store(3)
			w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Path == "/apis" && hidden.Add(-1) >= 0 {
					answer := &strings.Builder{}
					next.ServeHTTP(keeper{rw, answer}, withoutEncoding(r))
					io.WriteString(rw, strings.ReplaceAll(answer.String(), `"`+group+`"`, `"hidden.example.com"`))
					return
				}
				next.ServeHTTP(rw, r)
			})
			if together {
				w.mustRun(0, stream(fetched{name: "config", yaml: []string{lamp, definition}}))
			} else {
				w.mustRun(0, stream(fetched{name: "crds", yaml: []string{definition}}))
				hidden.Store(3)
				w.mustRun(0, stream(fetched{name: "config", yaml: []string{lamp}}))
			}
			if w.cluster.Must(t, "GET", "/apis/"+group+"/v1/namespaces/"+w.namespace+"/lamps/desk", "") == nil {
				t.Error("the object is not there")
			}
		})
	}
}

// keeper keeps an answer's body for itself.
type keeper struct {
	http.ResponseWriter
	body io.Writer
}

func (k keeper) Write(b []byte) (int, error) {
	return k.body.Write(b)
}

func (k keeper) WriteHeader(code int) {
	k.Header().Del("Content-Length")
	k.ResponseWriter.WriteHeader(code)
}

func withoutEncoding(r *http.Request) *http.Request {
	r.Header.Del("Accept-Encoding")
	return r
}

// A token that runs out in mid-run: what was done is known to the next run, what was not is said to
// have failed, and nothing is deleted.
func TestTokenThatExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("old")}), "--prune")
	direct := w.kubeconfig
	var patches atomic.Int32
	w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch && patches.Add(1) > 2 || patches.Load() > 2 {
			refuse(rw, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
			return
		}
		next.ServeHTTP(rw, r)
	})
	want := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute), yaml: configMaps("a", "b", "c", "d")})
	o := w.run(want, "--prune", "--concurrency", "1")
	if o.code == 0 || !strings.Contains(o.stdout, `"code":"unauthorized"`) || !strings.Contains(o.stderr, "credentials are not valid, or no longer") {
		t.Errorf("exit code %d:\n%s", o.code, o.stderr)
	}
	if !w.has("old") {
		t.Fatal("something was deleted")
	}
	w.kubeconfig = direct
	w.expireLease()
	w.mustRun(0, want, "--prune")
	if got := w.configMapsThere(); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("the cluster holds %v", got)
	}
}

// outage is a way to the API server that can be closed for a while, as in a restart.
type outage struct {
	target   string
	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

// newOutage gives the way, and the kubeconfig that leads through it.
func newOutage(w *world) (*outage, string) {
	w.Helper()
	file := w.cluster.Through(w, w.namespace, nil)
	content, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), `"server": "`)
	address, _, _ := strings.Cut(rest, `"`)
	target, err := url.Parse(address)
	if err != nil {
		w.Fatal(err)
	}
	o := &outage{target: target.Host}
	if o.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		w.Fatal(err)
	}
	go o.serve(o.listener)
	w.Cleanup(o.close)
	file = filepath.Join(w.TempDir(), "outage.kubeconfig")
	if err := kubetest.WriteKubeconfig(file, "http://"+o.listener.Addr().String(), w.namespace); err != nil {
		w.Fatal(err)
	}
	return o, file
}

func (o *outage) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", o.target)
		if err != nil {
			client.Close()
			continue
		}
		o.mu.Lock()
		o.open = append(o.open, client, server)
		o.mu.Unlock()
		go func() { io.Copy(server, client); server.Close() }()
		go func() { io.Copy(client, server); client.Close() }()
	}
}

func (o *outage) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listener.Close()
	for _, c := range o.open {
		c.Close()
	}
	o.open = nil
}

// for closes it for so long.
func (o *outage) last(d time.Duration) error {
	address := o.listener.Addr().String()
	o.close()
	time.Sleep(d)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.listener = l
	o.mu.Unlock()
	go o.serve(l)
	return nil
}

// An API server that is gone for two seconds in mid-run, or while it is waited: every connection breaks
// off, and new ones are refused. The run ends as if nothing had been, or says what is open and the next
// one puts it right; nothing is lost and nothing is deleted that is wanted.
func TestAPIServerRestartsInMidRun(t *testing.T) {
	t.Parallel()
	for round := range 4 {
		t.Run(fmt.Sprintf("after %d ms", 100*round), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("old", "a")}), "--prune")
			direct := w.kubeconfig
			var way *outage
			way, w.kubeconfig = newOutage(w)
			names := []string{"a"}
			for i := range 60 {
				names = append(names, fmt.Sprintf("b%02d", i))
			}
			want := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute), yaml: configMaps(names...)})
			broken := make(chan error, 1)
			go func() {
				for !slices.Contains(w.inventory(), "ConfigMap/b00") { // written ahead: the run is at work
					time.Sleep(5 * time.Millisecond)
				}
				time.Sleep(time.Duration(100*round) * time.Millisecond)
				broken <- way.last(2 * time.Second)
			}()
			o := w.run(want, "--prune", "--concurrency", "2", "--verbose", "--wait")
			if err := <-broken; err != nil {
				t.Fatal(err)
			}
			t.Logf("exit code %d, %d requests sent again", o.code, strings.Count(o.stderr, "is sent again"))
			if o.code != 0 && (!strings.Contains(o.stdout, `"code":"unreachable"`) || !w.has("old") && o.code == 5) {
				t.Errorf("exit code %d:\n%s", o.code, o.stderr)
			}
			w.kubeconfig = direct
			w.expireLease()
			w.mustRun(0, want, "--prune")
			if got := w.configMapsThere(); !slices.Equal(got, names) {
				t.Errorf("the cluster holds %v", got)
			}
		})
	}
}
