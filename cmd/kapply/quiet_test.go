package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// manyObjects are n objects of three kinds in two namespaces, with values that the API server
// does not keep as they are written.
func (w *world) manyObjects(n int) []string {
	other := w.namespace + "-other"
	objects := []string{"apiVersion: v1\nkind: Namespace\nmetadata: {name: " + other + "}\n"}
	for i := 1; i < n; i++ {
		namespace := []string{w.namespace, other}[i%2]
		meta := fmt.Sprintf("metadata: {name: object-%d, namespace: %s}\n", i, namespace)
		switch i % 3 {
		case 0:
			objects = append(objects, "apiVersion: v1\nkind: ConfigMap\n"+meta+"data: {key: value}\n")
		case 1:
			objects = append(objects, "apiVersion: v1\nkind: Secret\n"+meta+"stringData: {key: value}\n")
		case 2:
			objects = append(objects, fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
%sspec:
  replicas: 0
  selector: {matchLabels: {app: a%d}}
  template:
    metadata: {labels: {app: a%d}}
    spec: {containers: [{name: main, image: example.com/app, resources: {requests: {cpu: 1000m, memory: 1024Mi}}}]}
`, meta, i, i))
		}
	}
	return objects
}

func TestQuietRunWritesNothing(t *testing.T) {
	const objects, kinds = 60, 4
	w := newWorld(t)
	source := fetched{name: "config", yaml: w.manyObjects(objects)}
	cold := w.cluster.Count(t, "sluice-kapply", func() { w.mustRun(0, stream(source), "--prune") })
	// Reads are two of discovery and four about inventory and lease besides one for each kind; writes of
	// our own are lease and inventory, twice each, and an event, after a look whether it is there.
	if len(cold) > objects*102/100+(kinds+6)+5 {
		t.Errorf("%d requests for %d objects: %v", len(cold), objects, cold)
	}
	source.at = script.Noon.Add(time.Hour)
	var o outcome
	quiet := w.cluster.Count(t, "sluice-kapply", func() { o = w.mustRun(0, stream(source), "--prune") })
	if writes := kubetest.Writes(quiet); len(writes) > 0 {
		t.Errorf("writes: %v", writes)
	}
	if len(quiet) > kinds+3 {
		t.Errorf("%d requests, want discovery (2), inventory (1) and one for each of %d kinds: %v", len(quiet), kinds, quiet)
	}
	if strings.Contains(o.stdout, `"action":"configured"`) {
		t.Error("a quiet run says that it changed something")
	}
	// Ten changes: ten patches and five writes of our own: lease, inventory, event, inventory, lease.
	for i := range 10 {
		source.yaml[3*(i+1)] = strings.ReplaceAll(source.yaml[3*(i+1)], "value", "other")
	}
	writes := w.writes(func() { w.mustRun(0, stream(source), "--prune") })
	if len(writes) > 15 {
		t.Errorf("%d writes for ten changes: %v", len(writes), writes)
	}
	// Another commit with the same objects is noted, once.
	source.revision = strings.Repeat("3", 40)
	if writes := w.writes(func() { w.mustRun(0, stream(source), "--prune") }); len(writes) != 3 {
		t.Errorf("%d writes for a new commit, want lease, inventory, lease: %v", len(writes), writes)
	}
	if writes := w.writes(func() { w.mustRun(0, stream(source), "--prune") }); len(writes) != 0 {
		t.Errorf("writes: %v", writes)
	}
}

// Reading is done kind by kind; with rights to one namespace only, within that namespace; with
// none to list, object by object.
func TestRunWithFewRights(t *testing.T) {
	w := newWorld(t)
	own := kubetest.Rule{Groups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "update"}}
	lease := kubetest.Rule{Groups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create", "update"}}
	users := map[string][]kubetest.Rule{
		"lister": {own, lease, {Groups: []string{""}, Resources: []string{"configmaps", "secrets"}, Verbs: []string{"get", "list", "create", "patch", "delete"}}},
		"getter": {own, lease, {Groups: []string{""}, Resources: []string{"configmaps", "secrets"}, Verbs: []string{"get", "create", "patch", "delete"}}},
		"blind":  {own, lease, {Groups: []string{""}, Resources: []string{"configmaps", "secrets"}, Verbs: []string{"create", "patch", "delete"}}},
	}
	for name, rules := range users {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.kubeconfig = w.cluster.Restricted(t, kubetest.User{Name: name, Namespace: w.namespace, Rules: rules})
			source := fetched{name: "config", yaml: append(configMaps("a", "b"), "apiVersion: v1\nkind: Secret\nmetadata: {name: c}\n")}
			w.mustRun(0, stream(source), "--prune")
			source.revision, source.yaml = strings.Repeat("3", 40), configMaps("a")
			// What cannot be looked at is not deleted, and not forgotten.
			code, there := 0, false
			if name == "blind" {
				code, there = 5, true
			}
			w.mustRun(code, stream(source), "--prune")
			if secret := w.cluster.Must(t, "GET", w.path("secrets", "c"), ""); w.has("b") || (secret != nil) != there {
				t.Errorf("b there: %v, c there: %v", w.has("b"), secret != nil)
			}
		})
	}
	w.kubeconfig = w.cluster.Restricted(t, kubetest.User{Name: "nobody", Namespace: w.namespace})
	o := w.mustRun(1, stream(fetched{name: "config", yaml: configMaps("a")}))
	if !strings.Contains(o.stderr, `cannot get resource "configmaps"`) || !strings.Contains(o.stderr, "hint: the message names the right") {
		t.Errorf("message:\n%s", o.stderr)
	}
	w.kubeconfig = w.cluster.Restricted(t, kubetest.User{Name: "reader", Namespace: w.namespace, Rules: []kubetest.Rule{own, lease}})
	o = w.mustRun(5, stream(fetched{name: "config", yaml: configMaps("a")}))
	if !strings.Contains(o.stderr, `cannot patch resource "configmaps"`) || !strings.Contains(o.stdout, `"code":"forbidden"`) {
		t.Errorf("message:\n%s", o.stderr)
	}
}

// What is known to fail before anything is sent is no reason to write, run after run.
func TestQuietRunOfFailures(t *testing.T) {
	w := newWorld(t)
	source := fetched{name: "config", yaml: configMaps("a", "terminating", "gone"), at: script.Noon}
	w.mustRun(0, stream(source), "--prune")
	w.mustRun(0, stream(fetched{name: "other", yaml: configMaps("held")}), "--prune")
	w.cluster.Must(t, "PATCH", w.path("configmaps", "terminating"), `{"metadata": {"finalizers": ["example.com/wait"]}}`)
	w.cluster.Must(t, "DELETE", w.path("configmaps", "terminating"), "")
	defer w.cluster.Must(t, "PATCH", w.path("configmaps", "terminating"), `{"metadata": {"finalizers": null}}`)
	source.revision, source.at = strings.Repeat("3", 40), script.Noon.Add(time.Hour)
	source.yaml = append(configMaps("a", "terminating", "held"), "apiVersion: no.example/v1\nkind: Unheard\nmetadata: {name: of}\n")
	first := w.mustRun(5, stream(source), "--prune")
	for id, action := range map[string]string{"ConfigMap/a": "unchanged", "ConfigMap/terminating": "failed", "ConfigMap/held": "failed",
		"Unheard.no.example/of": "failed", "ConfigMap/gone": "skipped"} {
		if got := w.actions(first)[id]; got != action {
			t.Errorf("%s is %s, want %s", id, got, action)
		}
	}
	source.at = source.at.Add(time.Hour)
	if writes := w.writes(func() { w.mustRun(5, stream(source), "--prune") }); len(writes) > 0 {
		t.Errorf("a run that can do nothing writes: %v", writes)
	}
}
