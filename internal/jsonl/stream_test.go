package jsonl_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fetch is what git-fetch writes: for each name a source with that many manifests.
func fetch(t testing.TB, at time.Time, revision string, sources ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := jsonl.NewWriter(&out)
	write := func(record any) {
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	write(jsonl.Begin{Type: jsonl.TypeBegin, Stage: "git-fetch", V: jsonl.Version, Version: "test", Started: at})
	counts := map[string]jsonl.Count{}
	for _, name := range sources {
		write(jsonl.Source{Type: jsonl.TypeSource, Name: name, URL: "https://git.example/" + name, Branch: "main",
			Revision: revision, Tree: "t", Store: "/store", Signature: jsonl.SignatureUnchecked})
		for i := range 3 {
			write(manifest(t, name, fmt.Sprintf("%s-%d", name, i)))
		}
		counts[name] = jsonl.Count{Wrote: 3}
	}
	write(jsonl.End{Type: jsonl.TypeEnd, Stage: "git-fetch", OK: true, Complete: true, Counts: counts, Finished: at})
	return out.String()
}

func manifest(t testing.TB, source, name string) jsonl.Manifest {
	t.Helper()
	object := json.RawMessage(fmt.Sprintf(`{"apiVersion":"v1","data":{"a":"<&>","n":"é"},"kind":"ConfigMap","metadata":{"name":%q},"x":9007199254740993}`, name))
	sum, err := jsonl.Sum(object)
	if err != nil {
		t.Fatal(err)
	}
	return jsonl.Manifest{Type: jsonl.TypeManifest, Place: jsonl.Place{Source: source, File: "a.yaml", Line: 1},
		ID: "ConfigMap/" + name, Object: object, Sum: sum}
}

// wrap is a stage around a stream: its begin before, its end after.
func wrap(stage, stream, end string) string {
	return fmt.Sprintf(`{"type":"begin","stage":%q,"v":1,"version":"test","started":"2026-11-20T12:00:01Z"}`+"\n", stage) +
		stream + fmt.Sprintf(`{"type":"end","stage":%q,%s,"finished":"2026-11-20T12:00:02Z"}`+"\n", stage, end)
}

const fine = `"ok":true,"complete":true`

func read(t testing.TB, r io.Reader) (*jsonl.Tally, []*jsonl.Line, error) {
	t.Helper()
	reader := jsonl.NewReader(r)
	var lines []*jsonl.Line
	for {
		line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return reader.Tally(), lines, nil
		}
		if err != nil {
			return reader.Tally(), lines, err
		}
		lines = append(lines, line)
	}
}

func lineOf(stream string, n int) string { return strings.SplitAfter(stream, "\n")[n] }

