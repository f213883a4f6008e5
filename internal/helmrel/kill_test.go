package helmrel

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// cut is a connection that is lost for good at the n-th change. What such a run leaves in the cluster is
// what a run leaves that is killed there.
type cut struct {
	next   http.RoundTripper
	n      int
	mu     sync.Mutex
	writes int
	dead   bool
}

var errCut = errors.New("the line is cut")

func (c *cut) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if r.Method != http.MethodGet {
		c.writes++
	}
	c.dead = c.writes >= c.n
	dead := c.dead
	c.mu.Unlock()
	if dead {
		return nil, errCut
	}
	return c.next.RoundTrip(r)
}

// life is one release with an inventory of its own, and the runs over it.
type life struct {
	*bench
	name     string
	results  []Result
	drift    DriftMode
	annotate func(i int, h *HelmRelease) // changes what is wished; nil: nothing
}

// runs does a whole run as a new process would; nil files: the HelmRelease is gone.
func (l *life) runs(spec string, files map[string]string, line *cut) error {
	l.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", l.kube.Kubeconfig)
	if err != nil {
		l.t.Fatal(err)
	}
	config.UserAgent = l.agent
	config.QPS, config.Burst = -1, -1
	if line != nil {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { line.next = next; return line })
	}
	return l.with(config, spec, files)
}

func (l *life) with(config *rest.Config, spec string, files map[string]string) error {
	l.t.Helper()
	n := 1
	if files == nil {
		n = 0
	}
	return l.wants(config, n, spec, files)
}

// many does a run over n releases.
func (l *life) many(n int, spec string, files map[string]string) error {
	config, err := clientcmd.BuildConfigFromFlags("", l.kube.Kubeconfig)
	if err != nil {
		l.t.Fatal(err)
	}
	config.UserAgent, config.Timeout = l.agent, time.Minute // as kube.Load has it
	return l.wants(config, n, spec, files)
}

