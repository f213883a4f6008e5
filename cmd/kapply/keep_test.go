package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// What git said of an object counts after it is gone from git, whatever others did to the live one.
func TestAnnotationInGitKeepsTheObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept := strings.Replace(configMap("kept", "value"), "{name: kept}", "{name: kept, annotations: {fluxcd.io/ignore: sync_only}}", 1)
	w.mustRun(0, stream(fetched{name: "config", yaml: []string{kept, configMap("a", "value")}}), "--prune")
	w.cluster.Must(t, "PATCH", w.path("configmaps", "kept"), `{"metadata": {"annotations": {"fluxcd.io/ignore": null}}}`)
	o := w.mustRun(0, stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: script.Noon.Add(time.Minute)}), "--prune")
	if got := w.configMapsThere(); !slices.Equal(got, []string{"kept"}) || w.actions(o)["ConfigMap/kept"] != "skipped" {
		t.Errorf("the cluster holds %v; %v", got, w.actions(o))
	}
}
