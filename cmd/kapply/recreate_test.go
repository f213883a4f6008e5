package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// Killed at every request of a run that deletes an object and makes it anew, the next run has it as
// git wants it, and the inventory holds it once.
func TestSafety07KilledWhileRecreating(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	killer := &killer{}
	w.through(killer.handle)
	minute := 0
	state := func(value string) []byte {
		minute++
		return stream(fetched{name: "config", revision: fmt.Sprintf("%040x", value), at: script.Noon.Add(time.Duration(minute) * time.Minute),
			yaml: []string{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed, annotations: {sluice.dev/recreate: \"true\"}}\nimmutable: true\ndata: {key: " + value + "}\n"}})
	}
	value := func() any { return w.cluster.Must(t, "GET", w.path("configmaps", "fixed"), "").At("data", "key") }
	for request := 1; request < 60; request++ {
		w.mustRun(0, state("before"), "--prune")
		command := w.command(state("after"), "--prune", "--concurrency", "1")
		killer.arm(request, command)
		ended := command.Run() == nil
		killer.disarm()
		w.expireLease()
		o := w.mustRun(0, state("after"), "--prune")
		if value() != "after" || !slices.Equal(w.inventory(), []string{"ConfigMap/fixed"}) {
			t.Fatalf("killed at request %d: the object is at %v, the inventory holds %v\n%s", request, value(), w.inventory(), o.stderr)
		}
		if ended {
			t.Logf("a run makes %d requests", request-1)
			return
		}
	}
	t.Fatal("the run does not end")
}

// An object that somebody made in the meantime under the same name is not deleted.
func TestRecreateDeletesNoOtherObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fixed := func(value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed, annotations: {sluice.dev/recreate: \"true\"}}\nimmutable: true\ndata: {key: " + value + "}\n"
	}
	w.mustRun(0, stream(fetched{name: "config", yaml: []string{fixed("one")}}), "--prune")
	w.cluster.Must(t, "DELETE", w.path("configmaps", "fixed"), "")
	w.cluster.Must(t, "POST", w.path("configmaps", "")+"?fieldManager=kubectl-create", "{metadata: {name: fixed}, immutable: true, data: {key: foreign}}")
	next := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute), yaml: []string{fixed("two")}})
	var o outcome
	if gone := deletes(w.writes(func() { o = w.mustRun(5, next, "--prune") })); len(gone) > 0 {
		t.Errorf("deleted: %v", gone)
	}
	if !strings.Contains(o.stdout, `"code":"immutable"`) {
		t.Errorf("what it says:\n%s", o.stderr)
	}
}