func (l *life) wants(config *rest.Config, n int, spec string, files map[string]string) error {
	l.t.Helper()
	client, err := kube.NewClient(&kube.Config{REST: config, Namespace: l.namespace}, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	cluster, err := NewCluster(config)
	if err != nil {
		l.t.Fatal(err)
	}
	store, err := kube.NewStore(client, "test", l.namespace, l.name)
	if err != nil {
		l.t.Fatal(err)
	}
	lease := store.Lease()
	lease.Now, lease.Holder = func() time.Time { return time.Now().Add(l.later) }, fmt.Sprint(time.Now().UnixNano())
	l.results = nil
	run := &Run{Cluster: cluster, Store: store, Lease: lease, Inventory: ID{l.namespace, l.name}, Prune: true, Workers: 4, Drift: l.drift,
		From: []kube.Source{{Name: "s", Whole: true}}, Report: func(r Result) { l.results = append(l.results, r) }}
	for i := range n {
		name := l.name
		if n > 1 {
			name = fmt.Sprintf("%s-%d", l.name, i)
		}
		h := parse(l.t, `{"metadata":{"name":"`+name+`","namespace":"`+l.namespace+`"},"spec":{"chart":{"git":"g","path":"p"},"releaseName":"`+name+`"`+spec+`}}`)
		if l.annotate != nil {
			l.annotate(i, h)
		}
		chart, err := FromFolder(folder(files))
		if err != nil {
			l.t.Fatal(err)
		}
		values, _, err := h.Merge(l.t.Context(), cluster, chart)
		if err != nil {
			l.t.Fatal(err)
		}
		digest, err := Digest(chart, values, h.Spec)
		if err != nil {
			l.t.Fatal(err)
		}
		run.Wanted = append(run.Wanted, Wanted{Source: "s", ID: h.ID(), Release: h})
		run.ready = append(run.ready, &prepared{chart: chart, values: values, digest: digest})
	}
	if n == 0 {
		run.ready = []*prepared{}
	}
	return run.Do(l.t.Context())
}

// left is what is in the cluster of the release: its records and its objects.
func (l *life) left() string {
	l.t.Helper()
	h := l.history(l.name)
	last := ""
	if len(h) > 0 {
		last = h[len(h)-1].Status
	}
	var objects []string
	list := l.kube.Must(l.t, "GET", "/api/v1/namespaces/"+l.namespace+"/configmaps", "")
	items, _ := list["items"].([]any)
	for _, item := range items {
		o := kubetest.Object(item.(map[string]any))
		if name, _ := o.At("metadata", "name").(string); strings.HasPrefix(name, l.name+"-") {
			objects = append(objects, fmt.Sprintf("%s=%v", strings.TrimPrefix(name, l.name+"-"), o.At("data", "greeting")))
		}
	}
	return strings.TrimSpace(last + " " + strings.Join(objects, " "))
}

// hooked is a chart of two objects and of hooks around every action.
func hooked(second string) map[string]string {
	files := simple()
	files["templates/second.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}-" + second + "\"}\ndata: {greeting: \"{{ .Values.greeting }}\"}\n"
	for _, hook := range []string{"pre", "post"} {
		files["templates/"+hook+".yaml"] = strings.ReplaceAll(`apiVersion: v1
kind: ConfigMap
metadata:
  name: "{{ .Release.Name }}-hook-HOOK"
  annotations: {helm.sh/hook: "HOOK-install,HOOK-upgrade,HOOK-rollback,HOOK-delete", helm.sh/hook-delete-policy: "before-hook-creation,hook-succeeded"}
`, "HOOK", hook)
	}
	return files
}

// SAFETY 12: a run is killed at each of its changes in turn, and the next runs arrive where it would have.
func TestSafety12KilledAnywhere(t *testing.T) {
	const rolls = `,"rollback":{"enable":true},"wait":false`
	const bye = `,"values":{"greeting":"bye"}`
	immutable := func() map[string]string {
		files := hooked("two")
		files["templates/second.yaml"] += "immutable: true\n"
		return files
	}
	for _, test := range []struct {
		name      string
		first     map[string]string // nil: nothing is there
		spec      string
		wish      map[string]string // nil: gone
		want      string
		wantFails bool // the wish itself cannot be fulfilled
	}{
		{"install", nil, "", hooked("two"), "deployed one=hello two=hello", false},
		{"upgrade", hooked("two"), bye, hooked("three"), "deployed one=bye three=bye", false},
		{"rollback", immutable(), rolls + bye, immutable(), "deployed one=hello two=hello", true},
		{"uninstall", hooked("two"), "", nil, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for n, done := 1, false; !done; n++ {
				l := &life{bench: b, name: fmt.Sprintf("%s%d", test.name[:2], n)}
				if test.first != nil {
					if err := l.runs("", test.first, nil); err != nil {
						t.Fatal(err)
					}
				}
				line := &cut{n: n}
				_ = l.runs(test.spec, test.wish, line)
				done = !line.dead
				b.kube.Must(t, "DELETE", "/apis/coordination.k8s.io/v1/namespaces/"+b.namespace+"/leases/sluice-test-"+l.name, "")
				before := l.left()
				if err := l.runs(test.spec, test.wish, nil); err != nil {
					t.Fatalf("killed at change %d, which left %q: %v", n, before, err)
				}
				if got := l.left(); got != test.want {
					t.Errorf("killed at change %d, which left %q: got %q, want %q\n%+v\n%s", n, before, got, test.want, l.results, b.history(l.name).shown())
				}
				if !test.wantFails && len(l.results) > 0 && l.results[0].Code != "" {
					t.Errorf("killed at change %d: %+v", n, l.results)
				}
				requests := b.kube.Count(t, b.agent, func() { _ = l.runs(test.spec, test.wish, nil) })
				if writes := kubetest.Writes(requests); len(writes) > 0 {
					t.Errorf("killed at change %d: the run after the next writes %v\n%+v", n, writes, l.results)
				}
				if n > 40 {
					t.Fatal("it never ends")
				}
			}
		})
	}
}
