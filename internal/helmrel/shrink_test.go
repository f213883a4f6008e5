package helmrel

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// rendering is a chart of n objects, as one file.
func rendering(n int) map[string]string {
	files := map[string]string{"Chart.yaml": chartYAML("app", "0.1.0"), "templates/NOTES.txt": "thanks\n"}
	for i := range n {
		files["templates/all.yaml"] += fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shrink-%d}\n", i)
	}
	return files
}

// refuses runs a chart and demands that it is refused and that nothing is written.
func (b *bench) refuses(files map[string]string, annotation string) {
	b.t.Helper()
	requests := b.kube.Count(b.t, b.agent, func() {
		var shrunk *ShrunkError
		if _, _, err := b.run("", files); !errors.As(err, &shrunk) || shrunk.Annotation() != annotation {
			b.t.Errorf("got %v, want a refusal that names %s", err, annotation)
		}
	})
	if writes := kubetest.Writes(requests); len(writes) > 0 {
		b.t.Errorf("a refused render wrote: %v", writes)
	}
}

// SAFETY 4: a chart that arrived half does not delete what it no longer renders.
func TestSafety4EmptyRender(t *testing.T) {
	b := newBench(t)
	b.refuses(rendering(0), AllowEmpty)
	if h := b.history("app"); len(h) != 0 {
		t.Fatalf("an install of nothing left %s", h.shown())
	}
	b.settles("", rendering(5), StepInstall, 1)
	b.refuses(rendering(0), AllowEmpty)
	b.refuses(rendering(2), AllowShrink)
	b.allow = AllowShrink
	b.refuses(rendering(0), AllowEmpty)
	if h := b.history("app").shown(); h != "1:deployed*" || b.configMap("shrink-4") == nil {
		t.Fatalf("a refused upgrade left %s", h)
	}
	b.allow = ""
	b.settles("", rendering(3), StepUpgrade, 2)
	b.allow = AllowShrink
	b.settles("", rendering(1), StepUpgrade, 3)
	b.allow = AllowEmpty
	b.settles("", rendering(0), StepUpgrade, 4)
	if b.configMap("shrink-0") != nil {
		t.Error("the annotation does not pass it")
	}
}

// A chart of CRDs only renders nothing, and is not empty.
func TestSafety4ChartOfCRDs(t *testing.T) {
	b := newBench(t)
	files := rendering(0)
	files["crds/shrink.yaml"] = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shrinks.test.example}
spec:
  group: test.example
  names: {plural: shrinks, singular: shrink, kind: Shrink}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`
	b.settles("", files, StepInstall, 1)
	b.kube.Must(t, "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/shrinks.test.example", "")
}

func TestCountObjects(t *testing.T) {
	for manifest, want := range map[string]int{
		"":                               0,
		"---\n# Source: a.yaml\n\n---\n": 0,
		"---\n# Source: a.yaml\nkind: A\n---\n# Source: b.yaml\nkind: B\n": 2,
		"---\nkind: List\nitems: [{kind: A}, {kind: B}]\n---\nkind: C\n":   3,
		"---\nkind: ConfigMapList\nitems: []\n":                            0,
		"---\nkind: ConfigMap\ndata: {a: \"line\\n---\\nkind: B\"}\n":      1,
		"---\n{no yaml\n": 1,
	} {
		if got := countObjects(manifest); got != want {
			t.Errorf("%q: %d objects, want %d", manifest, got, want)
		}
	}
}
