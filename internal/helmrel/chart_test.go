package helmrel

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
)

func folder(files map[string]string) []File {
	var out []File
	for _, name := range sortedKeys(files) {
		out = append(out, File{name, []byte(files[name])})
	}
	return out
}

func chartYAML(name, version string, needs ...string) string {
	text := "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n"
	if len(needs) > 0 {
		text += "dependencies:\n"
	}
	for _, n := range needs {
		f := append(strings.Fields(n), "") // name, version and, for some, alias
		text += fmt.Sprintf("- {name: %s, version: %q, alias: %q, repository: \"https://charts.example.com\"}\n", f[0], f[1], f[2])
	}
	return text
}

func tgz(name, version, values string) string {
	return string(charttest.Archive(name, map[string]string{"Chart.yaml": chartYAML(name, version), "values.yaml": values}))
}

// twice is the chart of the endless upgrades: a dependency unpacked and edited beside its archive.
func twice() map[string]string {
	return map[string]string{
		"Chart.yaml":              chartYAML("app", "1.0.0", "db ~1.2", "cache 2.0.0"),
		"charts/db/Chart.yaml":    chartYAML("db", "1.2.3"),
		"charts/db/values.yaml":   "size: edited\n",
		"charts/db-1.2.3.tgz":     tgz("db", "1.2.3", "size: pristine\n"),
		"charts/cache-2.0.0.tgz":  tgz("cache", "2.0.0", "ttl: 1\n"),
		"charts/README.md":        "not a chart\n",
		"charts/_old/Chart.yaml":  "left out\n",
		"templates/_helpers.tpl":  "",
		"templates/config.yaml":   "kind: ConfigMap\n",
		"templates/.hidden":       "x",
		"charts/db-1.2.3.tgz.bak": "x",
	}
}

// SAFETY 22: 200 loads give one digest, and one chart.
func TestSafety22OneDigestIn200Loads(t *testing.T) {
	files := folder(twice())
	digests, values := map[string]int{}, map[string]int{}
	for range 200 {
		rand.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		c, err := FromFolder(files)
		if err != nil {
			t.Fatal(err)
		}
		digests[c.Digest]++
		h, err := c.part.helm()
		if err != nil {
			t.Fatal(err)
		}
		values[show(h)]++
		if len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "charts/db-1.2.3.tgz is left out") {
			t.Fatalf("notes %q", c.Notes)
		}
	}
	if len(digests) != 1 || len(values) != 1 {
		t.Errorf("digests %v, charts %v", digests, values)
	}
	for text := range values {
		if !strings.Contains(text, "edited") || strings.Contains(text, "pristine") {
			t.Errorf("the folder did not win: %s", text)
		}
	}
}

func show(c *chart.Chart) string {
	text := fmt.Sprint(c.Name(), c.Values)
	for _, d := range c.Dependencies() {
		text += " " + show(d)
	}
	return text
}

func TestSubCharts(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string // the charts in order, or the error
	}{
		{"archive alone", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0", "db 1.x"), "charts/db-1.2.3.tgz": tgz("db", "1.2.3", "")}, "app db@1.2.3"},
		{"undeclared", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "charts/db-1.2.3.tgz": tgz("db", "1.2.3", "")}, "app db@1.2.3"},
		{"both undeclared", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "charts/db-1.2.3.tgz": tgz("db", "1.2.3", ""),
			"charts/db/Chart.yaml": chartYAML("db", "0.1.0")}, "app db@0.1.0"},
		{"missing", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0", "db 1.x")}, "dependency db 1.x is declared, but missing in charts/"},
		{"wrong version", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0", "db 2.x"), "charts/db-1.2.3.tgz": tgz("db", "1.2.3", "")},
			"dependency db 2.x is declared, but charts/ holds version 1.2.3"},
		{"the folder wins even where its version is wrong", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0", "db 1.x"),
			"charts/db-1.2.3.tgz": tgz("db", "1.2.3", ""), "charts/db/Chart.yaml": chartYAML("db", "0.1.0")}, "charts/ holds version 0.1.0"},
		{"two versions, both declared", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0", "db 1.x", "db 2.x db2"),
			"charts/db-2.0.0.tgz": tgz("db", "2.0.0", ""), "charts/db/Chart.yaml": chartYAML("db", "1.0.0")}, "app db@1.0.0 db@2.0.0"},
		{"old format", map[string]string{"Chart.yaml": "apiVersion: v1\nname: app\nversion: 1.0.0\n", "requirements.yaml": "dependencies:\n- {name: db, version: 1.x}\n"},
			"dependency db 1.x is declared"},
		{"of a sub-chart", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "charts/db/Chart.yaml": chartYAML("db", "1.0.0", "disk 1.x")},
			"charts/db: dependency disk 1.x is declared"},
		{"no chart", map[string]string{"values.yaml": ""}, "Chart.yaml is missing"},
		{"bad Chart.yaml", map[string]string{"Chart.yaml": "a: ["}, "reading Chart.yaml"},
		{"bad archive", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "charts/db.tgz": "no gzip"}, "unpacking charts/db.tgz"},
		{"bad sub-chart", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "charts/db/values.yaml": ""}, "charts/db: not a chart: Chart.yaml is missing"},
		{"bad .helmignore", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), ".helmignore": "a/**"}, "reading .helmignore"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := FromFolder(folder(test.files))
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				return
			}
			h, err := c.part.helm()
			if err != nil {
				t.Fatal(err)
			}
			got := []string{h.Name()}
			for _, d := range h.Dependencies() {
				got = append(got, d.Name()+"@"+d.Metadata.Version)
			}
			slices.Sort(got[1:])
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestMissingDependencyIsTold(t *testing.T) {
	_, err := FromFolder(folder(map[string]string{"Chart.yaml": chartYAML("app", "1.0.0", "db 1.x")}))
	var missing *MissingDependency
	if !errors.As(err, &missing) || missing.Name != "db" {
		t.Errorf("error %#v", err)
	}
}