// TestAttacks is the list of attacks on a stream that must not end in a deletion.
func TestAttacks(t *testing.T) {
	a, b := fetch(t, noon, "r1", "a"), fetch(t, noon.Add(time.Second), "r1", "b")
	both := fetch(t, noon, "r1", "a", "b")
	drop := func(stream string, n int) string { return strings.Replace(stream, lineOf(stream, n), "", 1) }
	twice := func(stream string, n int) string {
		return strings.Replace(stream, lineOf(stream, n+1), lineOf(stream, n), 1)
	}
	tests := []struct {
		name   string
		stream string
		whole  string // the sources that are whole, of a and b
		broken string // in what Truncated says; empty: not truncated
	}{
		{"one source", a, "a", ""},
		{"two sources", both, "a b", ""},
		{"two fetches one after the other: { git-fetch A; git-fetch B; }", a + b, "a b", ""},
		{"the second never began: { git-fetch A; false; }", a, "a", ""},
		{"git-fetch A | git-fetch B", b, "b", ""},
		{"the same stream twice", a + a, "", ""},
		{"cat monday.jsonl tuesday.jsonl", a + fetch(t, noon.Add(24*time.Hour), "r2", "a"), "", ""},
		{"a manifest printed twice in place of the next", twice(a, 2), "", ""},
		{"a source printed twice in place of its first manifest", twice(a, 1), "", ""},
		{"a begin printed twice in place of the source", twice(a, 0), "", "git-fetch began and did not end"},
		{"an end printed twice in place of the next begin", twice(a+b, 5), "", "git-fetch ended and did not begin"},
		{"no begin", drop(a, 0), "", "no stage began"},
		{"no end", drop(a, 5), "", "git-fetch began and did not end"},
		{"no source record", drop(a, 1), "", ""},
		{"one source without its record", drop(both, 5), "a", ""},
		{"jq 'select(…)' took a manifest", drop(both, 3), "b", ""},
		{"jq 'select(.type==\"manifest\")'", lineOf(a, 2) + lineOf(a, 3), "", "no stage began"},
		{"a list of repositories cut short, said so", wrap("git-fetch", "", `"ok":false,"complete":false`), "", ""},
		{"a file that did not parse", strings.Replace(both, `"ok":true,"complete":true`, `"ok":false,"complete":false,"incomplete":["a"]`, 1), "b", ""},
		{"a picker that writes neither begin nor end", wrap("scan-tags", a, fine) + `{"type":"pick"}` + "\n", "a", ""},
		{"two writers interleaved", interleave(a, b), "a b", ""},
		{"two writers interleaved, one cut", interleave(a, drop(b, 5)), "", "git-fetch began and did not end"},
		{"a stage used twice in one pipe", wrap("scan-tags", wrap("scan-tags", a, fine), fine), "a", ""},
		{"a stage used twice, the outer one died", drop(wrap("scan-tags", wrap("scan-tags", a, fine), fine), 9), "", "scan-tags began and did not end"},
		{"empty", "", "", "the input is empty"},
		{"CRLF", strings.ReplaceAll(a, "\n", "\r\n"), "a", ""},
		{"a NUL byte", a + "\x00\n", "", "line 7: not one JSON object"},
		{"not UTF-8", a + "{\"type\":\"x\",\"y\":\"\xff\"}\n", "", "line 7: not UTF-8"},
		{"null", a + "null\n", "", "line 7: JSON, but not an object"},
		{"two objects on a line", a + "{\"type\":\"x\"}{\"type\":\"x\"}\n", "", "line 7: not one JSON object"},
		{"an object without a type", a + "{}\n", "", "line 7: a record without a type"},
		{"an empty line", a + "\n", "", "line 7: an empty line is no record"},
		{"no newline at the end", strings.TrimSuffix(a, "\n"), "", "the last line has no newline"},
		{"half of the first line", a[:20], "", "line 1: not one JSON object"},
		{"unknown types and fields", a + `{"type":"note","ok":7,"counts":"many"}` + "\n", "a", ""},
		{"a field of another type in a record of ours", a + `{"type":"end","stage":7}` + "\n", "", "line 7: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tally, _, err := read(t, strings.NewReader(test.stream))
			if err != nil {
				t.Fatal(err)
			}
			var whole []string
			for _, name := range []string{"a", "b"} {
				if tally.Whole(name) == nil {
					whole = append(whole, name)
				}
			}
			broken := ""
			if err := tally.Truncated(); err != nil {
				broken = err.Error()
			}
			if got := strings.Join(whole, " "); got != test.whole {
				t.Errorf("whole: %q, want %q", got, test.whole)
			}
			if test.broken == "" && broken != "" || !strings.Contains(broken, test.broken) {
				t.Errorf("truncated: %q, want %q", broken, test.broken)
			}
		})
	}
}

func interleave(a, b string) string {
	x, y := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	var out strings.Builder
	for i := range max(len(x), len(y)) {
		if i < len(x) {
			out.WriteString(x[i])
		}
		if i < len(y) {
			out.WriteString(y[i])
		}
	}
	return out.String()
}

// TestCounting shows that a stage may turn three manifests into one when it says so.
func TestCounting(t *testing.T) {
	a := fetch(t, noon, "r1", "a")
	two := lineOf(a, 3) + lineOf(a, 4)
	for counts, want := range map[string]bool{
		`"counts":{"a":{"wrote":1,"took":3}}`: true,
		`"counts":{"a":{"wrote":0,"took":3}}`: false,
		`"counts":{"b":{"wrote":1,"took":3}}`: false,
		`"counts":{}`:                         false,
	} {
		tally, _, err := read(t, strings.NewReader(wrap("build", strings.Replace(a, two, "", 1), fine+","+counts)))
		if err != nil {
			t.Fatal(err)
		}
		if got := tally.Whole("a") == nil; got != want {
			t.Errorf("%s: whole is %v, want %v: %v", counts, got, want, tally.Whole("a"))
		}
	}
}

