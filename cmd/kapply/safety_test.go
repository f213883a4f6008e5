package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// The numbers are the rows of the project's safety table.

func TestSafety02SameCommitFewerObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a", "b", "c")}), "--prune")
	fewer := stream(fetched{name: "config", yaml: configMaps("a"), at: script.Noon.Add(time.Minute)})
	var refused outcome
	if writes := w.writes(func() { refused = w.mustRun(4, fewer, "--prune") }); len(writes) > 0 {
		t.Errorf("a refused run wrote: %v", writes)
	}
	if !strings.Contains(refused.stderr, "--allow-fewer") {
		t.Errorf("the message does not name the flag:\n%s", refused.stderr)
	}
	if !w.has("b") || !w.has("c") {
		t.Fatal("an object is gone")
	}
	w.mustRun(0, fewer, "--prune", "--allow-fewer")
	if w.has("b") || w.has("c") || !w.has("a") {
		t.Error("the flag does not do what it says")
	}
	other := fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(2 * time.Minute)}
	w.mustRun(0, stream(other), "--prune")
	if w.has("a") {
		t.Error("another commit may well bring fewer objects")
	}
}

func TestSafety06RefusedDeleteIsNotForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a", "b")}), "--prune")
	refusals := 1
	w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete && refusals > 0 {
			refusals--
			refuse(rw, http.StatusForbidden, "Forbidden", "the webhook says no")
			return
		}
		next.ServeHTTP(rw, r)
	})
	later := fetched{name: "config", revision: strings.Repeat("3", 40), yaml: configMaps("a"), at: script.Noon.Add(time.Minute)}
	o := w.mustRun(5, stream(later), "--prune")
	if !strings.Contains(o.stderr, "the webhook says no") {
		t.Errorf("the server's words are missing:\n%s", o.stderr)
	}
	if got := w.inventory(); !slices.Contains(got, "ConfigMap/b") {
		t.Fatalf("the inventory forgot the object: %v", got)
	}
	if o := w.mustRun(0, stream(later), "--prune"); w.actions(o)["ConfigMap/b"] != "pruned" || w.has("b") {
		t.Errorf("the next run does not delete it:\n%s", o.stderr)
	}
}

// refuse answers as the API server would.
func refuse(rw http.ResponseWriter, code int, reason, message string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	fmt.Fprintf(rw, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": %q, "code": %d, "message": %q}`, reason, code, message)
}

// A webhook may refuse with any code. One that the API server also gives for another UID is no word that
// somebody has made the object anew.
func TestSafety06ConflictIsNotForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a", "b")}), "--prune")
	refusals := 1
	w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete && refusals > 0 {
			refusals--
			refuse(rw, http.StatusConflict, "Conflict", `admission webhook "guard.example" denied the request: not now`)
			return
		}
		next.ServeHTTP(rw, r)
	})
	later := fetched{name: "config", revision: strings.Repeat("3", 40), yaml: configMaps("a"), at: script.Noon.Add(time.Minute)}
	if o := w.mustRun(5, stream(later), "--prune"); !strings.Contains(o.stderr, "not now") {
		t.Errorf("the webhook's words are missing:\n%s", o.stderr)
	}
	if got := w.inventory(); !slices.Contains(got, "ConfigMap/b") {
		t.Fatalf("the inventory forgot the object: %v", got)
	}
	if o := w.mustRun(0, stream(later), "--prune"); w.actions(o)["ConfigMap/b"] != "pruned" || w.has("b") {
		t.Errorf("the next run does not delete it:\n%s", o.stderr)
	}
}

// What was taken over from kubectl, and was then refused, is still kubectl's to delete.
func TestSafety09TakenOverAndRefusedIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.Must(t, "POST", w.path("configmaps", "")+"?fieldManager=kubectl-client-side-apply",
		`{"metadata": {"name": "a", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}, "immutable": true, "data": {"key": "theirs"}}`)
	w.mustRun(5, stream(fetched{name: "config", yaml: configMaps("a", "b")}), "--prune")
	later := fetched{name: "config", revision: strings.Repeat("3", 40), yaml: configMaps("b"), at: script.Noon.Add(time.Minute)}
	o := w.mustRun(0, stream(later), "--prune")
	if action := w.actions(o)["ConfigMap/a"]; action != "skipped" || !w.has("a") {
		t.Errorf("%s; it is there: %v\n%s", action, w.has("a"), o.stderr)
	}
	if got := w.inventory(); slices.Contains(got, "ConfigMap/a") {
		t.Errorf("the inventory holds what was never applied: %v", got)
	}
}

