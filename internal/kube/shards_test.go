package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// cutter is a connection that dies with the n-th request: the API server sees it, and the answer is
// lost, as is whatever is sent after it.
type cutter struct {
	t    testing.TB
	next http.RoundTripper

	mu   sync.Mutex
	left int
	cut  bool
}

var errCut = errors.New("the connection is cut")

func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/sluice-") {
		c.t.Errorf("a part of the inventory is deleted: %s", r.URL.Path)
	}
	c.mu.Lock()
	c.left--
	left := c.left
	c.cut = c.cut || left == 0
	c.mu.Unlock()
	if left < 0 {
		return nil, errCut
	}
	response, err := c.next.RoundTrip(r)
	if left == 0 && err == nil {
		response.Body.Close()
		return nil, errCut
	}
	return response, err
}

// sharded is a namespace in which inventories are kept in small parts.
type sharded struct {
	*testing.T
	cluster   *kubetest.Cluster
	namespace string
	config    func() *Config
	runs      int
	requests  int // of the last run
}

func newSharded(t *testing.T) *sharded {
	cluster := kubetest.Shared(t)
	w := &sharded{T: t, cluster: cluster, namespace: cluster.Namespace(t)}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := cluster.WriteKubeconfig(file, w.namespace); err != nil {
		t.Fatal(err)
	}
	w.config = func() *Config {
		config, err := Load(Target{Kubeconfig: file}, "test")
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	return w
}

// store is one whose connection dies with the n-th request.
func (w *sharded) store(inventory string, n int) (*Store, *cutter) {
	cut := &cutter{t: w, left: n}
	config := w.config()
	config.REST.Wrap(func(next http.RoundTripper) http.RoundTripper { cut.next = next; return cut })
	client, err := NewClient(config, nil)
	if err != nil {
		w.Fatal(err)
	}
	s, err := NewStore(client, "test", w.namespace, inventory)
	if err != nil {
		w.Fatal(err)
	}
	s.full = 500
	return s, cut
}

// run brings the ConfigMaps there, and dies with the n-th request. Each run comes a minute after
// the one before: the lease of a dead one has expired.
func (w *sharded) run(inventory string, n int, value string, names ...string) (died bool, err error) {
	w.runs++
	s, cut := w.store(inventory, n)
	l := s.Lease()
	at := time.Duration(w.runs) * time.Minute
	l.Holder, l.Now = fmt.Sprint(w.runs), func() time.Time { return time.Now().Add(at) }
	var objects []*Object
	for _, name := range names {
		raw := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q},"data":{"key":%q}}`, name, value)
		o, err := ParseObject([]byte(raw), "s")
		if err != nil {
			w.Fatal(err)
		}
		objects = append(objects, o)
	}
	fetched := time.Date(2026, 11, 20, 12, w.runs, 0, 0, time.UTC)
	job := &Sync{Client: s.client, Store: s, Lease: l, Objects: objects, Prune: true, DefaultNamespace: w.namespace, Concurrency: 1,
		Sources: []Source{{Name: "s", Whole: true, State: SourceState{Fetched: fetched, Revision: fmt.Sprint(w.runs), Manifests: len(names)}}},
		Report: func(r Result) {
			if r.Err != nil && n >= forever {
				w.Errorf("%v: %v", r.ID, r.Err)
			}
		}}
	err = job.Run(context.Background())
	w.requests = s.client.Requests()
	return cut.cut, err
}

const forever = 1 << 30

// there are the test's ConfigMaps with this prefix.
func (w *sharded) there(prefix string) []string {
	var names []string
	items, _ := w.cluster.Must(w, "GET", "/api/v1/namespaces/"+w.namespace+"/configmaps", "").At("items").([]any)
	for _, item := range items {
		if name, _ := kubetest.Object(item.(map[string]any)).At("metadata", "name").(string); strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (w *sharded) held(inventory string) (names []string, parts int) {
	s, _ := w.store(inventory, forever)
	inv, err := s.Load(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range inv.sorted() {
		names = append(names, e.Name)
		if e.UID == "" || e.Applied == "" {
			w.Errorf("%s is not settled: %+v", e.Name, e)
		}
	}
	return names, len(inv.parts)
}

func prefixed(prefix string, n ...int) []string {
	var names []string
	for _, i := range n {
		names = append(names, fmt.Sprintf("%s%d", prefix, i))
	}
	return names
}

// Killed at every request of the run that makes the shards, and of one that changes, adds and deletes
// in all of them: the next run, whatever it wants, leaves no orphan and forgets nothing.
func TestSafety07ShardsSurviveEveryKill(t *testing.T) {
	t.Parallel()
	w := newSharded(t)
	for n := 1; ; n++ {
		prefix := fmt.Sprintf("o%d-", n)
		inventory := fmt.Sprintf("i%d", n)
		check := func(step string, want []string) {
			t.Helper()
			if got := w.there(prefix); !slices.Equal(got, want) {
				t.Fatalf("request %d, %s: the cluster holds %v, want %v", n, step, got, want)
			}
			if got, parts := w.held(inventory); !slices.Equal(got, want) || parts < 2 {
				t.Fatalf("request %d, %s: %d parts hold %v, want %v", n, step, parts, got, want)
			}
		}
		must := func(step string, value string, names []string) {
			t.Helper()
			if _, err := w.run(inventory, forever, value, names...); err != nil {
				t.Fatalf("request %d, %s: %v", n, step, err)
			}
			check(step, names)
		}
		first, _ := w.run(inventory, n, "one", prefixed(prefix, 0, 1, 2, 3, 4)...)
		must("after the first", "one", prefixed(prefix, 1, 2, 3, 5))
		second, _ := w.run(inventory, n, "two", prefixed(prefix, 1, 3, 6, 7, 8)...)
		must("after the second", "two", prefixed(prefix, 1, 3, 6))
		if !first && !second {
			t.Logf("runs make up to %d requests", n-1)
			return
		}
	}
}

// A quiet run asks for the API server's kinds (2), each part of the inventory, and each kind.
func TestQuietRunReadsEachPartOnce(t *testing.T) {
	t.Parallel()
	w := newSharded(t)
	names := prefixed("o", 0, 1, 2, 3, 4, 5, 6)
	for _, value := range []string{"one", "two"} {
		if _, err := w.run("default", forever, value, names...); err != nil {
			t.Fatal(err)
		}
	}
	w.runs-- // the same revision again
	if _, err := w.run("default", forever, "two", names...); err != nil {
		t.Fatal(err)
	}
	if _, parts := w.held("default"); parts < 3 || w.requests != 2+parts+1 {
		t.Errorf("%d requests with an inventory of %d parts", w.requests, parts)
	}
}

func TestShardThatIsMissingOrDamaged(t *testing.T) {
	t.Parallel()
	w := newSharded(t)
	names := prefixed("o", 0, 1, 2, 3, 4, 5)
	if _, err := w.run("default", forever, "one", names...); err != nil {
		t.Fatal(err)
	}
	shard := "/api/v1/namespaces/" + w.namespace + "/configmaps/sluice-test-default.1"
	for _, damage := range []string{`{"data": {"entries": ""}}`, `{"data": {"count": "7"}}`, `{"data": null}`, ""} {
		if damage == "" {
			w.cluster.Must(t, "DELETE", shard, "")
		} else {
			w.cluster.Must(t, "PATCH", shard, damage)
		}
		_, err := w.run("default", forever, "two")
		if code, _ := Explain(err); err == nil || code != "bad-inventory" {
			t.Errorf("%s: %s %v", damage, code, err)
		}
		if got := w.there("o"); !slices.Equal(got, names) {
			t.Fatalf("%s: the cluster holds %v", damage, got)
		}
	}
}

// Two runs that both make the first shard: one has lost its lease and does not know it yet. What the
// other has named in the main ConfigMap is not overwritten.
func TestShardIsNotTakenFromAnotherRun(t *testing.T) {
	t.Parallel()
	w := newSharded(t)
	ctx := t.Context()
	load := func(inventory string) (*Store, *Inventory) {
		s, _ := w.store(inventory, forever)
		inv, err := s.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s, inv
	}
	fill := func(inv *Inventory, name string) *Inventory {
		for n := range 6 {
			id := ID{"", "ConfigMap", "ns", fmt.Sprintf("%s-%d", name, n)}
			inv.Entries[id] = &Entry{ID: id, Version: "v1", Source: name}
		}
		return inv
	}
	var lost *Error
	old, late := load("named")
	s, inv := load("named")
	if err := s.Save(ctx, fill(inv, "new")); err != nil {
		t.Fatal(err)
	}
	if err := old.Save(ctx, fill(late, "old")); !errors.As(err, &lost) || lost.Code != "lost-lease" {
		t.Errorf("saving over a shard that is named: %v", err)
	}
	if _, again := load("named"); len(again.Held("new")) != 6 || len(again.Held("old")) != 0 {
		t.Errorf("the inventory holds %v", again.sorted())
	}
	// The one that made the shard has not named it yet.
	s, inv = load("made")
	if err := s.savePart(ctx, fill(inv, "slow"), 1, map[string]string{keyFormat: inventoryFormat, keyShard: "1", keyCount: "0", keyEntries: ""}); err != nil {
		t.Fatal(err)
	}
	quick, other := load("made")
	if err := quick.Save(ctx, fill(other, "quick")); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(ctx, inv); !errors.As(err, &lost) || lost.Code != "lost-lease" {
		t.Errorf("naming a shard that another run has taken over: %v", err)
	}
	if _, again := load("made"); len(again.Held("quick")) != 6 || len(again.Held("slow")) != 0 {
		t.Errorf("the inventory holds %v", again.sorted())
	}
	// Something else of that name is in the way.
	w.cluster.Must(t, "POST", "/api/v1/namespaces/"+w.namespace+"/configmaps", "metadata: {name: sluice-test-blocked.1}")
	s, inv = load("blocked")
	if err := s.Save(ctx, fill(inv, "a")); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("a foreign ConfigMap: %v", err)
	}
}