// TestCutAtEveryByte cuts a recorded stream of two sources at every byte: nothing in what is
// left is whole, unless it is a source whose git-fetch had ended by then.
func TestCutAtEveryByte(t *testing.T) {
	for name, stream := range map[string]string{
		"one fetch":          fetch(t, noon, "r1", "a", "b"),
		"two fetches":        fetch(t, noon, "r1", "a") + fetch(t, noon, "r1", "b"),
		"two fetches, piped": wrap("pick-tag", wrap("scan-tags", fetch(t, noon, "r1", "a")+fetch(t, noon, "r1", "b"), fine), fine),
	} {
		t.Run(name, func(t *testing.T) {
			first := len(fetch(t, noon, "r1", "a"))
			for cut := range len(stream) {
				tally, _, err := read(t, strings.NewReader(stream[:cut]))
				if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				ended := name == "two fetches" && cut == first
				if tally.Whole("a") == nil && !ended || tally.Whole("b") == nil {
					t.Fatalf("cut at byte %d of %d, a source is whole", cut, len(stream))
				}
				if tally.Truncated() == nil && !ended {
					t.Fatalf("cut at byte %d of %d, the stream is not truncated", cut, len(stream))
				}
			}
			tally, _, err := read(t, strings.NewReader(stream))
			if err != nil || tally.Whole("a") != nil || tally.Whole("b") != nil {
				t.Fatalf("uncut: %v, %v, %v", err, tally.Whole("a"), tally.Whole("b"))
			}
		})
	}
}

func TestLinesComeAsTheyWere(t *testing.T) {
	stream := wrap("scan-tags", fetch(t, noon, "r1", "a"), fine) + `{ "type" : "note", "z":1, "a": 0x }` + "\n" + `{"type":"cut`
	_, lines, err := read(t, iotest.OneByteReader(strings.NewReader(stream)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, line := range lines {
		if line.N != i+1 {
			t.Errorf("line %d says it is %d", i+1, line.N)
		}
		out.Write(line.Raw)
	}
	if out.String() != stream {
		t.Errorf("read back as\n%s", out.String())
	}
}

func TestRefused(t *testing.T) {
	begin := func(v string) string {
		return `{"type":"begin","stage":"git-fetch",` + v + `"started":"2026-11-20T12:00:00Z"}` + "\n"
	}
	long := `{"type":"note","x":"` + strings.Repeat("x", jsonl.MaxLine) + "\"}\n"
	tests := []struct {
		name, stream string
		want         error
		message      string
	}{
		{"a manifest", "apiVersion: v1\nkind: Service\n", jsonl.ErrNoStream, "line 1"},
		{"another version", begin(`"v":2,`), jsonl.ErrVersion, "line 1"},
		{"another version later on", begin(`"v":1,`) + begin(`"v":2,`), jsonl.ErrVersion, "line 2"},
		{"no version", begin(``), jsonl.ErrVersion, `stage "git-fetch"`},
		{"a line over the limit", begin(`"v":1,`) + long, jsonl.ErrTooLong, "line 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tally, _, err := read(t, strings.NewReader(test.stream))
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %v, want %v with %q", err, test.want, test.message)
			}
			if tally.Truncated() == nil {
				t.Error("the tally knows nothing of it")
			}
		})
	}
}

func TestLongestLine(t *testing.T) {
	frame := `{"type":"note","x":""}` + "\n"
	line := strings.Replace(frame, `""`, `"`+strings.Repeat("x", jsonl.MaxLine-len(frame))+`"`, 1)
	_, lines, err := read(t, strings.NewReader(fetch(t, noon, "r1", "a")+line))
	if err != nil || len(lines[6].Raw) != jsonl.MaxLine {
		t.Fatalf("a line of just the limit: %v", err)
	}
}

