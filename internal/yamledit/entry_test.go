package yamledit

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

func set(key, value string, elements ...any) Entry {
	return Entry{Path: elements, Key: key, Value: value}
}

func del(key string, elements ...any) Entry { return Entry{Path: elements, Key: key, Delete: true} }

// Entries come, change and go; nothing else does.
var entries = []struct {
	name    string
	file    string
	entries []Entry
	want    string
	refused string // "line: reason", where want is empty
}{
	{
		name:    "a new one, behind the last",
		file:    "metadata:\n  name: x\n  annotations:\n    a: b # c\n    # below\n  labels: {}\n",
		entries: []Entry{set("fluxcd.io/automated", "true", "metadata", "annotations")},
		want:    "metadata:\n  name: x\n  annotations:\n    a: b # c\n    fluxcd.io/automated: \"true\"\n    # below\n  labels: {}\n",
	},
	{
		name:    "no annotations",
		file:    "kind: X\nmetadata:\n    name: x\n    labels:\n        a: b\n\n# spec\nspec: {}\n",
		entries: []Entry{set("a", "b=c: #d", "metadata", "annotations"), set("e", "f", "metadata", "annotations")},
		want:    "kind: X\nmetadata:\n    name: x\n    labels:\n        a: b\n    annotations:\n        a: \"b=c: #d\"\n        e: f\n\n# spec\nspec: {}\n",
	},
	{
		name:    "an old one",
		file:    "metadata:\n  annotations:\n    a: 'b' # c\n    d: e\n",
		entries: []Entry{set("a", "it's", "metadata", "annotations"), set("d", "true", "metadata", "annotations")},
		want:    "metadata:\n  annotations:\n    a: 'it''s' # c\n    d: 'true'\n",
	},
	{
		name:    "deleted with its comment, the line above stays",
		file:    "metadata:\n  annotations:\n    x: y\n    # about a\n    a: b # c\n    d: e\n",
		entries: []Entry{del("a", "metadata", "annotations")},
		want:    "metadata:\n  annotations:\n    x: y\n    # about a\n    d: e\n",
	},
	{
		name:    "deleted, and the mapping with it",
		file:    "metadata:\n  name: x\n  annotations: # notes\n    # above\n    a: b # c\n  labels: {}\n",
		entries: []Entry{del("a", "metadata", "annotations")},
		want:    "metadata:\n  name: x\n    # above\n  labels: {}\n",
	},
	{
		name:    "an empty mapping that nobody emptied stays",
		file:    "metadata:\n  name: x\n  annotations: {}\n",
		entries: []Entry{del("a", "metadata", "annotations")},
		want:    "metadata:\n  name: x\n  annotations: {}\n",
	},
	{
		name:    "one goes, another comes",
		file:    "metadata:\n  name: x\n  annotations:\n    a: b\n",
		entries: []Entry{del("a", "metadata", "annotations"), set("c", "d", "metadata", "annotations")},
		want:    "metadata:\n  name: x\n  annotations:\n    c: d\n",
	},
	{
		name:    "empty braces",
		file:    "metadata:\n  annotations: {} # none\n  name: x\n",
		entries: []Entry{set("c", "d", "metadata", "annotations")},
		want:    "metadata:\n  annotations: # none\n    c: d\n  name: x\n",
	},
	{
		name:    "null",
		file:    "metadata:\n  name: x\n  annotations: null\n",
		entries: []Entry{set("c", "d", "metadata", "annotations")},
		want:    "metadata:\n  name: x\n  annotations:\n    c: d\n",
	},
	{
		name:    "nothing",
		file:    "metadata:\n  annotations:\n  name: x\n",
		entries: []Entry{set("c", "d", "metadata", "annotations")},
		want:    "metadata:\n  annotations:\n    c: d\n  name: x\n",
	},
	{
		name:    "nothing at the end of the file, without a line end",
		file:    "metadata:\n  name: x\n  annotations:",
		entries: []Entry{set("c", "d", "metadata", "annotations"), set("e", "f", "metadata", "annotations")},
		want:    "metadata:\n  name: x\n  annotations:\n    c: d\n    e: f",
	},
	{
		name:    "one for another at the end of the file, without a line end",
		file:    "metadata:\n  name: x\n  annotations:\n    a: b",
		entries: []Entry{set("c", "d", "metadata", "annotations"), del("a", "metadata", "annotations")},
		want:    "metadata:\n  name: x\n  annotations:\n    c: d",
	},
	{
		name:    "CR LF and a byte order mark",
		file:    "\ufeffmetadata:\r\n  name: x\r\n  annotations:\r\n    a: b\r\nspec: 1\r\n",
		entries: []Entry{set("c", "d", "metadata", "annotations")},
		want:    "\ufeffmetadata:\r\n  name: x\r\n  annotations:\r\n    a: b\r\n    c: d\r\nspec: 1\r\n",
	},
	{
		name:    "flow style",
		file:    "metadata: {name: x, annotations: {a: b}, labels: {}}\n",
		entries: []Entry{set("c", "d", "metadata", "annotations"), set("e", "true", "metadata", "annotations")},
		want:    "metadata: {name: x, annotations: {a: b, c: d, e: \"true\"}, labels: {}}\n",
	},
	{
		name:    "flow style, none yet",
		file:    "metadata: {name: 'x'}\n",
		entries: []Entry{set("c", "d", "metadata", "annotations")},
		want:    "metadata: {name: 'x', annotations: {c: 'd'}}\n",
	},
	{
		name:    "flow style, null and empty",
		file:    "a: {annotations: , b: 1}\nb: {annotations: {}}\nc: {annotations: ~}\n",
		entries: []Entry{set("c", "d", "a", "annotations"), set("c", "d", "b", "annotations"), set("c", "d", "c", "annotations")},
		want:    "a: {annotations: {c: d} , b: 1}\nb: {annotations: {c: d}}\nc: {annotations: {c: d}}\n",
	},
	{
		name:    "flow style, behind nothing",
		file:    "a: {b: }\nc: {d: , e: f}\ng: {\n  h:\n}\n",
		entries: []Entry{set("x", "1", "a"), del("e", "c"), set("x", "1", "g")},
		want:    "a: {b: , x: \"1\" }\nc: {d: }\ng: {\n  h: ,\n  x: \"1\"\n}\n",
	},
	{
		name:    "dense JSON",
		file:    `{"a":{"annotations":{}},"b":{"annotations":null},"c":{"x":"y"},"d":{"x":"y","z":"1"}}`,
		entries: []Entry{set("c", "d", "a", "annotations"), set("c", "d", "b", "annotations"), set("c", "d", "c", "annotations"), del("x", "d")},
		want:    `{"a":{"annotations":{"c": "d"}},"b":{"annotations":{"c": "d"}},"c":{"x":"y", "annotations": {"c": "d"}},"d":{"z":"1"}}`,
	},
	{
		name:    "flow style, deleted first, middle and last",
		file:    "a: {x: 1, y: 2, z: 3}\nb: {x: 1, y: 2, z: 3}\nc: {x: 1, y: 2, z: 3,}\nd: {n: 1, o: {x: 1}}\n",
		entries: []Entry{del("x", "a"), del("y", "b"), del("z", "c"), del("y", "c"), del("x", "d", "o")},
		want:    "a: {y: 2, z: 3}\nb: {x: 1, z: 3}\nc: {x: 1,}\nd: {n: 1}\n",
	},
	{
		name:    "flow style, one for another",
		file:    "a: {x: 1, y: 2}\n",
		entries: []Entry{del("x", "a"), set("z", "v", "a")},
		want:    "a: {z: v, y: 2}\n",
	},
	{
		name:    "JSON",
		file:    "{\n  \"metadata\": {\n    \"name\": \"x\"\n  }\n}\n",
		entries: []Entry{set("a", "b", "metadata", "annotations")},
		want:    "{\n  \"metadata\": {\n    \"name\": \"x\",\n    \"annotations\": {\"a\": \"b\"}\n  }\n}\n",
	},
	{
		name:    "JSON, deleted",
		file:    "{\n  \"a\": {\n    \"b\": \"1\",\n    \"c\": \"2\"\n  }\n}\n",
		entries: []Entry{del("c", "a")},
		want:    "{\n  \"a\": {\n    \"b\": \"1\"\n  }\n}\n",
	},
	{
		name:    "the quotes of the others",
		file:    "a:\n  b: 'c'\n  d: 'e'\n",
		entries: []Entry{set("f", "g", "a")},
		want:    "a:\n  b: 'c'\n  d: 'e'\n  f: 'g'\n",
	},
	{
		name:    "behind block scalars",
		file:    "a:\n  b: |\n    c\n\n      d\n\n# e\nf:\n  g: >+\n    h\n\ni: 1\n",
		entries: []Entry{set("x", "v", "a"), set("x", "v", "f")},
		want:    "a:\n  b: |\n    c\n\n      d\n  x: v\n\n# e\nf:\n  g: >+\n    h\n\n  x: v\ni: 1\n",
	},
	{
		name:    "behind a list as far left as its key, and text over several lines",
		file:    "a:\n  b:\n  - c\n  - d: e\n    f: g\nb:\n  x: one\n    two\n  y: \"three\n\n  four\" # c\n",
		entries: []Entry{set("x", "v", "a"), set("z", "y", "b")},
		want:    "a:\n  b:\n  - c\n  - d: e\n    f: g\n  x: v\nb:\n  x: one\n    two\n  y: \"three\n\n  four\" # c\n  z: \"y\"\n",
	},
	{
		name:    "a deleted block scalar",
		file:    "a:\n  b: |\n    c\n    d\n  e: f\n",
		entries: []Entry{del("b", "a")},
		want:    "a:\n  e: f\n",
	},
	{
		name:    "in a list's item",
		file:    "items:\n- metadata:\n    name: x\n- kind: Y\n  metadata:\n    name: y\n",
		entries: []Entry{set("a", "b", "items", 0, "metadata", "annotations"), set("a", "b", "items", float64(1), "metadata", "annotations")},
		want:    "items:\n- metadata:\n    name: x\n    annotations:\n      a: b\n- kind: Y\n  metadata:\n    name: y\n    annotations:\n      a: b\n",
	},
	{
		name:    "a value without quotes that is no string",
		file:    "a:\n  b: true\n  c: yes\n",
		entries: []Entry{set("b", "true", "a"), set("c", "false", "a")},
		want:    "a:\n  b: \"true\"\n  c: \"false\"\n",
	},
	{
		name:    "a value that is not there yet",
		file:    "a:\n  b: # c\n  d:\n",
		entries: []Entry{set("b", "v", "a")},
		want:    "a:\n  b: v # c\n  d:\n",
	},
	{
		name:    "two mappings, and what stands in both",
		file:    "a:\n  b:\n    c: d\ne: f\n",
		entries: []Entry{set("g", "h", "a", "b"), set("i", "j", "a"), set("k", "l", "a", "m")},
		want:    "a:\n  b:\n    c: d\n    g: h\n  i: j\n  m:\n    k: l\ne: f\n",
	},
	{
		name:    "an own key beside a merge key",
		file:    "x: &x {a: b}\nm:\n  <<: *x\n  c: d\n",
		entries: []Entry{set("e", "f", "m")},
		want:    "x: &x {a: b}\nm:\n  <<: *x\n  c: d\n  e: f\n",
	},

	{name: "a merged key", file: "x: &x {a: b}\nm:\n  <<: *x\n", entries: []Entry{set("a", "f", "m")}, refused: "3: m.a: it comes through a merge key"},
	{name: "a key of its own before a merged one", file: "x: &x {a: b}\nm:\n  <<: *x\n  a: c\n  d: e\n", entries: []Entry{del("a", "m")}, refused: "4: m.a: another would come through a merge key"},
	{name: "an alias", file: "x: &x\n  a: b\nm: *x\n", entries: []Entry{set("c", "d", "m")}, refused: "1: m.c: it is used elsewhere, through the anchor x"},
	{name: "an anchor that is used", file: "x: &x\n  a: b\nm: *x\n", entries: []Entry{del("a", "x")}, refused: "1: x.a: it is used elsewhere"},
	{name: "an alias as value", file: "x: &x b\nm: {a: *x}\n", entries: []Entry{set("a", "d", "m")}, refused: "2: m.a: its value is shared"},
	{name: "a value that others use", file: "m: {a: &x b, c: d}\nx: *x\n", entries: []Entry{del("a", "m")}, refused: "1: m.a: it has an anchor"},
	{name: "twice", file: "m:\n  a: b\n  a: c\n", entries: []Entry{del("a", "m")}, refused: "3: m.a: the key comes twice"},
	{name: "no scalar", file: "m:\n  a: [b]\n", entries: []Entry{set("a", "c", "m")}, refused: "2: m.a: this is no scalar"},
	{name: "no mapping", file: "m: [a]\n", entries: []Entry{set("a", "c", "m")}, refused: "1: m.a: this is no mapping"},
	{name: "nothing around it", file: "m: 1\n", entries: []Entry{set("a", "c", "x", "y")}, refused: "1: x.y.a: nothing stands"},
	{name: "lines", file: "m: {}\n", entries: []Entry{set("a", "c\nd", "m")}, refused: `0: m.a: "c\nd" cannot be written on one line`},
	{name: "empty", file: "m: {}\n", entries: []Entry{set("a", "", "m")}, refused: `0: m.a: "" cannot be written`},
	{name: "a block scalar", file: "m:\n  a: |\n    b\n", entries: []Entry{set("a", "c", "m")}, refused: "2: m.a: it is a block scalar"},
	{name: "all that there is", file: "m:\n  a: b\n", entries: []Entry{del("a", "m")}, refused: "1: m.a: nothing would be left"},
	{name: "set and deleted", file: "m:\n  a: b\n  c: d\n", entries: []Entry{set("a", "e", "m"), del("a", "m")}, refused: "2: m.a: another change gives it"},
	{name: "two values", file: "m:\n  a: b\n", entries: []Entry{set("c", "1", "m"), set("c", "2", "m")}, refused: "2: m.c: it is to become"},
	{name: "the dash's line", file: "m:\n- a: b\n  c: d\n", entries: []Entry{del("a", "m", 0)}, refused: "2: m[0].a: an entry that is to go"},
}