func TestSafety06ObjectWithFinalizerStaysInTheInventory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a")}), "--prune")
	w.cluster.Must(t, "PATCH", w.path("configmaps", "a"), `{"metadata": {"finalizers": ["example.com/wait"]}}`)
	empty := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute)})
	o := w.mustRun(0, empty, "--prune")
	if !strings.Contains(o.stdout, "example.com/wait") {
		t.Errorf("the finalizer is not named:\n%s", o.stdout)
	}
	if got := w.inventory(); len(got) != 1 {
		t.Fatalf("inventory: %v", got)
	}
	if again := deletes(w.writes(func() { w.mustRun(0, empty, "--prune") })); len(again) > 0 {
		t.Errorf("deleted a second time: %v", again)
	}
	w.cluster.Must(t, "PATCH", w.path("configmaps", "a"), `{"metadata": {"finalizers": null}}`)
	w.mustRun(0, empty, "--prune")
	if got := w.inventory(); len(got) != 0 {
		t.Errorf("the object is gone, and the inventory holds %v", got)
	}
}

// Killed at every request in turn, kapply is then asked for the same again, or to go back to
// what was there before. Neither may leave an orphan or take an old state for the new one.
func TestSafety07KilledAtEveryRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	killer := &killer{}
	w.through(killer.handle)
	minute := 0
	state := func(name string) []byte {
		minute++
		return stream(fetched{name: "config", revision: fmt.Sprintf("%040x", name), at: script.Noon.Add(time.Duration(minute) * time.Minute),
			yaml: append(configMaps(name), configMap("changed", name))})
	}
	check := func(request int, name string) {
		t.Helper()
		if got, want := w.inventory(), []string{"ConfigMap/" + name, "ConfigMap/changed"}; !slices.Equal(got, want) {
			t.Fatalf("killed at request %d, then %s: the inventory holds %v, want %v", request, name, got, want)
		}
		if got, want := w.configMapsThere(), []string{name, "changed"}; !slices.Equal(got, want) {
			t.Fatalf("killed at request %d, then %s: the cluster holds %v, want %v", request, name, got, want)
		}
		if value := w.cluster.Must(t, "GET", w.path("configmaps", "changed"), "").At("data", "key0"); value != name {
			t.Fatalf("killed at request %d, then %s: the object is at %v", request, name, value)
		}
	}
	for request := 1; request < 60; request++ {
		ended := true
		for _, then := range []string{"after", "before"} {
			w.mustRun(0, state("before"), "--prune")
			check(request, "before")
			command := w.command(state("after"), "--prune", "--concurrency", "1")
			killer.arm(request, command)
			ended = command.Run() == nil && ended
			killer.disarm()
			w.expireLease()
			w.mustRun(0, state(then), "--prune")
			check(request, then)
		}
		if ended {
			t.Logf("a run makes %d requests", request-1)
			return
		}
	}
	t.Fatal("the run does not end")
}

// killer kills a process when its n-th request has reached the API server and before the
// answer comes back. What the process sends after that gets nowhere.
type killer struct {
	mu      sync.Mutex
	left    int // requests until the kill; none armed when it is huge
	command *exec.Cmd
}

func (k *killer) arm(request int, command *exec.Cmd) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.command = request, command
}

func (k *killer) disarm() { k.arm(1<<30, nil) }

func (k *killer) handle(rw http.ResponseWriter, r *http.Request, next http.Handler) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left--
	switch {
	case k.left < 0 && k.command != nil:
		<-r.Context().Done()
	case k.left == 0 && k.command != nil:
		next.ServeHTTP(discard{http.Header{}}, r)
		k.command.Process.Kill()
	default:
		next.ServeHTTP(rw, r)
	}
}