func TestHelmIgnore(t *testing.T) {
	files := map[string]string{
		"Chart.yaml": chartYAML("app", "1.0.0"), ".helmignore": "# comment\n*.md\nci/\n/top.txt\n", "README.md": "x", "ci/a/values.yaml": "x: 1",
		"top.txt": "x", "files/top.txt": "x", "templates/a.yaml": "a", "templates/.a.swp": "x", "prod.md": "a: 1",
	}
	c, err := FromFolder(folder(files))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	c.part.each("", func(name string, _ []byte) { names = append(names, name) })
	if want := []string{".helmignore", "Chart.yaml", "files/top.txt", "templates/a.yaml"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	if _, ok := c.File("ci/a/values.yaml"); !ok {
		t.Error("a values file that .helmignore leaves out can no longer be named")
	}
	if _, err := FromArchive(charttest.Archive("app", files)); err != nil {
		t.Error(err)
	}
}

func TestDigest(t *testing.T) {
	digest := func(change func(map[string]string)) string {
		files := twice()
		change(files)
		c, err := FromFolder(folder(files))
		if err != nil {
			t.Fatal(err)
		}
		return c.Digest
	}
	same := digest(func(map[string]string) {})
	for name, test := range map[string]struct {
		same   bool
		change func(map[string]string)
	}{
		"the losing archive": {true, func(f map[string]string) { f["charts/db-1.2.3.tgz"] = tgz("db", "1.2.3", "size: other\n") }},
		"an ignored file":    {true, func(f map[string]string) { f["templates/.a"] = "x" }},
		"a template":         {false, func(f map[string]string) { f["templates/config.yaml"] = "kind: Secret\n" }},
		"a template renamed": {false, func(f map[string]string) {
			f["templates/other.yaml"] = f["templates/config.yaml"]
			delete(f, "templates/config.yaml")
		}},
		"the winning folder":     {false, func(f map[string]string) { f["charts/db/values.yaml"] = "size: more\n" }},
		"another archive":        {false, func(f map[string]string) { f["charts/cache-2.0.0.tgz"] = tgz("cache", "2.0.0", "ttl: 2\n") }},
		"a file in a sub-folder": {false, func(f map[string]string) { f["files/a"] = "x" }},
	} {
		if got := digest(test.change); (got == same) != test.same {
			t.Errorf("%s: digest same %v, want %v", name, got == same, test.same)
		}
	}
	fromFolder, err := FromFolder(folder(map[string]string{"Chart.yaml": chartYAML("a", "1.0.0"), "values.yaml": "x: 1\n"}))
	if err != nil {
		t.Fatal(err)
	}
	fromArchive, err := FromArchive(charttest.Archive("a", map[string]string{"Chart.yaml": chartYAML("a", "1.0.0"), "values.yaml": "x: 1\n"}))
	if err != nil {
		t.Fatal(err)
	}
	if fromFolder.Digest != fromArchive.Digest {
		t.Error("a folder and an archive of the same files differ")
	}
}

// SAFETY 26: Helm fetches what a schema refers to from anywhere, local files included.
func TestSafety26SchemaReferencesAreNotFollowed(t *testing.T) {
	for _, test := range []struct {
		schema string
		kept   bool
	}{
		{`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"#/definitions/a"}}}`, true},
		{`{"properties":{"a":{"$ref":"http://169.254.169.254/latest"}}}`, false},
		{`{"allOf":[{"$ref":"file:///etc/passwd"}]}`, false},
		{`{"$ref":"other.json"}`, false},
		{`{"$schema":"https://evil.example.com/draft"}`, false},
		{`{"properties":{"$ref":{"type":"string"}}}`, true},
	} {
		c, err := FromFolder(folder(map[string]string{"Chart.yaml": chartYAML("a", "1.0.0"), "values.schema.json": test.schema}))
		if err != nil {
			t.Fatal(err)
		}
		h, err := c.part.helm()
		if err != nil {
			t.Fatal(err)
		}
		if kept := h.Schema != nil; kept != test.kept || (len(c.Notes) == 0) != test.kept {
			t.Errorf("%s: kept %v, notes %q", test.schema, kept, c.Notes)
		}
	}
}

func FuzzFromFolder(f *testing.F) {
	f.Add(chartYAML("app", "1.0.0", "db 1.x"), "*.md\n!x\n", `{"$ref":"x"}`, tgz("db", "1.2.3", ""))
	f.Add("name: a", "a/\n", "{", "")
	f.Fuzz(func(t *testing.T, meta, ignore, schema, archive string) {
		files := folder(map[string]string{"Chart.yaml": meta, ".helmignore": ignore, "values.schema.json": schema, "charts/db.tgz": archive})
		c, err := FromFolder(files)
		if err != nil {
			return
		}
		again, err := FromFolder(files)
		if err != nil || again.Digest != c.Digest {
			t.Errorf("the second load differs: %v", err)
		}
	})
}
