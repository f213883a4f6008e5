package main

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// inNamespace is a ConfigMap somewhere else.
func inNamespace(namespace, name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: " + namespace + "}\n"
}

// What lies outside of --allow-namespace is refused object by object, is not asked for, and is not
// pruned, not even where the inventory holds it.
func TestAllowNamespace(t *testing.T) {
	w := newWorld(t)
	other, made := w.namespace+"-other", w.namespace+"-made"
	w.cluster.Must(t, "POST", "/api/v1/namespaces", "metadata: {name: "+other+"}")
	w.mustRun(0, stream(fetched{name: "old", yaml: []string{inNamespace(other, "out")}}), "--prune")
	role := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: " + w.namespace + "}\n"
	namespace := func(name string) string { return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n" }
	mixed := stream(
		fetched{name: "config", yaml: []string{configMap("in"), namespace(made), inNamespace(made, "new"), inNamespace(other, "theirs"), namespace(other), role}},
		fetched{name: "old", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute)},
	)
	var o outcome
	requests := w.cluster.Count(t, "sluice-kapply", func() {
		o = w.mustRun(5, mixed, "--prune", "--wait", "--allow-namespace", w.namespace, "--allow-namespace", made)
	})
	want := map[string]string{
		"ConfigMap/in": "created", "Namespace/" + made: "created", "ConfigMap/" + made + "/new": "created",
		"ConfigMap/" + other + "/theirs": "failed", "Namespace/" + other: "failed", "ClusterRole.rbac.authorization.k8s.io/" + w.namespace: "failed",
		"ConfigMap/" + other + "/out": "skipped",
	}
	if got := w.actions(o); !maps.Equal(got, want) {
		t.Errorf("actions:\n%v, want\n%v", got, want)
	}
	if n := strings.Count(o.stdout, `"code":"out-of-scope"`); n != 3 {
		t.Errorf("%d refused, want 3", n)
	}
	for _, r := range requests {
		if r.Namespace == other || r.Name == other || r.Resource == "clusterroles" || r.Resource == "configmaps" && r.Namespace == "" {
			t.Errorf("outside: %v", r)
		}
	}
	// The other way round: what was applied with wider reach stays, and stays in the inventory.
	w.mustRun(0, stream(fetched{name: "old", revision: strings.Repeat("4", 40), at: script.Noon.Add(2 * time.Minute)}), "--prune", "--allow-namespace", w.namespace, "--drop-source", "config")
	if w.has("in") || w.cluster.Must(t, "GET", "/api/v1/namespaces/"+other+"/configmaps/out", "") == nil {
		t.Error("what is to go is there, or what is to stay is gone")
	}
	w.mustRun(0, stream(fetched{name: "old", revision: strings.Repeat("5", 40), at: script.Noon.Add(3 * time.Minute)}), "--prune")
	if w.cluster.Must(t, "GET", "/api/v1/namespaces/"+other+"/configmaps/out", "") != nil {
		t.Error("the inventory forgot what lay outside")
	}
	for _, args := range [][]string{{"--allow-namespace", ""}, {"--as", ""}, {"--as-group", "a"}, {"--as", "a", "--as-group", ""}} {
		w.mustRun(2, mixed, args...)
	}
}

// With --as nothing is done with any right but the tenant's: neither to objects, nor to the inventory
// and the lease.
func TestAsTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.Restricted(t, kubetest.User{Name: "tenant", Namespace: w.namespace, Rules: []kubetest.Rule{
		{Groups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "create", "update", "patch", "delete"}},
		{Groups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create", "update"}},
	}})
	other := w.namespace + "-other"
	w.cluster.Must(t, "POST", "/api/v1/namespaces", "metadata: {name: "+other+"}")
	tenant := "system:serviceaccount:" + w.namespace + ":tenant"
	source := fetched{name: "config", yaml: append(configMaps("a", "b"), inNamespace(other, "stolen"))}
	o := w.mustRun(5, stream(source), "--prune", "--as", tenant, "--events=false")
	if !strings.Contains(o.stdout, `"code":"forbidden"`) || !w.has("a") || w.cluster.Must(t, "GET", "/api/v1/namespaces/"+other+"/configmaps/stolen", "") != nil {
		t.Errorf("what it says:\n%s", o.stderr)
	}
	// The inventory of another namespace is neither read nor written.
	w.cluster.Must(t, "POST", "/api/v1/namespaces/"+other+"/configmaps", "metadata: {name: sluice-kapply-default}")
	o = w.mustRun(1, stream(source), "--prune", "--as", tenant, "--inventory-namespace", other)
	if !strings.Contains(o.stderr, `User "`+tenant+`" cannot get resource "configmaps"`) {
		t.Errorf("what it says:\n%s", o.stderr)
	}
	source.revision, source.at, source.yaml = strings.Repeat("3", 40), script.Noon.Add(time.Minute), configMaps("a")
	w.mustRun(0, stream(source), "--prune", "--as", tenant)
	if w.has("b") {
		t.Error("a tenant's own is not pruned")
	}
	// Who may not act as somebody else does nothing at all.
	w.kubeconfig = w.cluster.Restricted(t, kubetest.User{Name: "weak", Namespace: w.namespace})
	o = w.mustRun(1, stream(source), "--as", tenant)
	if !strings.Contains(o.stderr, "cannot impersonate") {
		t.Errorf("what it says:\n%s", o.stderr)
	}
}