func TestEntries(t *testing.T) {
	for _, test := range entries {
		t.Run(test.name, func(t *testing.T) {
			got, outcomes, err := Apply([]byte(test.file), []Change{{Entries: test.entries}})
			if err != nil {
				t.Fatal(err)
			}
			out := outcomes[0]
			if test.refused != "" {
				refused, ok := out.Err.(*RefusedError)
				line, reason, _ := strings.Cut(test.refused, ": ")
				if !ok || string(got) != test.file || strconv.Itoa(refused.Line) != line || !strings.HasPrefix(refused.Error(), reason) {
					t.Fatalf("%v: %q, want %s", out.Err, got, test.refused)
				}
				return
			}
			if out.Err != nil {
				t.Fatal(out.Err)
			}
			if string(got) != test.want {
				t.Fatalf("got\n%s\nwant\n%s", got, test.want)
			}
			again, outcomes, err := Apply(got, []Change{{Entries: test.entries}})
			if err != nil || string(again) != test.want || !outcomes[0].Done {
				t.Errorf("the second time: %q, %+v, %v", again, outcomes[0], err)
			}
		})
	}
}

// Lines are those of the edited file; of what is deleted, those of the file before.
func TestEntryOutcomes(t *testing.T) {
	file := "metadata:\n  name: a\nimage: a:1\n---\nmetadata:\n  annotations:\n    x: y # gone\n    b: c\nimage: b:1\n"
	changes := []Change{
		{
			Scalars: []Scalar{{Path: path("image"), Old: "a:1", New: "a:2"}},
			Entries: []Entry{set("k", "v", "metadata", "annotations"), set("l", "w", "metadata", "annotations")},
		},
		{Doc: 1, Entries: []Entry{del("x", "metadata", "annotations"), set("b", "c", "metadata", "annotations"), del("z", "metadata", "annotations")}},
		{Doc: 1, Scalars: []Scalar{{Path: path("image"), Old: "b:1", New: "b:2"}}, Entries: []Entry{set("m", "p", "metadata", "annotations")}},
		{Doc: 1, Entries: []Entry{set("x", "y", "metadata", "annotations")}},
		{Doc: 1, Entries: []Entry{set("m", "p", "metadata", "annotations")}},
		{Doc: 1, Entries: []Entry{set("m", "o", "metadata", "annotations")}},
	}
	got, outcomes, err := Apply([]byte(file), changes)
	if err != nil {
		t.Fatal(err)
	}
	want := "metadata:\n  name: a\n  annotations:\n    k: v\n    l: w\nimage: a:2\n---\nmetadata:\n  annotations:\n    b: c\n    m: p\nimage: b:2\n"
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
	for i, want := range []string{
		"[6] [{4  true} {5  true}] false <nil>",
		"[] [{7 y true} {10 c false} {0  false}] false <nil>",
		"[12] [{11  true}] false <nil>",
		"[] [] false metadata.annotations.x: another change takes it away",
		"[] [{11  true}] false <nil>",
		`[] [] false metadata.annotations.m: it is to become "o", and another change makes it "p"`,
	} {
		if got := fmt.Sprint(outcomes[i].Lines, outcomes[i].Entries, outcomes[i].Done, outcomes[i].Err); got != want {
			t.Errorf("change %d: %s, want %s", i, got, want)
		}
	}
}