// discard takes an answer that nobody will read.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// expireLease makes the lease of a dead run as old as it will be in half a minute.
func (w *world) expireLease() {
	w.Helper()
	path := "/apis/coordination.k8s.io/v1/namespaces/" + w.namespace + "/leases/sluice-kapply-default"
	if lease := w.cluster.Must(w, "GET", path, ""); lease != nil {
		w.cluster.Must(w, "PATCH", path, `{"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}`)
	}
}

// configMapsThere are the ConfigMaps of the test, without the inventory and the cluster's own.
func (w *world) configMapsThere() []string {
	w.Helper()
	var names []string
	items, _ := w.cluster.Must(w, "GET", w.path("configmaps", ""), "").At("items").([]any)
	for _, item := range items {
		name, _ := kubetest.Object(item.(map[string]any)).At("metadata", "name").(string)
		if name != "kube-root-ca.crt" && !strings.HasPrefix(name, "sluice-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestSafety08NamespacesAreNotPruned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := w.namespace + "-extra"
	namespace := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n"
	claim := "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
	w.mustRun(0, stream(fetched{name: "config", yaml: []string{namespace, claim}}), "--prune")
	empty := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute)})
	var o outcome
	if gone := deletes(w.writes(func() { o = w.mustRun(0, empty, "--prune") })); len(gone) > 0 {
		t.Errorf("deleted: %v", gone)
	}
	want := map[string]string{"Namespace/" + name: "skipped", "PersistentVolumeClaim/data": "skipped"}
	if got := w.actions(o); !maps.Equal(got, want) {
		t.Errorf("actions: %v, want %v", got, want)
	}
}

func TestSafety09OwnershipIsTheUID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	labelled := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ours, labels: {team: us, sluice.dev/inventory: default}}\n"
	w.mustRun(0, stream(fetched{name: "config", yaml: append(configMaps("replaced"), labelled)}), "--prune")
	// An operator copies the labels to an object of its own.
	w.cluster.Must(t, "POST", w.path("configmaps", ""), "metadata: {name: copied, labels: {team: us, sluice.dev/inventory: default}}")
	// Somebody makes an object anew.
	w.cluster.Must(t, "DELETE", w.path("configmaps", "replaced"), "")
	w.cluster.Must(t, "POST", w.path("configmaps", ""), "metadata: {name: replaced}")
	empty := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute)})
	gone := deletes(w.writes(func() { w.mustRun(0, empty, "--prune") }))
	if len(gone) != 1 || gone[0].Name != "ours" {
		t.Errorf("deleted: %v, want ours alone", gone)
	}
	if got := w.configMapsThere(); !slices.Equal(got, []string{"copied", "replaced"}) {
		t.Errorf("left: %v", got)
	}
}

// The same, but the object is made anew between the look and the DELETE.
func TestSafety09DeleteCarriesTheUID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a")}), "--prune")
	w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete {
			w.cluster.Must(t, "DELETE", w.path("configmaps", "a"), "")
			w.cluster.Must(t, "POST", w.path("configmaps", ""), "metadata: {name: a}")
		}
		next.ServeHTTP(rw, r)
	})
	empty := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute)})
	o := w.mustRun(0, empty, "--prune")
	if !w.has("a") {
		t.Fatal("somebody else's object was deleted")
	}
	if got := w.inventory(); len(got) != 0 || w.actions(o)["ConfigMap/a"] != "skipped" {
		t.Errorf("inventory %v, actions %v", got, w.actions(o))
	}
}

