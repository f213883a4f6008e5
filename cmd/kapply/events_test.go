package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// events are those about this test's objects: kind/name reason count: message.
func (w *world) events() string {
	w.Helper()
	var all []string
	items, _ := w.cluster.Must(w, "GET", w.path("events", "")+"?fieldSelector=source=sluice-kapply", "").At("items").([]any)
	for _, item := range items {
		e := kubetest.Object(item.(map[string]any))
		all = append(all, fmt.Sprintf("%v/%v %v %v: %v", e.At("involvedObject", "kind"), e.At("involvedObject", "name"), e.At("reason"), e.At("count"), e.At("message")))
	}
	return strings.ReplaceAll(strings.Join(all, "\n"), w.namespace, "NAMESPACE")
}

const badName = "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 0}]}\n"

// Failures and changes are told as Kubernetes Events: the same one is counted, not made again, and a
// run that writes nothing else writes none.
func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := fetched{name: "config", yaml: append(configMaps("a"), badName)}
	w.mustRun(5, stream(source), "--dry-run")
	if got := w.events(); got != "" {
		t.Errorf("a dry run tells: %s", got)
	}
	w.mustRun(5, stream(source), "--events=false")
	if got := w.events(); got != "" {
		t.Errorf("--events=false tells: %s", got)
	}
	change := func(n int) {
		source.revision, source.at = strings.Repeat(fmt.Sprint(n), 40), script.Noon.Add(time.Duration(n)*time.Minute)
		source.yaml[0] = configMap("a", fmt.Sprint(n))
	}
	for n := 1; n <= 2; n++ {
		change(n)
		w.mustRun(5, stream(source))
		got := w.events()
		for _, want := range []string{
			"ConfigMap/sluice-kapply-default Applied 1: 1 configured; config at " + strings.Repeat(fmt.Sprint(n), 12),
			fmt.Sprintf("Service/bad ApplyFailed %d: apply failed: ", n),
		} {
			if !strings.Contains(got, want) {
				t.Errorf("run %d: no event %q in\n%s", n, want, got)
			}
		}
	}
	before := w.events()
	source.at = source.at.Add(time.Minute)
	if writes := w.writes(func() { w.mustRun(5, stream(source)) }); len(writes) > 0 || w.events() != before {
		t.Errorf("a run that can do nothing writes %v", writes)
	}
}

// Who may not write events does without.
func TestEventsNeedNoRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.kubeconfig = w.cluster.Restricted(t, kubetest.User{Name: "mute", Namespace: w.namespace, Rules: []kubetest.Rule{
		{Groups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "create", "update", "patch"}},
		{Groups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create", "update"}},
	}})
	o := w.mustRun(5, stream(fetched{name: "config", yaml: append(configMaps("a"), badName)}), "--verbose")
	if n := strings.Count(o.stderr, "debug: no Kubernetes Events: "); n != 1 {
		t.Errorf("that there are no events is said %d times:\n%s", n, o.stderr)
	}
	o = w.mustRun(0, stream(fetched{name: "config", at: script.Noon.Add(time.Minute), yaml: configMaps("a", "b")}))
	if strings.Contains(o.stderr, "Events") {
		t.Errorf("said to who does not ask:\n%s", o.stderr)
	}
}
