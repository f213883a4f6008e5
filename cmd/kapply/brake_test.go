package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

var planDigest = regexp.MustCompile(`digest is ([0-9a-f]{20})`)

// shrunk gives a world whose source a has lost n of 20 objects, and b none of its 20, and the stream
// that says so.
func shrunk(t *testing.T, n int) (*world, []byte) {
	w := newWorld(t)
	names := func(prefix string, n int) []string {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("%s%02d", prefix, i))
		}
		return names
	}
	w.mustRun(0, stream(fetched{name: "a", yaml: configMaps(names("a", 20)...)}, fetched{name: "b", yaml: configMaps(names("b", 20)...)}), "--prune")
	return w, stream(fetched{name: "a", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute), yaml: configMaps(names("a", 20-n)...)})
}

func TestSafety03BrakeAtUnderAndOverTheLimit(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		gone int
		args []string
		code int
	}{
		{9, nil, 0},
		{10, nil, 0}, // a quarter of 40, and the ten that are always allowed
		{11, nil, 4},
		{1, []string{"--max-prune", "0"}, 4},
		{3, []string{"--max-prune", "3"}, 0},
		{4, []string{"--max-prune", "3"}, 4},
		{12, []string{"--max-prune", "30%"}, 0},
		{13, []string{"--max-prune", "30%"}, 4},
		{20, []string{"--max-prune", "100%"}, 0},
	} {
		t.Run(fmt.Sprint(one.gone, one.args), func(t *testing.T) {
			t.Parallel()
			w, later := shrunk(t, one.gone)
			args := append([]string{"--prune"}, one.args...)
			w.mustRun(one.code, later, append(args, "--dry-run")...)
			var o outcome
			gone := len(deletes(w.writes(func() { o = w.mustRun(one.code, later, args...) })))
			if want := map[int]int{0: one.gone, 4: 0}[one.code]; gone != want {
				t.Errorf("%d objects deleted, want %d", gone, want)
			}
			if one.code == 4 && (planDigest.FindStringSubmatch(o.stderr) == nil || !strings.Contains(o.stdout, `"code":"prune-limit"`)) {
				t.Errorf("what it says:\n%s", o.stderr)
			}
		})
	}
}

// The dry run prints the digest; with it, that plan and no other is carried out.
func TestSafety03ConfirmationIsOfOnePlan(t *testing.T) {
	t.Parallel()
	w, later := shrunk(t, 15)
	digest := planDigest.FindStringSubmatch(w.mustRun(4, later, "--prune", "--dry-run").stderr)[1]
	// An object that somebody made anew is another plan, whatever its name; so is another source's.
	w.cluster.Must(t, "DELETE", w.path("configmaps", "a19"), "")
	if gone := deletes(w.writes(func() { w.mustRun(4, later, "--prune", "--confirm-prune", digest) })); len(gone) > 0 {
		t.Fatalf("a stale digest deletes %v", gone)
	}
	if o := w.mustRun(4, later, "--prune", "--drop-source", "b"); !strings.Contains(o.stderr, "34 of 39 in the inventory") {
		t.Errorf("--drop-source does not count:\n%s", o.stderr)
	}
	now := planDigest.FindStringSubmatch(w.mustRun(4, later, "--prune").stderr)[1]
	if now == digest {
		t.Fatal("another plan has the same digest")
	}
	w.mustRun(0, later, "--prune", "--confirm-prune", now)
	if got := len(w.configMapsThere()); got != 25 {
		t.Errorf("%d objects are left, want 25", got)
	}
	// Within the limit a digest still stands for one plan.
	fewer := stream(fetched{name: "a", revision: strings.Repeat("4", 40), at: script.Noon.Add(2 * time.Minute), yaml: configMaps("a00")})
	if gone := deletes(w.writes(func() { w.mustRun(4, fewer, "--prune", "--confirm-prune", now) })); len(gone) > 0 {
		t.Errorf("a digest that was used deletes %v", gone)
	}
}

