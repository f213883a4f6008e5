package helmrel

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
)

func openCache(t *testing.T) *Cache {
	t.Helper()
	c, err := OpenCache(filepath.Join(t.TempDir(), "charts"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cachedFrom asks as a new process with the cache would, and tells the server's answers.
func cachedFrom(t *testing.T, r *charttest.Repository, cache *Cache, version string) (*Chart, string) {
	t.Helper()
	r.Forget()
	s := &Sources{Guard: &Guard{InsecureHosts: []string{r.Host()}}, Cache: cache}
	c, err := s.chart(t.Context(), ChartSource{Repository: r.URL, Name: "app", Version: version}, keys{})
	if err != nil {
		t.Fatal(err)
	}
	return c, strings.Join(r.Answers(), ", ")
}

func appRepository(t *testing.T) *charttest.Repository {
	r := charttest.Start(t)
	r.Add("app", "1.0.0", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "values.yaml": "a: 1\n"})
	r.Add("app", "1.1.0", map[string]string{"Chart.yaml": chartYAML("app", "1.1.0")})
	return r
}

func TestCache(t *testing.T) {
	r, cache := appRepository(t), openCache(t)
	first, answers := cachedFrom(t, r, cache, "^1")
	if answers != "/index.yaml 200, /app-1.1.0.tgz 200" {
		t.Errorf("first: %s", answers)
	}
	again, answers := cachedFrom(t, r, cache, "^1")
	if answers != "/index.yaml 304" || again.Digest != first.Digest {
		t.Errorf("again: %s", answers)
	}
	r.Add("app", "1.2.0", map[string]string{"Chart.yaml": chartYAML("app", "1.2.0")})
	newer, answers := cachedFrom(t, r, cache, "^1")
	if answers != "/index.yaml 200, /app-1.2.0.tgz 200" || newer.Version != "1.2.0" {
		t.Errorf("newer: %s", answers)
	}
	if blobs := files(t, cache, "blobs"); len(blobs) != 3 {
		t.Errorf("the index before is still there, or an archive is not: %v", blobs)
	}
	for _, file := range append(files(t, cache, "blobs"), files(t, cache, "repositories")...) {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache.dir, "new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func files(t *testing.T, c *Cache, sub string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(c.dir, sub, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// SAFETY 17: what somebody put into the cache is not taken for what its name says.
func TestSafety17PoisonedChartCache(t *testing.T) {
	r, cache := appRepository(t), openCache(t)
	good, _ := cachedFrom(t, r, cache, "1.0.0")
	for _, poison := range []string{tgz("app", "1.0.0", "evil: true\n"), "", "apiVersion: v1\nentries: {app: [{version: 1.0.0, urls: [http://evil.example/a.tgz]}]}\n"} {
		for _, file := range files(t, cache, "blobs") {
			if err := os.WriteFile(file, []byte(poison), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, answers := cachedFrom(t, r, cache, "1.0.0")
		if c.Digest != good.Digest || answers != "/index.yaml 200, /app-1.0.0.tgz 200" {
			t.Errorf("%.20q: %s, answers %s", poison, c.Digest, answers)
		}
	}
	for _, file := range files(t, cache, "repositories") {
		if err := os.WriteFile(file, []byte(`{"digest":"../../../etc/passwd","etag":"x"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, answers := cachedFrom(t, r, cache, "1.0.0"); c.Digest != good.Digest || answers != "/index.yaml 200" {
		t.Errorf("answers %s", answers)
	}
}

func TestVersionPublishedAnew(t *testing.T) {
	r, cache := appRepository(t), openCache(t)
	if c, _ := cachedFrom(t, r, cache, "1.0.0"); len(c.Notes) > 0 {
		t.Errorf("notes %q", c.Notes)
	}
	other := charttest.Start(t)
	other.Add("app", "1.0.0", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "values.yaml": "a: 2\n"})
	r.Handle("/index.yaml", other.ServeHTTP)
	r.Handle("/app-1.0.0.tgz", other.ServeHTTP)
	c, _ := cachedFrom(t, r, cache, "1.0.0")
	if text, _ := c.File("values.yaml"); string(text) != "a: 2\n" || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "version 1.0.0 of chart app was published anew") {
		t.Errorf("values %q, notes %q", text, c.Notes)
	}
}

func TestOpenCacheRefuses(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCache(open); err == nil || !strings.Contains(err.Error(), "others may enter it") {
		t.Errorf("error %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCache(file); err == nil {
		t.Error("a file is taken for a folder")
	}
}

// Who may not read a chart does not get it by knowing its digest.
func TestCacheIsOfWhoFetched(t *testing.T) {
	cache := openCache(t)
	data := []byte("private")
	cache.keep("https://a\x00alice", data)
	if cache.blob("https://a\x00alice", sumOf(data)) == nil || cache.blob("https://b\x00bob", sumOf(data)) != nil {
		t.Error("the scope makes no difference")
	}
	if cache.blob("https://a\x00alice", strings.Repeat("../", 30)) != nil || slices.Contains(files(t, cache, "blobs"), "x") {
		t.Error("a path is taken for a digest")
	}
}

// A server that knows no ETag but the time of the last change.
func TestIndexByTime(t *testing.T) {
	inner := appRepository(t)
	var asked []string
	r := charttest.Start(t)
	r.Handle("/index.yaml", func(w http.ResponseWriter, q *http.Request) {
		const changed = "Fri, 02 Jan 2026 00:00:00 GMT"
		asked = append(asked, q.Header.Get("If-Modified-Since"))
		if q.Header.Get("If-Modified-Since") == changed {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		inner.ServeHTTP(dropETag{w}, q)
	})
	r.Handle("/app-1.0.0.tgz", inner.ServeHTTP)
	cache := openCache(t)
	for _, want := range []string{"/index.yaml 200, /app-1.0.0.tgz 200", "/index.yaml 304"} {
		if _, answers := cachedFrom(t, r, cache, "1.0.0"); answers != want {
			t.Errorf("answers %s, want %s", answers, want)
		}
	}
	if asked[0] != "" || asked[1] == "" {
		t.Errorf("asked for changes since %q", asked)
	}
}

type dropETag struct{ http.ResponseWriter }

func (d dropETag) Write(p []byte) (int, error) {
	d.Header().Del("ETag")
	d.Header().Set("Last-Modified", "Fri, 02 Jan 2026 00:00:00 GMT")
	return d.ResponseWriter.Write(p)
}

// Where no file can be made an index is held in memory, and one that is none leaves nothing behind.
func TestWithoutACache(t *testing.T) {
	r := appRepository(t)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if _, answers := cachedFrom(t, r, nil, "1.0.0"); answers != "/index.yaml 200, /app-1.0.0.tgz 200" {
		t.Errorf("answers %s", answers)
	}
	t.Setenv("TMPDIR", t.TempDir())
	if _, answers := cachedFrom(t, r, nil, "1.0.0"); answers != "/index.yaml 200, /app-1.0.0.tgz 200" {
		t.Errorf("answers %s", answers)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	cache := openCache(t)
	r.Put("/index.yaml", []byte("<html>"))
	s := &Sources{Guard: &Guard{InsecureHosts: []string{r.Host()}}, Cache: cache}
	if _, err := s.chart(t.Context(), ChartSource{Repository: r.URL, Name: "app", Version: "1"}, keys{}); err == nil {
		t.Error("a web page is an index")
	}
	if left := files(t, cache, "blobs"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