func TestSafety10NoDeleteWithoutPrune(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// An object that asks to be made anew, and cannot be changed in place.
	fixed := func(value int) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: fixed, annotations: {sluice.dev/recreate: 'true'}}\nimmutable: true\nstringData: {value: v%d}\n", value)
	}
	w.mustRun(0, stream(fetched{name: "config", yaml: append(configMaps("a", "b"), fixed(0))}), "--prune")
	flags := []string{"--dry-run", "--wait", "--replay", "--skip=Secret", "--force-conflicts=all", "--lock-timeout=1s", "--inventory=default",
		"--verify=dry-run", "--diff", "--events=false", "--allow-namespace=" + w.namespace, "--concurrency=1"}
	for _, flag := range []string{"--assume-whole", "--allow-fewer", "--drop-source=other", "--max-prune=100%", "--confirm-prune=0123456789abcdef0123",
		"--prune-kinds=Namespace", "--cascade=foreground"} {
		o := w.mustRun(2, stream(fetched{name: "config", revision: strings.Repeat("3", 40), yaml: configMaps("a")}), flag)
		if !strings.Contains(o.stderr, "--prune") {
			t.Errorf("%s without --prune:\n%s", flag, o.stderr)
		}
	}
	gone := deletes(w.requests(func() {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		for set := range 120 {
			args := slices.Clone(flags)
			random.Shuffle(len(args), func(i, j int) { args[i], args[j] = args[j], args[i] })
			args = args[:random.IntN(len(args)+1)]
			at := script.Noon.Add(time.Duration(set+1) * time.Minute)
			w.run(stream(fetched{name: "config", revision: fmt.Sprintf("%040d", set), at: at, yaml: append(configMaps("a"), fixed(set))}), args...)
		}
	}))
	if len(gone) > 0 {
		t.Errorf("DELETE without --prune: %v", gone)
	}
	if !w.has("b") {
		t.Error("an object is gone")
	}
}

func TestSafety18SourcesDoNotShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(minute int) time.Time { return script.Noon.Add(time.Duration(minute) * time.Minute) }
	rev := func(n int) string { return fmt.Sprintf("%040d", n) }
	w.mustRun(0, stream(fetched{name: "a", yaml: configMaps("shared")}), "--prune")
	// B alone cannot take what A holds.
	o := w.mustRun(5, stream(fetched{name: "b", yaml: configMaps("shared")}), "--prune")
	if !strings.Contains(o.stderr, "source a holds the object") {
		t.Errorf("message:\n%s", o.stderr)
	}
	// Both at once: a conflict, no delete.
	w.mustRun(5, stream(fetched{name: "a", at: at(1), yaml: configMaps("shared")}, fetched{name: "b", at: at(1), yaml: configMaps("shared")}), "--prune")
	// Dropped by A and brought by B in one stream it moves.
	o = w.mustRun(0, stream(fetched{name: "a", at: at(2), revision: rev(2)}, fetched{name: "b", at: at(2), yaml: configMaps("shared")}), "--prune")
	if got := w.actions(o)["ConfigMap/shared"]; got != "unchanged" {
		t.Errorf("moving: %s", got)
	}
	// A has nothing to do with it any more.
	w.mustRun(0, stream(fetched{name: "a", at: at(3), revision: rev(3)}), "--prune")
	if !w.has("shared") {
		t.Fatal("the first to leave deleted it")
	}
	w.mustRun(0, stream(fetched{name: "b", at: at(4), revision: rev(4)}), "--prune")
	if w.has("shared") {
		t.Error("its last source left, and it is still there")
	}
}

