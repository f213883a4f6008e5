package yamledit

import (
	"errors"
	"strings"
	"testing"
)

func path(elements ...any) []any { return elements }

func one(doc int, old, new string, elements ...any) []Change {
	return []Change{{Doc: doc, Scalars: []Scalar{{Path: elements, Old: old, New: new}}}}
}

// Each case marks the scalar's bytes in the file with « and »; what stands between them is
// replaced, and nothing else may change.
var exact = []struct {
	name string
	file string
	want string // between the marks afterwards
	line int
	edit []Change
}{
	{
		name: "comments, blank lines, odd indents",
		file: "# top\n\n\nspec:\n      containers:\n\n      # the app\n      -   name: a   # trailing\n          image:    «q.io/a:1»    # keep me\n\n\n      - {name: b}\n",
		want: "q.io/a:2", line: 9,
		edit: one(0, "q.io/a:1", "q.io/a:2", "spec", "containers", 0, "image"),
	},
	{
		name: "flow style with other scripts before it",
		file: "{título: \"año ñandú 日本\", image: «a:1», x: [1,2]}\n",
		want: "a:2", line: 1,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "single quotes",
		file: "a: 'it''s'\nimage: «'a:1'»\n",
		want: "'a:2'", line: 2,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "single quotes inside single quotes",
		file: "image: «'it''s'»   # '\n",
		want: "'that''s'", line: 1,
		edit: one(0, "it's", "that's", "image"),
	},
	{
		name: "double quotes with escapes",
		file: "image: «\"a\\x3a1\\\"\\\\\"» # \"\n",
		want: `"a:2\"\\"`, line: 1,
		edit: one(0, `a:1"\`, `a:2"\`, "image"),
	},
	{
		name: "CR LF",
		file: "kind: X\r\nspec:\r\n  image: «a:1»\r\n  y: z\r\n",
		want: "a:2", line: 3,
		edit: one(0, "a:1", "a:2", "spec", "image"),
	},
	{
		name: "byte order mark on the scalar's own line",
		file: "\ufeffimage: «a:1»\n",
		want: "a:2", line: 1,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "several documents, a directive, an end mark",
		file: "%YAML 1.1\n---\nimage: a:1\n...\n# between\n---\nimage: «a:1» # second\n---\nimage: a:1\n",
		want: "a:2", line: 7,
		edit: one(1, "a:1", "a:2", "image"),
	},
	{
		name: "behind block scalars that look like YAML",
		file: "text: |\n  image: a:1\n  ---\nfold: >-\n  image: a:1\n\n  x\nimage: «a:1»\n",
		want: "a:2", line: 8,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "flow style over several lines with comments",
		file: "spec: {\n  # first\n  name: x, # one\n  image: «a:1», # two }\n  more: [ 1,\n    2 ]\n}\n",
		want: "a:2", line: 4,
		edit: one(0, "a:1", "a:2", "spec", "image"),
	},
	{
		name: "anchor and tag before the scalar",
		file: "image: &img !!str   «a:1» # c\n",
		want: "a:2", line: 1,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "anchor on the line before, with a comment",
		file: "image: &img # why\n   «a:1»\n",
		want: "a:2", line: 2,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "verbatim tag",
		file: "image: !<tag:yaml.org,2002:str> &x «a:1»\n",
		want: "a:2", line: 1,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "an anchor defined twice, reached through an alias",
		file: "one: &a x:1\ntwo: &a «a:1»\nimage: *a\n",
		want: "a:2", line: 2,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "templates in comments and quotes",
		file: "# {{ .Values.image }}\nname: \"{{ x }}\" # {{\nimage: «a:1» # {{- end }}\n",
		want: "a:2", line: 3,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "no line end, a tab, a quoted key",
		file: "\"image\":\t«a:1»",
		want: "a:2", line: 1,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "a number becomes a string",
		file: "tag: «1.10» # float\n",
		want: `"1.20"`, line: 1,
		edit: one(0, "1.10", "1.20", "tag"),
	},
	{
		name: "a number's quotes stay",
		file: "tag: «'1.10'»\n",
		want: "'1.20'", line: 1,
		edit: one(0, "1.10", "1.20", "tag"),
	},
	{
		name: "a truth value of YAML 1.1",
		file: "tag: «v1»\n",
		want: `"on"`, line: 1,
		edit: one(0, "v1", "on", "tag"),
	},
	{
		name: "duplicate keys: the last one counts",
		file: "image: a:1\nimage: «a:1»\n",
		want: "a:2", line: 2,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "lone CR, NEL, LS and PS end lines",
		file: "a: 1\rb: 2\u0085c: 3\u2028d: 4\u2029image: «a:1»\re: 5\n",
		want: "a:2", line: 5,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "complex keys",
		file: "? [x, y]\n: z\n? image\n: «a:1»\n",
		want: "a:2", line: 4,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "emoji and tabs before it",
		file: "{\"🚀 \t🧵\": 1,\t\"image\":\t«'a:1'»}\n",
		want: "'a:2'", line: 1,
		edit: one(0, "a:1", "a:2", "image"),
	},
	{
		name: "an item of a list, flush with its key",
		file: "kind: List\nitems:\n- spec: {image: a:1}\n- spec:\n    image: «a:1»\n",
		want: "a:2", line: 5,
		edit: one(0, "a:1", "a:2", "items", float64(1), "spec", "image"),
	},
	{
		name: "a key with dots",
		file: "annotations:\n  fluxcd.io/tag.app: «glob:*»\n",
		want: "semver:~1", line: 2,
		edit: one(0, "glob:*", "semver:~1", "annotations", "fluxcd.io/tag.app"),
	},
	{
		name: "through a merge key",
		file: "base: &b\n  image: «a:1»\napp:\n  <<: *b\n  name: x\n",
		want: "a:2", line: 2,
		edit: one(0, "a:1", "a:2", "app", "image"),
	},
	{
		name: "a key of its own before a merged one",
		file: "base: &b\n  image: a:1\napp:\n  image: «a:1»\n  <<: [*b]\n",
		want: "a:2", line: 4,
		edit: one(0, "a:1", "a:2", "app", "image"),
	},
	{
		name: "quoted because of where it stands",
		file: "[«a»]\n",
		want: `"b, c"`, line: 1,
		edit: one(0, "a", "b, c", 0),
	},
	{
		name: "JSON",
		file: "{\n\t\"spec\": {\"image\": «\"a:1\"»}\n}\n",
		want: `"a:2"`, line: 2,
		edit: one(0, "a:1", "a:2", "spec", "image"),
	},
	{
		name: "empty",
		file: "tag:«»   # none yet\nx: 1\n",
		want: " v2", line: 1,
		edit: one(0, "", "v2", "tag"),
	},
	{
		name: "empty at the end of the file",
		file: "a: 'b'\ntag:«»",
		want: " '2'", line: 2,
		edit: one(0, "", "2", "tag"),
	},
	{
		name: "empty in flow style",
		file: "{tag:«» , x: 1}\n",
		want: " v2", line: 1,
		edit: one(0, "", "v2", "tag"),
	},
	{
		name: "empty quotes",
		file: "tag: «''»\n",
		want: "'v2'", line: 1,
		edit: one(0, "", "v2", "tag"),
	},
	{
		name: "null in words",
		file: "tag: «~» # none\n",
		want: "v2", line: 1,
		edit: one(0, "", "v2", "tag"),
	},
	{
		name: "a number among single quotes",
		file: "name: 'x'\ntag: «1.10»\n",
		want: "'1.11'", line: 2,
		edit: one(0, "1.10", "1.11", "tag"),
	},
	{
		name: "comment-only document first",
		file: "# nothing\n---\n# something\nimage: «a:1»\n",
		want: "a:2", line: 4,
		edit: one(0, "a:1", "a:2", "image"),
	},
}

func TestExact(t *testing.T) {
	for _, test := range exact {
		t.Run(test.name, func(t *testing.T) {
			before, rest, _ := strings.Cut(test.file, "«")
			old, after, marked := strings.Cut(rest, "»")
			if !marked {
				t.Fatal("the case marks no scalar")
			}
			got, outcomes, err := Apply([]byte(before+old+after), test.edit)
			if err != nil {
				t.Fatal(err)
			}
			if outcomes[0].Err != nil {
				t.Fatal(outcomes[0].Err)
			}
			if want := before + test.want + after; string(got) != want {
				t.Errorf("got\n%q, want\n%q", got, want)
			}
			if outcomes[0].Lines[0] != test.line {
				t.Errorf("line %d, want %d", outcomes[0].Lines[0], test.line)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name, file string
		edit       []Change
		want       string
		line       int
	}{
		{"plain text over two lines", "image: a\n  b\n", one(0, "a b", "c", "image"), "does not stand on one line", 1},
		{"quoted text over two lines", "x: 1\nimage: \"a\n  b\"\n", one(0, "a b", "c", "image"), "does not stand on one line", 2},
		{"literal", "image: |\n  a:1\n", one(0, "a:1\n", "a:2", "image"), "block scalar", 1},
		{"folded", "image: >-\n  a:1\n", one(0, "a:1", "a:2", "image"), "block scalar", 1},
		{"empty, an item", "tags:\n-\n- a\n", one(0, "", "2", "tags", 0), "no key stands before it", 2},
		{"empty with an anchor", "tag: &t\nx: 1\n", one(0, "", "2", "tag"), "with an anchor or a tag", 1},
		{"empty with a tag", "tag: !!str # x\nx: 1\n", one(0, "", "2", "tag"), "with an anchor or a tag", 1},
		{"not a scalar", "image:\n  tag: a\n", one(0, "a:1", "a:2", "image"), "no scalar", 2},
		{"another value", "image: a:3\n", one(0, "a:1", "a:2", "image"), "the file has changed", 1},
		{"a missing key", "x: 1\n", one(0, "a:1", "a:2", "image"), "nothing stands", 1},
		{"an index too far", "x: [1]\n", one(0, "1", "2", "x", 1), "nothing stands", 1},
		{"a negative index", "x: [1]\n", one(0, "1", "2", "x", -1), "nothing stands", 1},
		{"an index of a mapping", "x: {a: 1}\n", one(0, "1", "2", "x", 0), "nothing stands", 1},
		{"a missing document", "x: a\n", one(1, "a", "b", "x"), "no document 1", 0},
		{"a path element of a strange type", "x: a\n", one(0, "a", "b", true), "bool", 1},
		{"a tag that wants no string", "tag: !!float 1.10\n", one(0, "1.10", "1.20", "tag"), "!!float", 1},
		{"a tag of the user's own", "tag: !env X\n", one(0, "X", "Y", "tag"), "!env", 1},
		{"a line break to write", "image: a\n", one(0, "a", "b\nc", "image"), "one line", 1},
		{"nothing to write", "image: a\n", one(0, "a", "", "image"), "one line", 1},
		{"merge keys without end", "a: &a\n  <<: [*a, *a, *a]\n", one(0, "a", "b", "a", "image"), "nested too deeply", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, outcomes, err := Apply([]byte(test.file), test.edit)
			if err != nil {
				t.Fatal(err)
			}
			var refused *RefusedError
			if !errors.As(outcomes[0].Err, &refused) {
				t.Fatalf("not refused: %q", got)
			}
			if !strings.Contains(refused.Error(), test.want) || refused.Line != test.line {
				t.Errorf("line %d: %v; want line %d: %s", refused.Line, refused, test.line, test.want)
			}
			if string(got) != test.file {
				t.Errorf("the file changed: %q", got)
			}
		})
	}
}

func TestNoYAML(t *testing.T) {
	for name, file := range map[string]string{
		"template": "image: {{ .Values.image }}:{{ .Values.tag }}\n",
		"Latin-1":  "name: \xe9\nimage: a:1\n",
		"UTF-16":   "\xff\xfei\x00m\x00",
		"a tab":    "a:\n\timage: a:1\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Apply([]byte(file), one(0, "a:1", "a:2", "image"))
			if err == nil || string(got) != file {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// One file, five changes: those that can be made are made, each whole or not at all.
func TestSeveral(t *testing.T) {
	file := "a: {repository: r/a, tag: 1.10}\nb: {repository: r/b, tag: v1}\nc: &c r/c:1\nd: *c\ne: r/e:1\n"
	got, outcomes, err := Apply([]byte(file), []Change{
		{Scalars: []Scalar{{path("a", "repository"), "r/a", "r/a"}, {path("a", "tag"), "1.10", "1.11"}}},
		{Scalars: []Scalar{{path("b", "repository"), "r/b", "r/x"}, {path("b", "tag"), "v3", "v4"}}},
		{Scalars: []Scalar{{path("c"), "r/c:1", "r/c:2"}}},
		{Scalars: []Scalar{{path("d"), "r/c:1", "r/c:2"}}},
		{Scalars: []Scalar{{path("d"), "r/c:1", "r/c:3"}}},
		{Scalars: []Scalar{{path("e"), "r/e:1", "r/e:2"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "a: {repository: r/a, tag: \"1.11\"}\nb: {repository: r/b, tag: v1}\nc: &c r/c:2\nd: *c\ne: r/e:2\n"
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
	for i, refused := range []string{"", `b.tag: it is "v1"`, "", "", "and another change makes it", ""} {
		err := outcomes[i].Err
		if (err != nil) != (refused != "") || err != nil && !strings.Contains(err.Error(), refused) {
			t.Errorf("change %d: %v, want %q", i, err, refused)
		}
	}
	if len(outcomes[2].Shared) != 1 || outcomes[2].Shared[0] != "c" || outcomes[0].Shared != nil {
		t.Errorf("shared: %q, %q", outcomes[2].Shared, outcomes[0].Shared)
	}
}

// Made twice, a change is no error and no edit. Half made, it is somebody else's work.
func TestDone(t *testing.T) {
	change := []Change{{Scalars: []Scalar{{path("a"), "1", "2"}, {path("b"), "3", "4"}}}}
	for file, want := range map[string]struct {
		file string
		done bool
		err  string
	}{
		"a: '1'\nb: 3\n":     {"a: '2'\nb: '4'\n", false, ""},
		"a: '2'\nb: \"4\"\n": {"a: '2'\nb: \"4\"\n", true, ""},
		"a: '2'\nb: '3'\n":   {"a: '2'\nb: '3'\n", false, "the file has changed"},
		"a: 2\nb: '4'\n":     {"a: 2\nb: '4'\n", false, "the file has changed"},
	} {
		got, outcomes, err := Apply([]byte(file), change)
		if err != nil || string(got) != want.file || outcomes[0].Done != want.done {
			t.Errorf("%q: %q, %+v, %v", file, got, outcomes[0], err)
		}
		if e := outcomes[0].Err; (e != nil) != (want.err != "") || e != nil && !strings.Contains(e.Error(), want.err) {
			t.Errorf("%q: %v", file, e)
		}
	}
}

// An anchor around the scalar counts, one that nobody uses does not.
func TestShared(t *testing.T) {
	file := "a: &unused\n  b: &used\n    image: a:1\nc: *used\n"
	_, outcomes, err := Apply([]byte(file), one(0, "a:1", "a:2", "a", "b", "image"))
	if err != nil || outcomes[0].Err != nil {
		t.Fatal(err, outcomes[0].Err)
	}
	if got := strings.Join(outcomes[0].Shared, " "); got != "used" {
		t.Errorf("shared: %q", got)
	}
}

// A file where one change cannot be proven must not keep the others from being made.
func TestOneByOne(t *testing.T) {
	tr, err := parse([]byte("{a: x1, b: v, c: v, d: y1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	// No input is known whose proof fails, so yq is made to look in the wrong place.
	b, _ := tr.find(0, path("b"))
	c, _ := tr.find(0, path("c"))
	c.Column = b.Column
	changes := []Change{
		one(0, "x1", "x2", "a")[0], one(0, "v", "w", "c")[0], one(0, "y1", "y2", "d")[0],
	}
	_, outcomes, fault := tr.attempt(changes)
	if fault == nil {
		t.Fatal("another scalar changes, and the proof says nothing")
	}
	got, outcomes, err := tr.oneByOne(changes, outcomes)
	if err != nil || outcomes[0].Err != nil || outcomes[2].Err != nil {
		t.Fatal(err, outcomes)
	}
	if outcomes[1].Err == nil || !strings.Contains(outcomes[1].Err.Error(), "more than it should") {
		t.Errorf("outcome: %v", outcomes[1].Err)
	}
	if want := "{a: x2, b: v, c: v, d: y2}\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What the proof looks at: whatever else changes with the scalar is found.
func TestProve(t *testing.T) {
	file := "a: &a x # c\nb: *a\nc: 1\nd: \"q\"\n"
	tr, err := parse([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := tr.find(0, path("a"))
	p := newPlan(tr)
	p.values[a] = cut{node: a, value: "y"}
	prove := func(edited string) error { return tr.prove([]byte(edited), p, p.cuts(), newMoves(tr, nil)) }
	if err := prove("a: &a y # c\nb: *a\nc: 1\nd: \"q\"\n"); err != nil {
		t.Fatal(err)
	}
	for edited, want := range map[string]string{
		"a: &a z # c\nb: *a\nc: 1\nd: \"q\"\n":         "value",
		"a: &a y # d\nb: *a\nc: 1\nd: \"q\"\n":         "comment",
		"a: &a y # c\nb: y\nc: 1\nd: \"q\"\n":          "shape",
		"a: &a y # c\nb: *a\nc: 1\nd: q\n":             "style",
		"a: &a y # c\nb: *a\nc: a\nd: \"q\"\n":         "value",
		"a: &a y # c\nb: *a\n\nc: 1\nd: \"q\"\n":       "line",
		"a: y # c\nb: *a\nc: 1\nd: \"q\"\n":            "unknown anchor",
		"a: &a y # c\nb: *a\nc: 1\nd: \"q\"\ne: 1\n":   "shape",
		"a: &a y # c\nb: *a\nc: 1\nd: \"q\"\n---\nx\n": "documents",
	} {
		if err := prove(edited); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", edited, err, want)
		}
	}
}

func TestPathString(t *testing.T) {
	got := pathString(path("metadata", "annotations", "fluxcd.io/tag.app", 2, "x", "", float64(3)))
	if want := `metadata.annotations["fluxcd.io/tag.app"][2].x[""][3]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLines(t *testing.T) {
	for file, want := range map[string]string{
		"":                                   "",
		"a":                                  "a",
		"a\nb\n":                             "a|b",
		"a\r\nb\rc\u0085d\u2028e\u2029f\n\n": "a|b|c|d|e|f|",
		"\n":                                 "",
	} {
		if got := strings.Join(Lines([]byte(file)), "|"); got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}
