package helmrel

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// helmStyle is an index as helm repo index writes it.
const helmStyle = `apiVersion: v1
entries:
  app:
  - apiVersion: v2
    created: "2026-01-02T03:04:05Z"
    description: |
      app: is not a chart

      nor is this
    digest: aa
    name: app
    urls:
    - https://charts.example.com/app-1.1.0.tgz
    version: 1.1.0
  - digest: bb
    dependencies:
      - name: db
        version: 9.9.9
    urls: [app-1.0.0.tgz]
    version: 1.0.0
  # a comment
  "other":
    - {version: 2.0.0, urls: [other.tgz], digest: cc}
  none: []
generated: "2026-01-02T03:04:05Z"
`

func indexOf(text string) (*index, error) {
	return readIndex(strings.NewReader(text), int64(len(text)))
}

func TestIndex(t *testing.T) {
	app := []entry{{"1.1.0", []string{"https://charts.example.com/app-1.1.0.tgz"}, "aa"}, {"1.0.0", []string{"app-1.0.0.tgz"}, "bb"}}
	other := []entry{{"2.0.0", []string{"other.tgz"}, "cc"}}
	asJSON := `{"apiVersion":"v1","generated":"x","entries":{"app":[{"version":"1.1.0","urls":["https://charts.example.com/app-1.1.0.tgz"],"digest":"aa"},
		{"version":"1.0.0","urls":["app-1.0.0.tgz"],"digest":"bb"}], "none":[], "other" : [ {"version":"2.0.0","urls":["other.tgz"],"digest":"cc"} ]}}`
	for name, test := range map[string]struct {
		text  string
		whole bool
	}{
		"as Helm writes it":       {helmStyle, false},
		"CRLF":                    {strings.ReplaceAll(helmStyle, "\n", "\r\n"), false},
		"a byte order mark":       {"\xEF\xBB\xBF" + helmStyle, false},
		"a document's start":      {"# hello\n---\n" + helmStyle, false},
		"no end of line":          {strings.TrimSuffix(helmStyle, "\n"), false},
		"a very long line":        {strings.Replace(helmStyle, "nor is this", strings.Repeat("long ", 50_000), 1), false},
		"JSON":                    {asJSON, false},
		"JSON, indented":          {"\n  " + asJSON, false},
		"a flow mapping":          {"apiVersion: v1\nentries: " + strings.SplitN(strings.TrimSuffix(asJSON, "}"), `"entries":`, 2)[1], true},
		"an alias for all":        {strings.Replace(helmStyle, "entries:", "entries: &all", 1), true},
		"apiVersion comes last":   {strings.Replace(helmStyle, "apiVersion: v1\n", "", 1) + "apiVersion: v1\n", false},
		"a key with a dash":       {helmStyle + "server-info: {}\n", false},
		"a deeper indent":         {strings.Replace(strings.ReplaceAll(helmStyle, "\n  ", "\n      "), "\n\n", "\n\n", 1), false},
		"names in single quotes":  {strings.Replace(helmStyle, `"other"`, `'other'`, 1), false},
		"null in place of a list": {strings.Replace(helmStyle, "none: []", "none: null", 1), false},
	} {
		x, err := indexOf(test.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := x.whole != nil; got != test.whole {
			t.Errorf("%s: read at once: %v, want %v", name, got, test.whole)
		}
		for chart, want := range map[string][]entry{"app": app, "other": other} {
			if got, err := x.versions(chart); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s: %v, %v", name, chart, got, err)
			}
		}
		if got, err := x.versions("is not there"); got != nil || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestIndexFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "not a Helm repository",
		"title: hello":                           "not a Helm repository",
		"<html>no</html>":                        "does not parse",
		"a: [":                                   "does not parse",
		"{\"apiVersion\": \"v1\"":                "does not parse",
		"entries:\n  app:\n  - version: 1.0.0\n": "no apiVersion",
	} {
		if _, err := indexOf(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	// an entry that does not parse must not hide: a lower version would be chosen
	x, err := indexOf("apiVersion: v1\nentries:\n  app:\n  - version: 1.0.0\n  - version: \"2.0.0\n    urls: [a]\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := x.versions("app"); err == nil {
		t.Errorf("%v", got)
	}
}

// FuzzIndex holds the reader of parts against the one of all.
func FuzzIndex(f *testing.F) {
	for _, seed := range []string{helmStyle, `{"apiVersion":"v1","entries":{"app":[{"version":"1.0.0"}]}}`, "apiVersion: v1\nentries:\n app:\n - version: 1\n", "entries: {}\napiVersion: v1\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := readIndex(bytes.NewReader(text), int64(len(text)))
		if err != nil || x.whole != nil {
			return
		}
		all := &index{}
		if _, err := all.readWhole(bytes.NewReader(text)); err != nil {
			return
		}
		for name := range x.places {
			parts, err := x.versions(name)
			if err != nil {
				continue
			}
			if want := all.whole[name]; len(parts)+len(want) > 0 && !reflect.DeepEqual(parts, want) {
				t.Errorf("%s: %v, and at once %v", name, parts, want)
			}
		}
	})
}

// writeLarge writes an index of about 30 MB: 300 charts of 100 versions, a kilobyte each.
func writeLarge(w io.Writer) {
	fmt.Fprintln(w, "apiVersion: v1\nentries:")
	for c := range 300 {
		fmt.Fprintf(w, "  chart%d:\n", c)
		for v := range 100 {
			fmt.Fprintf(w, "  - apiVersion: v2\n    appVersion: %d.0\n    created: \"2026-01-02T03:04:05Z\"\n    description: %s\n    digest: %064d\n    name: chart%d\n    urls:\n    - https://charts.example.com/chart%d-1.%d.0.tgz\n    version: 1.%d.0\n",
				v, strings.Repeat("words ", 120), v, c, c, v, v)
		}
	}
}

func TestLargeIndexIsNotHeld(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "index.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	writeLarge(f)
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	x, err := readIndex(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := x.versions("chart299")
	if err != nil || len(entries) != 100 {
		t.Fatalf("%d versions, %v", len(entries), err)
	}
	runtime.ReadMemStats(&after)
	allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
	t.Logf("an index of %d MB: %d MiB allocated in all", info.Size()>>20, allocated)
	if info.Size() < 28<<20 || allocated > 24 {
		t.Errorf("%d bytes, %d MiB", info.Size(), allocated)
	}
}

func BenchmarkLargeIndex(b *testing.B) {
	var text bytes.Buffer
	writeLarge(&text)
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		x, err := readIndex(bytes.NewReader(text.Bytes()), int64(text.Len()))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := x.versions("chart150"); err != nil {
			b.Fatal(err)
		}
	}
}
