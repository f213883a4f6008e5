package helmrel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// umbrella makes the Chart.yaml of a chart whose dependencies are "name version repository [alias]".
func umbrella(needs ...string) string {
	text := "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n"
	for _, n := range needs {
		f := append(strings.Fields(n), "")
		text += fmt.Sprintf("- {name: %s, version: %q, repository: %q, alias: %q}\n", f[0], f[1], f[2], f[3])
	}
	return text
}

func lock(name, version string) string {
	return fmt.Sprintf("dependencies:\n- {name: %s, version: %s, repository: x}\ndigest: sha256:0\ngenerated: \"2026-01-02T03:04:05Z\"\n", name, version)
}

// held is a chart with its sub-charts as Helm loads it.
func held(t *testing.T, c *Chart) string {
	t.Helper()
	h, err := c.part.helm()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range h.Dependencies() {
		all = append(all, fmt.Sprintf("%s@%s %v", d.Name(), d.Metadata.Version, d.Values["from"]))
	}
	return strings.Join(all, ", ")
}

func db(version, from string) map[string]string {
	return map[string]string{"Chart.yaml": chartYAML("db", version), "values.yaml": "from: " + from + "\n"}
}

func packed(version, from string) string { return string(charttest.Archive("db", db(version, from))) }

func TestDependencies(t *testing.T) {
	charts := charttest.Start(t)
	for _, version := range []string{"1.2.0", "1.2.3", "1.3.0", "2.0.0"} {
		charts.Add("db", version, db(version, "repository"))
	}
	server := gitserver.Start(t)
	for i, test := range []struct {
		name     string
		files    map[string]string // @ stands for the repository
		skip     bool
		want     string // the sub-charts, or the error
		note     string
		requests int
	}{
		{name: "a range", files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @")}, want: "db@1.2.3 repository", requests: 2},
		{name: "the lock file goes before the range", want: "db@1.2.0 repository", requests: 2,
			files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @"), "app/Chart.lock": lock("db", "1.2.0")}},
		{name: "the older format", want: "db@1.2.0 repository", requests: 2,
			files: map[string]string{"app/Chart.yaml": "apiVersion: v1\nname: app\nversion: 1.0.0\n",
				"app/requirements.yaml": "dependencies:\n- {name: db, version: ~1.2, repository: \"@\"}\n", "app/requirements.lock": lock("db", "1.2.0")}},
		{name: "a lock file that is behind", want: "db@1.3.0 repository", note: "the lock file is behind: it has dependency db at 1.2.0, which is not in ~1.3", requests: 2,
			files: map[string]string{"app/Chart.yaml": umbrella("db ~1.3 @"), "app/Chart.lock": lock("db", "1.2.0")}},
		{name: "what is locked and there is not fetched", want: "db@1.2.0 git",
			files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @"), "app/Chart.lock": lock("db", "1.2.0"), "app/charts/db-1.2.0.tgz": packed("1.2.0", "git")}},
		{name: "nor what is asked for by its version", want: "db@1.2.0 git",
			files: map[string]string{"app/Chart.yaml": umbrella("db 1.2.0 @"), "app/charts/db-1.2.0.tgz": packed("1.2.0", "git")}},
		{name: "an archive gives way to a newer version", want: "db@1.2.3 repository", requests: 2,
			files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @"), "app/charts/db-1.2.0.tgz": packed("1.2.0", "git")}},
		{name: "unless that is not wished", skip: true, want: "db@1.2.0 git",
			files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @"), "app/charts/db-1.2.0.tgz": packed("1.2.0", "git")}},
		{name: "nothing there, and nothing wished", skip: true, want: "dependency db ~1.2 is declared, but missing", files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @")}},
		{name: "two versions under two names", want: "db@1.2.3 repository, db@2.0.0 repository", requests: 3,
			files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @", "db ^2 @ db2")}},
		{name: "a folder wins", want: "db@1.2.1 edited", note: "dependency db is not downloaded: the folder app/charts/db in git holds it and wins",
			files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @"), "app/charts/db/Chart.yaml": chartYAML("db", "1.2.1"), "app/charts/db/values.yaml": "from: edited\n"}},
		{name: "an alias with an at sign", want: "db@1.2.3 repository", requests: 2, files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @team")}},
		{name: "an alias of the other form", want: "db@1.2.3 repository", requests: 2, files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 alias:team")}},
		{name: "an unknown alias", want: "no repository is configured as @other", files: map[string]string{"app/Chart.yaml": umbrella("db ~1.2 @other")}},
		{name: "no such version", want: "no version of chart db that matches", requests: 1, files: map[string]string{"app/Chart.yaml": umbrella("db ^7 @")}},
		{name: "in the same commit", want: "db@1.5.0 folder",
			files: map[string]string{"app/Chart.yaml": umbrella("db 1.x file://../library/db"), "library/db/Chart.yaml": chartYAML("db", "1.5.0"), "library/db/values.yaml": "from: folder\n"}},
		{name: "in the same commit, of another version", want: "file://../db holds chart db 1.5.0",
			files: map[string]string{"app/Chart.yaml": umbrella("db 2.x file://../db"), "db/Chart.yaml": chartYAML("db", "1.5.0")}},
		{name: "in the same commit, with a dependency of its own", want: "db@1.5.0 folder", requests: 2,
			files: map[string]string{"app/Chart.yaml": umbrella("db 1.x file://../library/db"), "library/db/values.yaml": "from: folder\n",
				"library/db/Chart.yaml": strings.NewReplacer("name: app", "name: db", "1.0.0", "1.5.0", "{name: db", "{name: db").Replace(umbrella("db ~1.2 @"))}},
		{name: "out of the repository", want: "leads out of the repository", files: map[string]string{"app/Chart.yaml": umbrella("db 1.x file://../../etc")}},
		{name: "an absolute path", want: "leads out of the repository", files: map[string]string{"app/Chart.yaml": umbrella("db 1.x file:///etc/charts/db")}},
		{name: "itself", want: "holds the chart itself", files: map[string]string{"app/Chart.yaml": umbrella("app 1.x file://.")}},
		{name: "in a circle", want: "in a circle",
			files: map[string]string{"app/Chart.yaml": umbrella("db 1.x file://../db"), "db/Chart.yaml": strings.ReplaceAll(umbrella("app 1.x file://../app"), "name: app\nversion", "name: db\nversion")}},
		{name: "a plain-text repository", want: "not encrypted", files: map[string]string{"app/Chart.yaml": umbrella("db 1.x http://charts.example.com")}},
		{name: "a metadata service", want: "link-local", files: map[string]string{"app/Chart.yaml": umbrella("db 1.x https://169.254.169.254/charts")}},
		{name: "no repository, and nothing there", want: "is declared, but missing", files: map[string]string{"app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies: [{name: db, version: 1.x}]\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, text := range test.files {
				test.files[name] = strings.NewReplacer(`"@"`, `"`+charts.URL+`"`).Replace(text)
			}
			name := fmt.Sprintf("r%d.git", i)
			server.MustCreate(name, test.files)
			charts.Forget()
			s := sourcesFor(t)
			s.Repositories = []Repository{{Name: "team", URL: charts.URL}}
			c, err := s.chart(t.Context(), ChartSource{Git: server.HTTP() + "/" + name, Ref: "main", Path: "app", SkipDepUpdate: test.skip}, keys{})
			switch {
			case err != nil && !strings.Contains(err.Error(), test.want):
				t.Fatalf("error %v, want %q", err, test.want)
			case err == nil && held(t, c) != test.want:
				t.Errorf("sub-charts %q, want %q", held(t, c), test.want)
			case err == nil && strings.Join(c.Notes, "; ") != test.note:
				t.Errorf("notes %q, want %q", c.Notes, test.note)
			}
			if n := len(charts.Requests()); n != test.requests {
				t.Errorf("requests %v, want %d", charts.Requests(), test.requests)
			}
		})
	}
}

// The endless upgrades of an umbrella chart (flux-v1's behaviour, 9.8): sub-charts are unpacked in
// charts/, some are edited, all are declared with ranges, and dependencies are updated. SAFETY 22: 200
// runs, each from nothing, find one chart, and it is the one that people edited.
func TestSafety22UmbrellaOfEditedSubCharts(t *testing.T) {
	charts := charttest.Start(t)
	for _, name := range []string{"builder", "controller", "database", "registry"} {
		for _, version := range []string{"1.0.0", "1.0.1"} {
			charts.Add(name, version, map[string]string{"Chart.yaml": chartYAML(name, version), "values.yaml": "from: repository\n"})
		}
	}
	files := map[string]string{"app/Chart.yaml": umbrella("builder ~1.0 "+charts.URL, "controller ~1.0 "+charts.URL, "database ~1.0 "+charts.URL, "registry ~1.0 "+charts.URL)}
	for _, name := range []string{"builder", "controller", "database"} {
		files["app/charts/"+name+"/Chart.yaml"] = chartYAML(name, "1.0.0")
		files["app/charts/"+name+"/values.yaml"] = "from: edited\n"
	}
	// and one archive is there too, from an update by hand
	files["app/charts/database-1.0.0.tgz"] = string(charttest.Archive("database", map[string]string{"Chart.yaml": chartYAML("database", "1.0.0"), "values.yaml": "from: archive\n"}))
	server := gitserver.Start(t)
	server.MustCreate("app.git", files)
	cache, mirror := openCache(t), t.TempDir()
	digests, loaded := map[string]int{}, map[string]int{}
	for range 200 {
		s := sourcesFor(t)
		s.Cache, s.Mirror = cache, mirror
		c, err := s.chart(t.Context(), ChartSource{Git: server.HTTP() + "/app.git", Ref: "main", Path: "app"}, keys{})
		if err != nil {
			t.Fatal(err)
		}
		digests[c.Digest]++
		loaded[held(t, c)+" | "+strings.Join(c.Notes, "; ")]++
	}
	const want = "builder@1.0.0 edited, controller@1.0.0 edited, database@1.0.0 edited, registry@1.0.1 repository | "
	if len(digests) != 1 || len(loaded) != 1 {
		t.Fatalf("digests %v, charts %v", digests, loaded)
	}
	for got := range loaded {
		if !strings.HasPrefix(got, want) || strings.Count(got, "in git holds it and wins") != 3 || !strings.Contains(got, "charts/database-1.0.0.tgz is left out") {
			t.Errorf("got %s", got)
		}
	}
	answers := strings.Join(charts.Answers(), " ")
	if full := strings.Count(answers, "/index.yaml 200"); full != 1 || strings.Count(answers, ".tgz") != 1 {
		t.Errorf("%d whole indexes and %d archives in 200 runs", full, strings.Count(answers, ".tgz"))
	}
}

// Files of a chart are named by values: from git and from an archive, and never from outside of it.
func TestChartFiles(t *testing.T) {
	server := gitserver.Start(t)
	repo := server.MustCreate("app.git", map[string]string{"app/Chart.yaml": chartYAML("app", "1.0.0"), "app/env/prod.yaml": "from: git\n", "secret.yaml": "from: outside\n"})
	if _, err := repo.Commit(gitserver.Change{Links: map[string]string{"app/out.yaml": "/etc/hostname"}}); err != nil {
		t.Fatal(err)
	}
	at := server.HTTP() + "/app.git"
	if _, err := sourcesFor(t).chart(t.Context(), ChartSource{Git: at, Ref: "main", Path: "app"}, keys{}); err == nil || !strings.Contains(err.Error(), "leads out of the repository") {
		t.Errorf("a link out of the repository: %v", err)
	}
	if _, err := repo.Commit(gitserver.Change{Delete: []string{"app/out.yaml"}}); err != nil {
		t.Fatal(err)
	}
	git, err := sourcesFor(t).chart(t.Context(), ChartSource{Git: at, Ref: "main", Path: "app"}, keys{})
	if err != nil {
		t.Fatal(err)
	}
	archive, err := FromArchive(charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "env/prod.yaml": "from: archive\n"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		chart      *Chart
		path, want string
	}{
		{git, "env/prod.yaml", "git"}, {git, "./env/../env/prod.yaml", "git"}, {archive, "env/prod.yaml", "archive"},
		{git, "../secret.yaml", ""}, {git, "env/../../secret.yaml", ""}, {git, "/etc/passwd", ""}, {archive, "../app/env/prod.yaml", ""}, {archive, "env", ""},
	} {
		values, err := chartValues(test.chart, FileRef{Path: test.path})
		if got, _ := values["from"].(string); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %v, %v", test.path, values, err)
		}
	}
	for name, bad := range map[string]string{"climbs": "../../evil.yaml", "absolute": "/evil.yaml"} {
		c, err := FromArchive(charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), bad: "from: evil\n"}))
		if err == nil {
			if values, _ := chartValues(c, FileRef{Path: bad}); values != nil {
				t.Errorf("%s: %v", name, values)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(os.TempDir(), "evil.yaml")); err == nil {
		t.Error("an archive wrote a file")
	}
}

// What to do about a dependency that is missing depends on where the chart is.
func TestMissingDependencyHints(t *testing.T) {
	r := charttest.Start(t)
	r.Add("app", "1.0.0", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0", "db 1.x")})
	_, err := fromRepository(t, r, "app", "1.0.0")
	if _, hint := Explain(err); !strings.Contains(hint, "published without it") {
		t.Errorf("error %v, hint %q", err, hint)
	}
	_, err = FromFolder(folder(map[string]string{"Chart.yaml": chartYAML("app", "1.0.0", "db 1.x")}))
	if _, hint := Explain(err); !strings.Contains(hint, "skipDepUpdate") {
		t.Errorf("error %v, hint %q", err, hint)
	}
}