// What the proof looks at where entries come and go.
func TestProveEntries(t *testing.T) {
	tr, err := parse([]byte("m: # one\n  a: b # two\n  c: d\nn: 1 # three\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(tr)
	if out, _ := p.add(Change{Entries: []Entry{set("e", "f", "m"), del("a", "m"), set("g", "h", "o")}}); out.Err != nil {
		t.Fatal(out.Err)
	}
	cuts := p.cuts()
	prove := func(edited string) error { return tr.prove([]byte(edited), p, cuts, newMoves(tr, cuts)) }
	if err := prove("m: # one\n  c: d\n  e: f\nn: 1 # three\no:\n  g: h\n"); err != nil {
		t.Fatal(err)
	}
	for edited, want := range map[string]string{
		"m: # one\n  c: d\nn: 1 # three\no:\n  g: h\n":                 "missing",
		"m: # one\n  e: f\nn: 1 # three\no:\n  g: h\n":                 "missing",
		"m: # one\n  c: x\n  e: f\nn: 1 # three\no:\n  g: h\n":         "value",
		"m: # one\n  c: d\n  e: x\nn: 1 # three\no:\n  g: h\n":         "comes that nobody",
		"m: # one\n  c: d\n  e: &e f\nn: 1 # three\no:\n  g: h\n":      "comes that nobody",
		"m: # one\n  c: d\n  e: f\nn: 1 # three\no:\n  g: h\n  i: j\n": "comes that nobody",
		"m: # one\n  c: d\n  e: f\nn: 1 # three\no: {}\n":              "comes that nobody",
		"m: # one\n  c: d\n  e: f\nn: 1\no:\n  g: h\n":                 "comment",
		"m: # one\n  c: d\n  e: f\nn: 1 # three\no:\n  g: h # i\n":     "comment",
		"m: # one\n\n  c: d\n  e: f\nn: 1 # three\no:\n  g: h\n":       "line",
		"m: {c: d, e: f} # one\nn: 1 # three\no:\n  g: h\n":            "style",
	} {
		if err := prove(edited); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", edited, err, want)
		}
	}
}

// Many workloads in one file get policies in one go.
func TestManyEntries(t *testing.T) {
	var file, want strings.Builder
	var changes []Change
	for i := range 300 {
		fmt.Fprintf(&file, "---\nmetadata:\n  name: a%d\n", i)
		fmt.Fprintf(&want, "---\nmetadata:\n  name: a%d\n  annotations:\n    k: v\n", i)
		changes = append(changes, Change{Doc: i, Entries: []Entry{set("k", "v", "metadata", "annotations")}})
	}
	got, outcomes, err := Apply([]byte(file.String()), changes)
	if err != nil || string(got) != want.String() {
		t.Fatalf("%v, got\n%.300s", err, got)
	}
	if got := outcomes[299].Entries[0].Line; got != 300*5 {
		t.Errorf("the last one is at line %d", got)
	}
}
