package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	sigsyaml "sigs.k8s.io/yaml"
)

// show is what Parse found, one line each.
func show(text string) string {
	objects, faults := Parse([]byte(text))
	var out []string
	at := func(doc int, item *int, line int) string {
		place := fmt.Sprint(doc)
		if item != nil {
			place += fmt.Sprintf("[%d]", *item)
		}
		return fmt.Sprintf("%s:%d", place, line)
	}
	for _, o := range objects {
		out = append(out, fmt.Sprintf("%s %s", at(o.Doc, o.Item, o.Line), o.JSON))
	}
	for _, f := range faults {
		out = append(out, fmt.Sprintf("!%s %s", at(f.Doc, f.Item, f.Line), f.Message))
	}
	return strings.Join(out, "\n")
}

const cm = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
const cmJSON = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`

func TestDocuments(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"one":                {cm, "0:1 " + cmJSON},
		"empty":              {"", ""},
		"comments":           {"# nothing\n\n# here\n", ""},
		"markers only":       {"---\n---\n", ""},
		"null":               {"~\n", ""},
		"explicit start":     {"---\n" + cm, "0:2 " + cmJSON},
		"start with comment": {"# a\n--- # b\n" + cm, "0:3 " + cmJSON},
		"two":                {cm + "---\n" + cm, "0:1 " + cmJSON + "\n1:5 " + cmJSON},
		"empty between":      {cm + "---\n# none\n---\n" + cm, "0:1 " + cmJSON + "\n2:7 " + cmJSON},
		"leading empty":      {"---\n---\n" + cm, "1:3 " + cmJSON},
		"end marker":         {cm + "...\n---\n" + cm + "...\n# bye\n", "0:1 " + cmJSON + "\n1:6 " + cmJSON},
		"directive":          {"%YAML 1.1\n---\n" + cm, "0:3 " + cmJSON},
		"BOM":                {"\xEF\xBB\xBF" + cm, "0:1 " + cmJSON},
		"BOM and marker":     {"\xEF\xBB\xBF---\n" + cm, "0:2 " + cmJSON},
		"CRLF":               {strings.ReplaceAll("---\n"+cm+"---\n"+cm, "\n", "\r\n"), "0:2 " + cmJSON + "\n1:6 " + cmJSON},
		"no last newline":    {strings.TrimSuffix(cm, "\n"), "0:1 " + cmJSON},
		"text with a marker": {cm + "data:\n  x: |\n    ---\n    y\n",
			`0:1 {"apiVersion":"v1","data":{"x":"---\ny\n"},"kind":"ConfigMap","metadata":{"name":"a"}}`},
		"JSON": {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`, "0:1 " + cmJSON},
		"content on the marker's line": {"--- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n--- # none\n",
			"0:1 " + cmJSON},
		"bad one between good ones": {cm + "---\na: [\n---\n" + cm, "0:1 " + cmJSON + "\n2:7 " + cmJSON +
			"\n!1:5 not valid YAML: did not find expected node content"},
		"template":              {"---\n" + cm + "data:\n  {{- if .x }}\n  a: b\n", "!0:5 not valid YAML: did not find expected node content"},
		"template that is YAML": {"---\n" + cm + "data:\n  {{ if .x }}\n", "!0:6 a key must be a string, not a mapping"},
		"tab":                   {"kind: A\n\tb: c\n", "!0:2 not valid YAML: found a tab character that violates indentation"},
		"scalar":                {"hello\n", "!0:1 the document is a scalar, not an object"},
		"sequence":              {"\n- a\n", "!0:2 the document is a sequence, not an object"},
		"UTF-16":                {"\xFF\xFEa\x00", "!0:1 the file is UTF-16"},
		"NUL":                   {"kind: \x00\n", "!0:1 not valid YAML: control characters are not allowed"},
		"not UTF-8":             {"kind: \xff\n", "!0:1 not valid YAML: invalid leading UTF-8 octet"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := show(test.text); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// SAFETY 5: what looks like an object and is none is a fault with its line, never silence.
func TestSafety05BrokenObjects(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"typo in apiVersion":  {"apiVerson: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "!0:1 looks like an object but has no apiVersion"},
		"typo in kind":        {"# x\napiVersion: v1\nKind: ConfigMap\nmetadata: {name: a}\n", "!0:2 looks like an object but has no kind"},
		"typo in both":        {"apiversion: v1\nKind: ConfigMap\nmetadata: {name: a}\n", "!0:1 looks like an object but has no apiVersion"},
		"kind only":           {"kind: ConfigMap\n", "!0:1 looks like an object but has no apiVersion"},
		"apiVersion only":     {"apiVersion: v1\n", "!0:1 looks like an object but has no kind"},
		"empty kind":          {"apiVersion: v1\nkind:\nmetadata: {name: a}\n", "!0:2 kind must be a non-empty string"},
		"kind no string":      {"apiVersion: v1\nkind: [a]\nmetadata: {name: a}\n", "!0:2 kind must be a non-empty string, not a sequence"},
		"apiVersion a number": {"apiVersion: 1\nkind: A\nmetadata: {name: a}\n", "!0:1 apiVersion must be a non-empty string; 1 without quotes is a number"},
		"no metadata":         {"apiVersion: v1\nkind: ConfigMap\n", "!0:1 a ConfigMap without metadata.name"},
		"no name":             {"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  nmae: a\n", "!0:4 a ConfigMap without metadata.name"},
		"name a number":       {"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: 1\n", "!0:4 metadata.name must be a non-empty string; 1 without quotes is a number"},
		"namespace a boolean": {"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: y\n", "!0:5 metadata.namespace must be a string; y without quotes is a boolean"},
		"namespace empty":     {"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: ''\n", `0:1 {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":""}}`},
		"generateName":        {"apiVersion: v1\nkind: Job\nmetadata: {generateName: a-}\n", "!0:3 a Job without metadata.name"},
		"key twice":           {cm + "kind: Secret\n", `!0:4 the key "kind" comes twice in one mapping`},
		"key twice, deep":     {cm + "data:\n  a: x\n  a: y\n", `!0:6 the key "a" comes twice in one mapping`},
		"number as key":       {cm + "data:\n  8080: x\n", "!0:5 the key 8080 is a number, not a string"},
		"boolean as key":      {cm + "data:\n  on: x\n", "!0:5 the key on is a boolean, not a string"},
		"null as key":         {cm + "data:\n  ~: x\n", "!0:5 the key ~ is null, not a string"},
		"mapping as key":      {cm + "data:\n  {a: b}: x\n", "!0:5 a key must be a string, not a mapping"},
		"infinity":            {cm + "data:\n  a: .inf\n", "!0:5 .inf is a number that JSON lacks"},
		"minus infinity":      {cm + "data: {a: -.Inf}\n", "!0:4 -.Inf is a number that JSON lacks"},
		"not a number":        {cm + "data:\n- 1\n- .NaN\n", "!0:6 .NaN is a number that JSON lacks"},
		"set":                 {cm + "data: !!set {a}\n", "!0:4 the tag !!set is not supported"},
		"timestamp tag":       {cm + "data: !!timestamp 2001-01-01\n", "!0:4 the tag !!timestamp is not supported"},
		"wrong tag":           {cm + "data: !!int abc\n", `!0:4 "abc" is not what its tag !!int says`},
		"unknown anchor":      {cm + "data: *b\n", "!0:1 not valid YAML: unknown anchor 'b' referenced"},
		"bad merge":           {cm + "data: {<<: 1}\n", "!0:4 << must stand for a mapping or a sequence of mappings"},
		"circle":              {cm + "data: &a\n  b: *a\n", "!0:4 nested deeper than 500, or an alias of something that holds it"},
		"List without items' kind": {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  metadata: {name: a}\n- 1\n- " + cmJSON + "\n",
			"0[2]:7 " + cmJSON + "\n!0[0]:4 looks like an object but has no kind\n!0[1]:6 item 1 of the list is a scalar, not an object"},
		"list in a list": {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: []\n",
			"!0[0]:4 item 0 of the list is a list itself"},
		"list without apiVersion": {"kind: List\nitems:\n- " + cmJSON + "\n",
			"0[0]:3 " + cmJSON + "\n!0:1 looks like an object but has no apiVersion"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := show(test.text); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestTemplateHint(t *testing.T) {
	for _, line := range []string{"  {{ if .x }}", "  a: {{ .x }}", "  {{- end }}"} {
		_, faults := Parse([]byte(cm + "data:\n" + line + "\n"))
		if len(faults) != 1 || !strings.Contains(faults[0].Hint, "template") {
			t.Errorf("%s: %+v", line, faults)
		}
	}
}

func TestNotObjects(t *testing.T) {
	for name, text := range map[string]string{
		"values":                   "image:\n  tag: 1\n",
		"flux":                     "version: 1\npatchUpdated:\n  generators: []\n",
		"workflow":                 "on: push\njobs: {}\n1: 2\n",
		"kustomization":            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
		"kustomization, old":       "resources: [a.yaml]\n",
		"CI with tags of its own":  "job:\n  script: !reference [.a, script]\n",
		"a list of no one":         "apiVersion: v1\nkind: List\nitems: []\n",
		"a typed list of no one":   "apiVersion: v1\nkind: ConfigMapList\nitems: []\n",
		"kind somewhere below":     "a:\n  kind: ConfigMap\n",
		"infinity in a values one": "a: .inf\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := show(text); got != "" {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestLists(t *testing.T) {
	list := "apiVersion: v1\nkind: ConfigMapList\nmetadata: {}\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n- " + cmJSON + "\n"
	if got, want := show(list), "0[0]:5 "+cmJSON+"\n0[1]:8 "+cmJSON; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for name, text := range map[string]string{
		"items are strings": "apiVersion: x/v1\nkind: AllowList\nmetadata: {name: a}\nitems: [a, b]\n",
		"no items":          "apiVersion: x/v1\nkind: AccessList\nmetadata: {name: a}\nspec: {}\n",
		"empty items":       "apiVersion: x/v1\nkind: AccessList\nmetadata: {name: a}\nitems: []\n",
		"items is a map":    "apiVersion: x/v1\nkind: AccessList\nmetadata: {name: a}\nitems: {a: b}\n",
		"items are plain":   "apiVersion: x/v1\nkind: AccessList\nmetadata: {name: a}\nitems: [{from: a, to: b}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			objects, faults := Parse([]byte(text))
			if len(objects) != 1 || len(faults) != 0 || objects[0].Item != nil {
				t.Errorf("got %s", show(text))
			}
		})
	}
}

// Every spelling of a value, and what it becomes. The third column is what kubectl's parser makes
// of it, where that is another thing.
func TestValues(t *testing.T) {
	for _, test := range [][3]string{
		{"0644", "420"}, {"0o644", "420"}, {"0x1F", "31"}, {"0X1f", "31"}, {"-0x10", "-16"}, {"0b101", "5"}, {"-0b11", "-3"},
		{"1_000", "1000"}, {"1_0.5_0", "10.50", "10.5"}, {"089", "89"}, {"+5", "5"}, {"-5", "-5"}, {"0", "0"}, {"00", "0"},
		{"9223372036854775807", "9223372036854775807"}, {"18446744073709551615", "18446744073709551615"},
		{"18446744073709551616", "18446744073709551616", "18446744073709552000"},
		{"-123456789012345678901234567890", "-123456789012345678901234567890", "-1.2345678901234568e+29"},
		{"9007199254740993", "9007199254740993"},
		{"1.10", "1.10", "1.1"}, {"1.0", "1.0", "1"}, {"1e3", "1e3", "1000"}, {".5", "0.5"}, {"+1.5", "1.5"}, {"1.", "1"}, {"-.5e1", "-0.5e1", "-5"},
		{"1e999", `"1e999"`}, {"1.2.3", `"1.2.3"`}, {"1:30", `"1:30"`}, {"12:30:45", `"12:30:45"`}, {"0x", `"0x"`}, {"_1", `"_1"`}, {"._1", `"._1"`},
		{"true", "true"}, {"True", "true"}, {"TRUE", "true"}, {"yes", "true"}, {"Yes", "true"}, {"on", "true"}, {"ON", "true"}, {"y", "true"}, {"Y", "true"},
		{"false", "false"}, {"no", "false"}, {"NO", "false"}, {"off", "false"}, {"n", "false"}, {"N", "false"}, {"tRue", `"tRue"`}, {"yEs", `"yEs"`},
		{"~", "null"}, {"null", "null"}, {"NULL", "null"}, {"", "null"}, {"nULL", `"nULL"`},
		{`"yes"`, `"yes"`}, {`'1'`, `"1"`}, {`"0x1F"`, `"0x1F"`}, {"!!str 5", `"5"`}, {"!!str yes", `"yes"`}, {"!!int 5", "5"}, {`!!int "5"`, "5"},
		{"!!float 5", "5"}, {"!!bool yes", "true"}, {"!!null ''", "null"}, {"!local x", `"x"`}, {"!local 5", `"5"`}, {"!!binary aGVsbG8=", `"hello"`},
		{"2001-01-01", `"2001-01-01"`}, {"2001-12-14t21:59:43.10-05:00", `"2001-12-14t21:59:43.10-05:00"`},
		{"<b>&amp;</b>", `"<b>&amp;</b>"`}, {`"\u2028"`, `"\u2028"`}, {`"\x01\t"`, `"\u0001\t"`}, {"=", `"="`}, {"é☃", `"é☃"`},
		{"[a, 1, ~, {b: no}]", `["a",1,null,{"b":false}]`}, {"{b: 1, a: 2}", `{"a":2,"b":1}`}, {"{}", "{}"}, {"[]", "[]"},
		{"|\n  a\n  b", `"a\nb\n"`}, {">-\n  a\n  b", `"a b"`},
	} {
		text := cm + "data: " + test[0] + "\n"
		objects, faults := Parse([]byte(text))
		if len(objects) != 1 {
			t.Errorf("%s: %v", test[0], faults)
			continue
		}
		var got struct{ Data json.RawMessage }
		if err := json.Unmarshal(objects[0].JSON, &got); err != nil || string(got.Data) != test[1] {
			t.Errorf("%s: got %s, want %s (%v)", test[0], got.Data, test[1], err)
		}
		want := test[1]
		if test[2] != "" {
			want = test[2]
		}
		theirs, err := sigsyaml.YAMLToJSON([]byte("data: " + test[0] + "\n"))
		if err != nil || !sameJSON(t, theirs, []byte(`{"data":`+want+`}`), true) {
			t.Errorf("%s: kubectl makes %s (%v), not %s", test[0], theirs, err, want)
		}
	}
}

func TestMerge(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"own key wins": {"x: &a {k: 1, l: 2}\nw:\n  k: 3\n  <<: *a\n", `{"w":{"k":3,"l":2},"x":{"k":1,"l":2}}`},
		"first of two": {"x: &a {k: 1}\nz: &b {k: 2, m: 3}\nw: {<<: [*a, *b]}\n", `{"w":{"k":1,"m":3},"x":{"k":1},"z":{"k":2,"m":3}}`},
		"in a merge":   {"x: &a {k: 1}\nz: &b {<<: *a, m: 3}\nw: {<<: *b}\n", `{"w":{"k":1,"m":3},"x":{"k":1},"z":{"k":1,"m":3}}`},
		"quoted":       {"w: {'<<': 1}\n", `{"w":{"<<":1}}`},
		"alias as key": {"x: &a k\nw: {*a : 1}\n", `{"w":{"k":1},"x":"k"}`},
		"empty":        {"w: {<<: []}\n", `{"w":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			objects, faults := Parse([]byte(cm + "data:\n  " + strings.ReplaceAll(strings.TrimSpace(test.text), "\n", "\n  ") + "\n"))
			if len(objects) != 1 {
				t.Fatal(faults)
			}
			var got struct{ Data json.RawMessage }
			if err := json.Unmarshal(objects[0].JSON, &got); err != nil || string(got.Data) != test.want {
				t.Errorf("got %s, want %s", got.Data, test.want)
			}
		})
	}
	// The object's own fields may come by a merge too.
	text := "metadata: &m\n  name: a\n<<: {apiVersion: v1, kind: ConfigMap}\n"
	if got := show(text); got != "0:1 "+cmJSON {
		t.Errorf("got %s", got)
	}
}

// SAFETY 24: files that are small and want to be large end in a fault, soon and in little memory.
func TestSafety24Bombs(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(256 << 20))
	lol := cm + "data:\n  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
	merge := cm + "data:\n  a0: &a0 {k: v}\n"
	for i := 1; i < 40; i++ {
		lol += fmt.Sprintf("  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
		merge += fmt.Sprintf("  a%d: &a%d {<<: [%s]}\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	for name, text := range map[string]string{
		"aliases":     lol,
		"merges":      merge,
		"one big":     cm + "data:\n  a: &a " + strings.Repeat("x", 1<<20) + "\n  b: [" + strings.Repeat("*a, ", 1000) + "]\n",
		"deep flow":   cm + "data: " + strings.Repeat("[", 20000) + "\n",
		"deep block":  cm + "data:\n  " + strings.Repeat("- ", 9000) + "x\n",
		"a huge file": strings.Repeat("# x\n", MaxFile/4+1),
		"a huge doc":  cm + "data: '" + strings.Repeat("x", MaxDocument) + "'\n",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			started := time.Now()
			objects, faults := Parse([]byte(text))
			if len(objects) != 0 || len(faults) != 1 || faults[0].Line < 1 {
				t.Errorf("got %d objects, faults %v", len(objects), faults)
			}
			runtime.ReadMemStats(&after)
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			if used := after.HeapSys; used > 600<<20 {
				t.Errorf("the heap grew to %d MiB", used>>20)
			}
		})
	}
}

func TestCharts(t *testing.T) {
	charts := FindCharts([]string{"a.yaml", "charts/x/Chart.yaml", "charts/x/templates/a.yaml", "charts/xy/a.yaml", "y/Chart.yml"})
	for file, want := range map[string]bool{
		"a.yaml": false, "charts/a.yaml": false, "charts/x/values.yaml": true, "charts/x/templates/deep/a.yaml": true, "charts/xy/a.yaml": false, "y/a.yaml": false,
	} {
		if got := charts.Hold(file); got != want {
			t.Errorf("%s: %v", file, got)
		}
	}
	if !FindCharts([]string{"Chart.yaml"}).Hold("x/y.yaml") {
		t.Error("a chart at the top")
	}
	for file, want := range map[string]bool{"a.yaml": true, "a.yml": true, "a.YAML": false, "a.json": false, ".yaml": true, "yaml": false} {
		if got := IsManifest(file); got != want {
			t.Errorf("%s: %v", file, got)
		}
	}
}

func TestLocate(t *testing.T) {
	text := []byte("# x\n---\n" + cm + "---\napiVersion: v1\nkind: List\nitems:\n- " + cmJSON + "\n- kind: A\n  metadata:\n    annotations:\n      # why\n      fluxcd.io/automated: 'true'\n")
	one := 1
	if line, ok := Locate(text, 1, &one, []any{"metadata", "annotations", "fluxcd.io/automated"}); !ok || line != 15 {
		t.Errorf("got %d, %v", line, ok)
	}
	if line, ok := Locate(text, 0, nil, []any{"kind"}); !ok || line != 4 {
		t.Errorf("got %d, %v", line, ok)
	}
	for _, path := range [][]any{{"none"}, {"metadata", 3}, {"kind", "x"}} {
		if line, ok := Locate(text, 0, nil, path); ok {
			t.Errorf("%v: got %d", path, line)
		}
	}
}

// Real manifests: same as kubectl's parser, value by value.
func TestCorpusAgreesWithKubectl(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "corpus")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the corpus is not here")
	}
	count := 0
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !IsManifest(name) || strings.Contains(name, "templates") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		objects, faults := Parse(text)
		for _, f := range faults {
			t.Logf("%s: %v", name, f)
		}
		for _, o := range objects {
			if o.Item == nil {
				count++
				compare2(t, split(text)[o.Doc].text, o.JSON)
			}
		}
		return nil
	})
	if err != nil || count == 0 {
		t.Errorf("%d objects, %v", count, err)
	}
}

func compare2(t *testing.T, text []byte, ours json.RawMessage) {
	t.Helper()
	theirs, err := sigsyaml.YAMLToJSON(text)
	if err != nil {
		return // what they refuse and we read is another matter
	}
	if !sameJSON(t, theirs, ours, false) {
		t.Errorf("for\n%s\nwe say   %s\nthey say %s", text, ours, theirs)
	}
}

// sameJSON compares values; numbers by their value as a float unless exact.
func sameJSON(t *testing.T, a, b []byte, exact bool) bool {
	t.Helper()
	read := func(text []byte) any {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return loosen(v, exact)
	}
	return reflect.DeepEqual(read(a), read(b))
}

func loosen(v any, exact bool) any {
	switch v := v.(type) {
	case json.Number:
		if exact {
			if r, ok := new(big.Rat).SetString(v.String()); ok {
				return r.RatString()
			}
			return v.String()
		}
		f, _ := v.Float64()
		if f == 0 {
			return math.Abs(f)
		}
		return f
	case map[string]any:
		for k := range v {
			v[k] = loosen(v[k], exact)
		}
	case []any:
		for i := range v {
			v[i] = loosen(v[i], exact)
		}
	}
	return v
}

// FuzzParse: no input makes it panic or run away, its JSON is valid and canonical, and where
// kubectl's parser reads the same document it reads the same values.
func FuzzParse(f *testing.F) {
	for _, s := range []string{cm, cm + "---\n" + cm, "apiVersion: v1\nkind: List\nitems:\n- " + cmJSON, cm + "data: &a\n  b: *a\n",
		cm + "data: {<<: {a: 1}, a: 0x1F, b: 1_000, c: 0644, d: .5, e: yes}\n", "%YAML 1.1\n---\n" + cm, "\xEF\xBB\xBF" + cm + "...\n", cm + "a: |\n  x\n  y\n",
		cm + "a: !!binary aGVsbG8=\nb: !x {c: d}\n", cm + "? a\n: b\n", "--- # x\n" + cm + "--- {a: b}\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		objects, faults := Parse(text)
		lines := bytes.Count(text, []byte("\n")) + 1
		for _, fault := range faults {
			if fault.Line < 1 || fault.Message == "" {
				t.Errorf("%+v", fault)
			}
		}
		docs := split(text)
		for _, o := range objects {
			if !json.Valid(o.JSON) || o.Line < 1 || bytes.ContainsAny(o.JSON, "\n") {
				t.Errorf("line %d of %d: %s", o.Line, lines, o.JSON)
			}
			if o.Item == nil && !bytes.Contains(text, []byte("<<")) && !bytes.ContainsAny(text, "!") {
				compare2(t, docs[o.Doc].text, o.JSON)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(strings.Repeat(cm+"data:\n  a: b\n  c: 1\n  d: [x, y, {z: 1}]\n---\n", 1000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if objects, _ := Parse(text); len(objects) != 1000 {
			b.Fatal(len(objects))
		}
	}
}
