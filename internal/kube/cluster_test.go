package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// onCluster gives a client whose context names a namespace of its own.
func onCluster(t *testing.T) (*kubetest.Cluster, *Client, string) {
	t.Helper()
	cluster := kubetest.Shared(t)
	namespace := cluster.Namespace(t)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := cluster.WriteKubeconfig(file, namespace); err != nil {
		t.Fatal(err)
	}
	config, err := Load(Target{Kubeconfig: file}, "test")
	if err != nil {
		t.Fatal(err)
	}
	if config.Namespace != namespace {
		t.Fatalf("the context's namespace is %s, want %s", config.Namespace, namespace)
	}
	client, err := NewClient(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cluster, client, namespace
}

func store(t *testing.T, client *Client, namespace string) *Store {
	t.Helper()
	s, err := NewStore(client, "test", namespace, "default")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lease(s *Store, holder string, duration time.Duration) *Lease {
	l := s.Lease()
	l.Holder, l.Now, l.Duration = holder, time.Now, duration
	return l
}

func TestStoreKeepsAndGuards(t *testing.T) {
	cluster, client, namespace := onCluster(t)
	s := store(t, client, namespace)
	ctx := t.Context()
	empty, err := s.Load(ctx)
	if err != nil || len(empty.Entries) != 0 {
		t.Fatalf("%v %v", empty, err)
	}
	mine := sample()
	if err := s.Save(ctx, mine); err != nil {
		t.Fatal(err)
	}
	if writes := cluster.Count(t, "sluice-test", func() {
		if err := s.Save(ctx, mine); err != nil {
			t.Error(err)
		}
	}); len(writes) > 0 {
		t.Errorf("saving what is stored: %v", writes)
	}
	cluster.Must(t, "PATCH", "/api/v1/namespaces/"+namespace+"/configmaps/sluice-test-default", `{"metadata": {"annotations": {"note": "kept"}}}`)
	other, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	delete(other.Entries, ID{"", "Namespace", "", "demo"})
	if err := s.Save(ctx, other); err != nil {
		t.Fatal(err)
	}
	if note := cluster.Must(t, "GET", "/api/v1/namespaces/"+namespace+"/configmaps/sluice-test-default", "").At("metadata", "annotations", "note"); note != "kept" {
		t.Errorf("somebody's annotation became %v", note)
	}
	delete(mine.Entries, ID{"apps", "Deployment", "demo", "web"})
	var lost *Error
	if err := s.Save(ctx, mine); !errors.As(err, &lost) || lost.Code != "lost-lease" {
		t.Errorf("saving over somebody else's inventory: %v", err)
	}
	if _, err := NewStore(client, "test", namespace, "No Name"); err == nil {
		t.Error("a name that is none")
	}
}

func TestLeaseIsExclusiveAndExpires(t *testing.T) {
	_, client, namespace := onCluster(t)
	s := store(t, client, namespace)
	ctx := t.Context()
	_, held, err := lease(s, "first", 2*time.Second).Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, _, err := lease(s, "second", 0).Acquire(ctx); !errors.As(err, &locked) || locked.Holder != "first" {
		t.Fatalf("second: %v", err)
	}
	// It renews itself beyond its duration.
	time.Sleep(3 * time.Second)
	if _, _, err := lease(s, "second", 0).Acquire(ctx); !errors.As(err, &locked) {
		t.Fatalf("second, later: %v", err)
	}
	if err := held.Release(ctx); err != nil {
		t.Fatal(err)
	}
	_, dead, err := lease(s, "dies", time.Second).Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dead.stop() // as a killed process would
	<-dead.done
	eventually(t, "a dead holder's lease is taken over", func() bool {
		_, held, err := lease(s, "third", 0).Acquire(ctx)
		return err == nil && held.Release(ctx) == nil
	})
}

func TestLostLeaseEndsTheRun(t *testing.T) {
	cluster, client, namespace := onCluster(t)
	s := store(t, client, namespace)
	ctx, held, err := lease(s, "first", time.Second).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cluster.Must(t, "PATCH", "/apis/coordination.k8s.io/v1/namespaces/"+namespace+"/leases/sluice-test-default", `{"spec": {"holderIdentity": "thief"}}`)
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the run goes on without its lease")
	}
	if !errors.Is(context.Cause(ctx), ErrLostLease) {
		t.Errorf("cause: %v", context.Cause(ctx))
	}
	if err := held.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if holder := cluster.Must(t, "GET", "/apis/coordination.k8s.io/v1/namespaces/"+namespace+"/leases/sluice-test-default", "").At("spec", "holderIdentity"); holder != "thief" {
		t.Errorf("somebody else's lease was released; it is held by %v", holder)
	}
}

// A run as a program would start it, with many objects at a time.
func TestSyncBringsTheClusterThere(t *testing.T) {
	_, client, namespace := onCluster(t)
	s := store(t, client, namespace)
	run := func(objects []*Object, sources ...Source) (map[Action]int, error) {
		counts := map[Action]int{}
		var mu sync.Mutex
		job := &Sync{Client: client, Store: s, Lease: lease(s, "test", 0), Objects: objects, Sources: sources,
			Prune: true, Brake: Brake{Limit: &PruneLimit{100, true}}, DefaultNamespace: namespace, Wait: true, Report: func(r Result) {
				mu.Lock()
				defer mu.Unlock()
				counts[r.Action]++
				if r.Err != nil {
					t.Errorf("%v: %v", r.ID, r.Err)
				}
			}}
		return counts, job.Run(t.Context())
	}
	var objects []*Object
	for n := range 40 {
		objects = append(objects, object(t, "s", "ConfigMap", fmt.Sprintf("object-%d", n)))
	}
	source := Source{Name: "s", Whole: true, State: SourceState{Revision: "1", Manifests: 40}}
	for _, one := range []struct {
		objects []*Object
		want    map[Action]int
	}{
		{objects, map[Action]int{Created: 40}},
		{objects, map[Action]int{Unchanged: 40}},
		{objects[:10], map[Action]int{Unchanged: 10, Pruned: 30}},
		{objects[:20], map[Action]int{Unchanged: 10, Created: 10}},
	} {
		source.State.Revision += "1"
		got, err := run(one.objects, source)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(one.want) {
			t.Errorf("got %v (%v), want %v", got, err, one.want)
		}
	}
	// A source that is gone altogether, and one that never was.
	source.Whole = false
	if got, err := run(nil, source); err != nil || got[Held] != 20 {
		t.Errorf("got %v (%v), want 20 held", got, err)
	}
}

func TestDiscover(t *testing.T) {
	_, client, _ := onCluster(t)
	kinds, err := client.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	deployments := kinds.Find(GroupKind{"apps", "Deployment"}, "v1")
	if deployments == nil || deployments.Plural != "deployments" || !deployments.Namespaced {
		t.Errorf("deployments: %+v", deployments)
	}
	if namespaces := kinds.Find(namespaceKind, ""); namespaces == nil || namespaces.Namespaced {
		t.Errorf("namespaces: %+v", namespaces)
	}
	if kinds.Find(GroupKind{"apps", "Deployment"}, "v1beta1") != nil {
		t.Error("a version that is not served")
	}
	if got := strings.Join(kinds.Versions(GroupKind{"extensions", "Deployment"}), " "); got != "apps/v1" {
		t.Errorf("versions: %s", got)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within 15 s: %s", what)
}