// The annotation can only prevent a change: what names another inventory is left alone, what names
// ours is not ours by that.
func TestSafety18InventoriesDoNotShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(minute int) time.Time { return script.Noon.Add(time.Duration(minute) * time.Minute) }
	w.mustRun(0, stream(fetched{name: "a", yaml: configMaps("shared", "own")}), "--prune", "--inventory", "one")
	shared := w.cluster.Must(t, "GET", w.path("configmaps", "shared"), "")
	if got := shared.At("metadata", "annotations", "sluice.dev/inventory"); got != w.namespace+"/one" {
		t.Errorf("the annotation says %v", got)
	}
	if got := shared.At("metadata", "labels", "sluice.dev/inventory"); got != w.namespace+".one" {
		t.Errorf("the label says %v", got)
	}
	other := []string{configMap("shared", "theirs"), configMap("mine")}
	var o outcome
	changed := w.writes(func() {
		o = w.mustRun(5, stream(fetched{name: "b", yaml: other}), "--prune", "--inventory", "two")
	})
	if !strings.Contains(o.stdout, "inventory "+w.namespace+"/one holds the object") {
		t.Errorf("message:\n%s", o.stderr)
	}
	for _, r := range changed {
		if r.Name == "shared" {
			t.Errorf("written: %v", r)
		}
	}
	// Gone from the second, it is not the second's to delete; nor is it once the second had entered it
	// and the first took it over.
	w.mustRun(0, stream(fetched{name: "b", at: at(1), revision: fmt.Sprintf("%040d", 2), yaml: configMaps("mine")}), "--prune", "--inventory", "two")
	w.cluster.Must(t, "PATCH", w.path("configmaps", "mine"), `{"metadata": {"annotations": {"sluice.dev/inventory": "`+w.namespace+`/one"}}}`)
	w.mustRun(0, stream(fetched{name: "b", at: at(2), revision: fmt.Sprintf("%040d", 3)}), "--prune", "--inventory", "two")
	// And what only says that it is the first's is not.
	w.mustRun(0, stream(fetched{name: "a", at: at(3), revision: fmt.Sprintf("%040d", 4), yaml: configMaps("shared")}), "--prune", "--inventory", "one")
	if got := w.configMapsThere(); !slices.Equal(got, []string{"mine", "shared"}) {
		t.Errorf("the cluster holds %v", got)
	}
}

func TestSafety19TwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for round := range 20 {
		at := script.Noon.Add(time.Duration(round) * time.Minute)
		names := []string{fmt.Sprintf("a-%d", round), fmt.Sprintf("b-%d", round), fmt.Sprintf("c-%d", round)}
		want := stream(fetched{name: "config", revision: fmt.Sprintf("%040d", round), at: at, yaml: configMaps(names...)})
		var runs [2]outcome
		var both sync.WaitGroup
		for i := range runs {
			both.Go(func() { runs[i] = w.run(want, "--prune", "--output", "results") })
		}
		both.Wait()
		winners := 0
		for _, o := range runs {
			switch o.code {
			case 0:
				winners++
			case 7:
				if strings.Contains(o.stdout, `"type":"apply"`) {
					t.Errorf("round %d: the loser reports changes:\n%s", round, o.stdout)
				}
			default:
				t.Errorf("round %d: exit code %d\n%s", round, o.code, o.stderr)
			}
		}
		created := strings.Count(runs[0].stdout+runs[1].stdout, `"action":"created"`)
		if winners == 0 || created != len(names) {
			t.Fatalf("round %d: %d winners, %d objects created, want %d\n%s\n%s", round, winners, created, len(names), runs[0].stderr, runs[1].stderr)
		}
		slices.Sort(names)
		if got := w.configMapsThere(); !slices.Equal(got, names) {
			t.Fatalf("round %d: the cluster holds %v, want %v", round, got, names)
		}
	}
	if holder := w.holder(); holder != "" {
		t.Errorf("the lease is left with %s", holder)
	}
}

// Another run comes and goes between the look at the cluster and the lease.
func TestSafety19PlanIsCheckedUnderTheLease(t *testing.T) {
	t.Parallel()
	slow := fetched{name: "config", at: script.Noon, yaml: configMaps("a", "b")}
	same := slow
	newer := fetched{name: "config", at: script.Noon.Add(time.Minute), revision: strings.Repeat("3", 40), yaml: configMaps("a", "c")}
	for name, one := range map[string]struct {
		quick fetched
		code  int
		there []string
	}{
		"with the same":        {same, 0, []string{"a", "b"}},
		"with something newer": {newer, 4, []string{"a", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			other := *w
			var once sync.Once
			w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if strings.Contains(r.URL.Path, "/leases/") {
					once.Do(func() { other.mustRun(0, stream(one.quick), "--prune") })
				}
				next.ServeHTTP(rw, r)
			})
			o := w.mustRun(one.code, stream(slow), "--prune")
			if strings.Contains(o.stdout, `"action":"created"`) || strings.Contains(o.stdout, `"action":"pruned"`) {
				t.Errorf("the slow run says that it changed something:\n%s", o.stdout)
			}
			if got := w.configMapsThere(); !slices.Equal(got, one.there) {
				t.Errorf("the cluster holds %v, want %v", got, one.there)
			}
			if holder := w.holder(); holder != "" {
				t.Errorf("the lease is left with %s", holder)
			}
		})
	}
}