// A confirmation that is kept for a CronJob is used once, by the run that carries the plan out.
func TestSafety03ConfirmIsUsedUp(t *testing.T) {
	t.Parallel()
	w, later := shrunk(t, 15)
	digest := planDigest.FindStringSubmatch(w.mustRun(4, later, "--prune").stderr)[1]
	w.mustRun(0, nil, "confirm", digest)
	if got := w.confirmed(); got != digest {
		t.Fatalf("confirmed is %q", got)
	}
	// Runs that do not come to it leave it alone.
	other := stream(fetched{name: "a", revision: strings.Repeat("5", 40), at: script.Noon.Add(90 * time.Second)})
	if gone := deletes(w.writes(func() { w.mustRun(4, other, "--prune") })); len(gone) > 0 || w.confirmed() != digest {
		t.Fatalf("another plan deletes %v, and leaves %q confirmed", gone, w.confirmed())
	}
	w.mustRun(0, later, "--prune", "--replay")
	if got := len(w.configMapsThere()); got != 25 || w.confirmed() != "" {
		t.Errorf("%d objects are left, want 25; %q is still confirmed", got, w.confirmed())
	}
}

// confirmed is what kapply status says is.
func (w *world) confirmed() string {
	w.Helper()
	var status struct{ Confirmed string }
	o := w.mustRun(0, nil, "status", "--output", "json")
	if err := json.Unmarshal([]byte(o.stdout), &status); err != nil {
		w.Fatalf("%s: %v", o.stdout, err)
	}
	return status.Confirmed
}

// What the API server refuses is asked of it in every run, and nothing is written for that.
func TestRefusedObjectWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 0}]}\n"
	source := fetched{name: "config", yaml: append(configMaps("a"), bad)}
	w.mustRun(5, stream(source), "--prune")
	for minute := range 3 {
		source.at = script.Noon.Add(time.Duration(minute+1) * time.Minute)
		var o outcome
		writes := w.writes(func() { o = w.mustRun(5, stream(source), "--prune") })
		if len(writes) > 1 || len(writes) == 1 && (writes[0].Name != "bad" || writes[0].Verb != "patch") {
			t.Errorf("writes: %v", writes)
		}
		if !strings.Contains(o.stdout, `"code":"invalid"`) || w.actions(o)["Service/bad"] != "failed" {
			t.Errorf("what it says:\n%s", o.stderr)
		}
	}
	// As soon as it is right it is applied.
	source.revision, source.yaml[1] = strings.Repeat("3", 40), strings.Replace(bad, "port: 0", "port: 80", 1)
	if o := w.mustRun(0, stream(source), "--prune"); w.actions(o)["Service/bad"] != "created" {
		t.Errorf("it is not applied:\n%s", o.stdout)
	}
}

// A run with patience waits for the lease, and then finds out anew what there is to do.
func TestLockTimeoutWaitsAndPlansAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a", "b")}), "--prune")
	lease := "/apis/coordination.k8s.io/v1/namespaces/" + w.namespace + "/leases/sluice-kapply-default"
	hold := func(holder string) {
		w.cluster.Must(t, "PATCH", lease, fmt.Sprintf(`{"spec": {"holderIdentity": %q, "renewTime": %q}}`,
			holder, script.Noon.Add(time.Second).UTC().Format("2006-01-02T15:04:05.000000Z")))
	}
	hold("elsewhere/1")
	next := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute), yaml: configMaps("a")})
	o := w.mustRun(7, next, "--prune", "--lock-timeout", "1s")
	if !strings.Contains(o.stderr, "waiting for another run: ") || !strings.Contains(o.stderr, "elsewhere/1") {
		t.Errorf("what it says:\n%s", o.stderr)
	}
	// Meanwhile the holder, or anybody, makes b anew: it is not this run's to delete any more.
	var once sync.Once
	looks := 0
	w.through(func(rw http.ResponseWriter, r *http.Request, handler http.Handler) {
		if strings.Contains(r.URL.Path, "/leases/") && r.Method == http.MethodGet {
			if looks++; looks == 3 {
				once.Do(func() {
					w.cluster.Must(t, "DELETE", w.path("configmaps", "b"), "")
					w.cluster.Must(t, "POST", w.path("configmaps", ""), "metadata: {name: b}")
					hold("")
				})
			}
		}
		handler.ServeHTTP(rw, r)
	})
	gone := deletes(w.writes(func() { o = w.mustRun(0, next, "--prune", "--lock-timeout", "1m") }))
	if len(gone) > 0 || w.actions(o)["ConfigMap/b"] != "skipped" {
		t.Errorf("deleted on an old plan: %v\n%s", gone, o.stdout)
	}
}