func TestFailedRead(t *testing.T) {
	broken := errors.New("disk on fire")
	tally, _, err := read(t, io.MultiReader(strings.NewReader(fetch(t, noon, "r1", "a")), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || tally.Truncated() == nil || tally.Whole("a") == nil {
		t.Errorf("a failed read: %v, %v, %v", err, tally.Truncated(), tally.Whole("a"))
	}
}

func TestIncomplete(t *testing.T) {
	both := fetch(t, noon, "r1", "a", "b")
	for name, test := range map[string]struct {
		stream   string
		complete bool
		sources  string
	}{
		"whole":     {both, true, "[]"},
		"filtered":  {strings.Replace(both, lineOf(both, 2), "", 1), false, "[a]"},
		"truncated": {both[:len(both)/2], false, "[]"},
		"told":      {wrap("git-fetch", "", `"ok":false,"complete":false,"incomplete":["c"]`), false, "[c]"},
		"nothing":   {wrap("git-fetch", "", `"ok":false,"complete":false`), false, "[]"},
		"gone":      {lineOf(both, 0) + lineOf(both, 5) + lineOf(both, 6) + lineOf(both, 7) + lineOf(both, 8) + lineOf(both, 9), false, "[a]"},
	} {
		tally, _, err := read(t, strings.NewReader(test.stream))
		if err != nil {
			t.Fatal(err)
		}
		complete, sources := tally.Incomplete()
		if complete != test.complete || fmt.Sprint(sources) != test.sources {
			t.Errorf("%s: complete %v, incomplete %v; want %v, %v", name, complete, sources, test.complete, test.sources)
		}
	}
}

func TestStates(t *testing.T) {
	a, b := fetch(t, noon, "r1", "a"), fetch(t, noon.Add(time.Hour), "r1", "b")
	b = strings.Replace(b, lineOf(b, 1), "", 1) // without its source record
	tally, _, err := read(t, strings.NewReader(wrap("scan-tags", a+b, fine)))
	if err != nil {
		t.Fatal(err)
	}
	states := tally.States()
	if len(states) != 2 {
		t.Fatalf("%d sources, want 2", len(states))
	}
	if got := states[0]; got.Source.Store != "/store" || !got.Fetched.Equal(noon) || got.Tool != "git-fetch test" || got.Manifests != 3 || got.NotWhole != nil {
		t.Errorf("a: %+v", got)
	}
	if got := states[1]; got.Source.Name != "b" || !got.Fetched.IsZero() || got.Manifests != 3 || got.NotWhole == nil {
		t.Errorf("b: %+v", got)
	}
}

func TestSumSeesChangesOnly(t *testing.T) {
	sum := func(object string) string {
		s, err := jsonl.Sum(json.RawMessage(object))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := sum(`{"a":"<é>","b":9007199254740993}`)
	if sum("{ \"b\": 9007199254740993,\n\"a\":\"\\u003c\\u00e9>\"}") != same {
		t.Error("the order of keys or the escapes change the sum")
	}
	for _, other := range []string{`{"a":"<é>","b":9007199254740992}`, `{"a":"<é>"}`, `{"a":"<é>","b":"9007199254740993"}`} {
		if sum(other) == same {
			t.Errorf("%s has the same sum", other)
		}
	}
	if _, err := jsonl.Sum(json.RawMessage(`{`)); err == nil {
		t.Error("half an object has a sum")
	}
}

func TestObjectID(t *testing.T) {
	for object, want := range map[string]string{
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"demo","name":"web"}}`: "Deployment.apps/demo/web",
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}}`:                         "Namespace/demo",
		`{"apiVersion":"v1","kind":"Namespace","metadata":{}}`:                                      "a Namespace has no metadata.name",
		`{"kind":"Namespace","metadata":{"name":"demo"}}`:                                           "apiVersion or kind is missing",
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":7}}`:                              "reading an object's identity",
	} {
		id, err := jsonl.ObjectID(json.RawMessage(object))
		got := id.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", object, got, want)
		}
	}
}

type brokenPipe struct{ left int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errors.New("broken pipe")
	}
	b.left--
	return len(p), nil
}

func TestWriterStopsAtItsFirstError(t *testing.T) {
	w := jsonl.NewWriter(&brokenPipe{left: 1})
	if err := w.Write(jsonl.End{}); err != nil {
		t.Fatal(err)
	}
	if w.WriteRaw([]byte("{}\n")) == nil || w.Write(jsonl.End{}) == nil || w.Err() == nil {
		t.Error("it wrote on after a failed write")
	}
}

// FuzzReader feeds the reader anything: it returns every byte that it read, and what lacks an
// end is whole nowhere.
func FuzzReader(f *testing.F) {
	a := fetch(f, noon, "r1", "a")
	for _, seed := range []string{a, a + a, a[:100], wrap("scan-tags", a, fine), "null\n", "{}", "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		tally, lines, err := read(t, bytes.NewReader(stream))
		var got []byte
		for _, line := range lines {
			got = append(got, line.Raw...)
		}
		if err == nil && !bytes.Equal(got, stream) {
			t.Errorf("read back as %q", got)
		}
		if err != nil && tally.Truncated() == nil {
			t.Errorf("reading failed with %v and the stream is not truncated", err)
		}
		if tally.Truncated() != nil && tally.Whole("a") == nil {
			t.Error("truncated, and whole")
		}
		complete, _ := tally.Incomplete()
		for _, state := range tally.States() {
			if complete && state.NotWhole != nil {
				t.Error("complete, and not whole")
			}
		}
	})
}
