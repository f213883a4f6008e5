package helmrel

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// corpus are public charts as they are: the folder that CORPUS names, else the one beside the project.
func corpus(t testing.TB) map[string]map[string]string {
	t.Helper()
	top := os.Getenv("CORPUS")
	if top == "" {
		top = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(top); err != nil {
		t.Skipf("there is no corpus: %v (set CORPUS)", err)
	}
	charts := map[string]map[string]string{}
	for name, dir := range map[string]string{"podinfo": "charts/podinfo", "podinfo-before": "gitops-helm/charts/podinfo", "nginx-ingress": "charts/nginx-ingress", "sealed-secrets": "charts/sealed-secrets"} {
		charts[name] = map[string]string{}
		err := fs.WalkDir(os.DirFS(filepath.Join(top, dir)), ".", func(at string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(filepath.Join(top, dir, at))
			charts[name][at] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return charts
}

// rendered are the objects that a chart's templates give, without the empty ones.
func rendered(t testing.TB, c *chart.Chart) int {
	t.Helper()
	caps := chartutil.DefaultCapabilities.Copy()
	caps.KubeVersion = chartutil.KubeVersion{Version: "v1.30.0", Major: "1", Minor: "30"}
	values, err := chartutil.ToRenderValues(c, map[string]any{}, chartutil.ReleaseOptions{Name: "app", Namespace: "dev", Revision: 1, IsInstall: true}, caps)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := engine.Render(c, values)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, text := range texts {
		if path.Ext(name) != ".txt" {
			n += strings.Count("\n"+text, "\nkind:")
		}
	}
	return n
}

// Public charts, read from a commit and from an archive, are the same chart, and render.
func TestRealCharts(t *testing.T) {
	charts := corpus(t)
	all := map[string]string{}
	for name, files := range charts {
		for at, text := range files {
			all["charts/"+name+"/"+at] = text
		}
	}
	server := gitserver.Start(t)
	server.MustCreate("corpus.git", all)
	s := sourcesFor(t)
	for name, want := range map[string]struct{ objects, crds int }{"podinfo": {5, 0}, "podinfo-before": {5, 0}, "nginx-ingress": {10, 0}, "sealed-secrets": {10, 1}} {
		fromGit, err := s.chart(t.Context(), ChartSource{Git: server.HTTP() + "/corpus.git", Ref: "main", Path: "charts/" + name}, keys{})
		if err != nil {
			t.Fatal(err)
		}
		packed, err := FromArchive(charttest.Archive(fromGit.Name, charts[name]))
		if err != nil {
			t.Fatal(err)
		}
		if _, ignores := charts[name][".helmignore"]; !ignores && fromGit.Digest != packed.Digest {
			t.Errorf("%s: the chart in git and its archive differ", name)
		}
		h, err := fromGit.part.helm()
		if err != nil {
			t.Fatal(err)
		}
		if got := rendered(t, h); got != want.objects || len(h.CRDObjects()) != want.crds {
			t.Errorf("%s %s: %d objects and %d CRDs", name, fromGit.Version, got, len(h.CRDObjects()))
		}
		t.Logf("%s %s: %d objects, %d CRDs, notes %q", name, fromGit.Version, rendered(t, h), len(h.CRDObjects()), fromGit.Notes)
	}
}

func BenchmarkRealCharts(b *testing.B) {
	for name, files := range corpus(b) {
		list := folder(files)
		b.Run("load/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := FromFolder(list); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("load and render/"+name, func(b *testing.B) {
			for b.Loop() {
				c, err := FromFolder(list)
				if err != nil {
					b.Fatal(err)
				}
				h, err := c.part.helm()
				if err != nil {
					b.Fatal(err)
				}
				rendered(b, h)
			}
		})
	}
}
