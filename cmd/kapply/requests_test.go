package main

import (
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// Requests are what a run costs where the API server is far away.
func TestRequestsOfManyObjects(t *testing.T) {
	const objects, kinds = 500, 4
	w := newWorld(t)
	source := fetched{name: "config", yaml: w.manyObjects(objects)}
	count := func() []kubetest.Request {
		return w.cluster.Count(t, "sluice-kapply", func() { w.mustRun(0, stream(source), "--prune") })
	}
	if cold := count(); len(cold) > objects*102/100+6 {
		t.Errorf("cold: %d requests for %d objects", len(cold), objects)
	}
	if quiet := count(); len(quiet) > kinds+6 || len(kubetest.Writes(quiet)) > 0 {
		t.Errorf("nothing changed: %v", quiet)
	}
	for i := range 10 {
		source.yaml[3*(i+1)] = strings.ReplaceAll(source.yaml[3*(i+1)], "value", "other")
	}
	source.revision = strings.Repeat("3", 40)
	patches, own := 0, 0
	for _, r := range kubetest.Writes(count()) {
		if r.Verb == "patch" {
			patches++
		} else {
			own++
		}
	}
	if patches != 10 || own > 5 {
		t.Errorf("10 changed: %d patches and %d writes of our own", patches, own)
	}
}