func TestSafety19HeldLeaseKeepsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a")}))
	lease := "/apis/coordination.k8s.io/v1/namespaces/" + w.namespace + "/leases/sluice-kapply-default"
	hold := func(at time.Time) {
		w.cluster.Must(t, "PATCH", lease, fmt.Sprintf(
			`{"spec": {"holderIdentity": "elsewhere/1", "renewTime": %q}}`, at.UTC().Format("2006-01-02T15:04:05.000000Z")))
	}
	hold(script.Noon.Add(time.Second))
	next := stream(fetched{name: "config", at: script.Noon.Add(time.Minute), yaml: configMaps("a", "b")})
	var o outcome
	if writes := w.writes(func() { o = w.mustRun(7, next) }); len(writes) > 0 {
		t.Errorf("the loser wrote: %v", writes)
	}
	if !strings.Contains(o.stderr, "elsewhere/1") {
		t.Errorf("the message does not name the holder:\n%s", o.stderr)
	}
	// A quiet run needs no lease.
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a")}))
	hold(script.Noon.Add(-time.Minute))
	w.mustRun(0, next)
	if !w.has("b") || w.holder() != "" {
		t.Errorf("the lease of a dead holder is not taken over; held by %q", w.holder())
	}
}

func TestSafety25StaleStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon, yaml: configMaps("old")})
	quick := stream(fetched{name: "config", revision: strings.Repeat("4", 40), at: script.Noon.Add(time.Minute), yaml: configMaps("old", "new")})
	w.mustRun(0, quick, "--prune")
	var o outcome
	if writes := w.writes(func() { o = w.mustRun(4, slow, "--prune") }); len(writes) > 0 {
		t.Errorf("a stale stream wrote: %v", writes)
	}
	if !strings.Contains(o.stdout, `"code":"stale"`) || !strings.Contains(o.stderr, "--replay") {
		t.Errorf("what it says:\n%s", o.stderr)
	}
	if !w.has("new") {
		t.Fatal("the newer state does not stand")
	}
	w.mustRun(0, slow, "--prune", "--replay")
	if w.has("new") {
		t.Error("--replay does not apply the record")
	}
}

// A revision that changes no object is noted all the same, with its time.
func TestSafety25RevisionWithoutAChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(minute, revision int, names ...string) []byte {
		return stream(fetched{name: "config", revision: fmt.Sprintf("%040d", revision), at: script.Noon.Add(time.Duration(minute) * time.Minute), yaml: configMaps(names...)})
	}
	w.mustRun(0, at(0, 1, "a"), "--prune")
	w.mustRun(0, at(2, 3, "a"), "--prune")
	if writes := w.writes(func() { w.mustRun(4, at(1, 2, "a", "b"), "--prune") }); len(writes) > 0 {
		t.Errorf("a stale stream wrote: %v", writes)
	}
}

func TestSafety30SilentAPIServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w := newWorld(t)
	w.kubeconfig = filepath.Join(t.TempDir(), "silent.kubeconfig")
	if err := kubetest.WriteKubeconfig(w.kubeconfig, "http://"+listener.Addr().String(), w.namespace); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	o := w.mustRun(1, stream(fetched{name: "config", yaml: configMaps("a")}), "--prune", "--timeout", "1s")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(o.stderr, "not done within 1s") {
		t.Errorf("what it says:\n%s", o.stderr)
	}
}

// The API server falls silent in the middle of the writes.
func TestSafety30SilentInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	silent := false
	var mu sync.Mutex
	w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		silent = silent || r.Method == http.MethodPatch
		stuck := silent
		mu.Unlock()
		if stuck {
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(rw, r)
	})
	began := time.Now()
	w.mustRun(1, stream(fetched{name: "config", yaml: configMaps("a", "b")}), "--timeout", "1s")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}
