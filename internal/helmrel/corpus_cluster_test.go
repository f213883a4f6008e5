package helmrel

import (
	"strings"
	"testing"
)

// Public charts, as they are, through a release's whole life: installed, upgraded, broken and rolled back,
// put right, uninstalled. What asks for an API that Kubernetes no longer has is excused by its name.
func TestRealChartsInACluster(t *testing.T) {
	charts := corpus(t)
	for name, chart := range map[string]struct{ second, broken, gone, excused string }{
		"podinfo":        {second: `{"replicaCount":2}`, broken: `{"replicaCount":"many"}`},
		"podinfo-before": {second: `{"replicaCount":2}`, broken: `{"replicaCount":"many"}`},
		"nginx-ingress": {second: `{"controller":{"config":{"use-gzip":"false"}}}`, broken: `{"controller":{"image":{"pullPolicy":"Sometimes"}}}`,
			gone: `{"controller":{"replicaCount":2}}`, excused: `"PodDisruptionBudget" in version "policy/v1beta1"`},
		"sealed-secrets": {second: `{"image":{"tag":"v0.9.9"}}`, broken: `{"image":{"pullPolicy":"Sometimes"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := charts[name]
			if files == nil {
				t.Fatal("the corpus has no such chart")
			}
			b := newBench(t)
			spec := func(values string) string {
				return `,"wait":false,"rollback":{"enable":true},"values":` + values
			}
			b.settles(spec(`{}`), files, StepInstall, 1)
			b.settles(spec(`{}`), files, StepUnchanged, 1)
			if chart.gone != "" {
				if _, out, err := b.run(spec(chart.gone), files); err == nil || !strings.Contains(err.Error(), chart.excused) || out.Revision != 1 {
					t.Errorf("%+v, %v; want an error about %s", out, err, chart.excused)
				}
			}
			b.settles(spec(chart.second), files, StepUpgrade, 2)
			if _, out, err := b.run(spec(chart.broken), files); err == nil || !out.RolledBack || out.Revision != 4 {
				t.Errorf("broken: %+v, %v", out, err)
			}
			b.settles(spec(chart.broken), files, StepBlocked, 4)
			b.settles(spec(chart.second), files, StepUnchanged, 4) // where the rollback has brought it
			if err := b.helm.Uninstall(t.Context(), ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app")); err != nil {
				t.Error(err)
			}
			for _, kind := range []string{"/apis/apps/v1/namespaces/" + b.namespace + "/deployments", "/api/v1/namespaces/" + b.namespace + "/services"} {
				if items, _ := b.kube.Must(t, "GET", kind, "").At("items").([]any); len(items) > 0 {
					t.Errorf("left of %s: %v", kind, items)
				}
			}
			if h := b.history("app"); len(h) > 0 {
				t.Errorf("history %s", h.shown())
			}
		})
	}
}
