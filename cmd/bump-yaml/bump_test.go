package main

import (
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	mf "github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/yamledit"
)

func TestMessage(t *testing.T) {
	for want, images := range map[string][]string{
		"Auto-release r/a:2\n": {"r/a:2", "r/a:2"},
		"Auto-release multiple (2) images\n\n - r/a:2\n - r/b:1\n": {"r/b:1", "r/a:2", "r/b:1"},
	} {
		var p plan
		for _, image := range images {
			p.picks = append(p.picks, planned{pick: wish{Pick: jsonl.Pick{To: image}}, edits: []jsonl.Edit{{New: image}}})
		}
		p.picks = append(p.picks, planned{pick: wish{Pick: jsonl.Pick{To: "r/refused:1"}}})
		if got, err := autoRelease(p.tell("config", "main", "")); got != want || err != nil {
			t.Errorf("%q: %q, %v", images, got, err)
		}
	}
}

func numbered(n int) []byte {
	var b strings.Builder
	for i := range n {
		b.WriteString("line " + string(rune('a'+i)) + "\n")
	}
	return []byte(b.String())
}

func TestUnified(t *testing.T) {
	before := numbered(12)
	after := []byte(strings.NewReplacer("line a", "LINE a", "line f", "LINE f", "line l", "LINE l").Replace(string(before)))
	everywhere := []span{{first: 1, last: 12, edited: true}}
	for name, test := range map[string]struct {
		spans []span
		want  string
	}{
		"context": {everywhere, `--- a/f.yaml
+++ b/f.yaml
@@ -1,12 +1,12 @@
-line a
+LINE a
 line b
 line c
 line d
 line e
-line f
+LINE f
 line g
 line h
 line i
 line j
 line k
-line l
+LINE l
`},
		"none from other objects": {[]span{{first: 1, last: 2, edited: true}, {first: 3, last: 5}, {first: 6, last: 6, edited: true}, {first: 7, last: 10, secret: true}, {first: 11, last: 12, edited: true}}, `--- a/f.yaml
+++ b/f.yaml
@@ -1,2 +1,2 @@
-line a
+LINE a
 line b
@@ -6,1 +6,1 @@
-line f
+LINE f
@@ -11,2 +11,2 @@
 line k
-line l
+LINE l
`},
		"a Secret on the changed line": {[]span{{first: 1, last: 12, edited: true}, {first: 6, last: 6, secret: true}}, `--- a/f.yaml
+++ b/f.yaml
@@ -1,12 +1,12 @@
-line a
+LINE a
 line b
 line c
 line d
 line e
-(hidden: the line is part of a Secret)
+(hidden: the line is part of a Secret)
 line g
 line h
 line i
 line j
 line k
-line l
+LINE l
`},
	} {
		if got := unified("f.yaml", before, after, test.spans, test.spans); got != test.want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

func TestVisible(t *testing.T) {
	for line, want := range map[string]string{
		"  image: r/token:1":         "  image: r/token:1",
		"  adminPassword: hunter2":   "  adminPassword: (hidden)",
		"  - value: hunter2":         "  - value: (hidden)",
		`  {"apiKey":"hunter2"}`:     `  {"apiKey": (hidden)`,
		"  secretName: db":           "  secretName: (hidden)",
		"  DB_PASSWORD: x":           "  DB_PASSWORD: (hidden)",
		"  values:":                  "  values:",
		strings.Repeat("ü", 500):     strings.Repeat("ü", 400) + "…",
		"  image: {tag: 1, token: x": "  image: {tag: 1, token: (hidden)",
	} {
		if got := visible(line, 1, nil); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := visible("x", 3, []span{{first: 1, last: 3, secret: true}}); strings.Contains(got, "x:") || got == "x" {
		t.Errorf("a line of a Secret: %q", got)
	}
}

// yq and our own reading of manifests must count documents in the same way, or an edit would go
// into another document than the one that was read.
func TestDocumentsAreCountedAlike(t *testing.T) {
	pod := "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: a:1}]}}\n"
	for _, before := range []string{
		"", "---\n", "# c\n", "# c\n---\n", "---\n# c\n---\n", "---\n---\n", "x: 1\n---\n", "x: 1\n...\n", "x: 1\n...\n---\n",
		"%YAML 1.1\n---\n", "\n\n---\n", "--- # c\n", "--- x\n---\n", "---\n...\n---\n", "null\n---\n", "~\n---\n", "\ufeff---\n", "\ufeff# c\n---\n",
		"x: |\n  ---\n---\n", "x: 1\r\n---\r\n", "- 1\n---\n# c\n---\n", "x: 1\n... # c\n# d\n---\n", "---\n\n---\n\n---\n", "x: 1\n--- {y: 1}\n---\n",
	} {
		text := before + pod
		objects, faults := mf.Parse([]byte(text))
		if len(objects) != 1 {
			t.Logf("%q: %d objects, %v", before, len(objects), faults)
			continue
		}
		change := yamledit.Change{Doc: objects[0].Doc, Scalars: []yamledit.Scalar{{Path: []any{"spec", "containers", 0, "image"}, Old: "a:1", New: "a:2"}}}
		after, outcomes, err := yamledit.Apply([]byte(text), []yamledit.Change{change})
		if err != nil {
			t.Logf("%q is refused: %v", before, err)
		} else if outcomes[0].Err != nil || string(after) != before+strings.Replace(pod, "a:1", "a:2", 1) {
			t.Errorf("%q: document %d: %v %+v", before, objects[0].Doc, err, outcomes)
		}
	}
}

// What decides about an image must be the same where the remote has moved.
func TestRelocate(t *testing.T) {
	pod := func(image, notes string) object {
		return object{jsonl.Manifest{ID: "Pod/p", Object: []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{` + notes + `},"name":"p"},"spec":{"containers":[{"name":"x","image":"z:1"},{"name":"a","image":"` + image + `"}]}}`)}}
	}
	before := planned{pick: wish{Pick: jsonl.Pick{ID: "Pod/p", Container: "a", From: "a:1", To: "a:2"}}, object: pod("a:1", "")}
	for name, test := range map[string]struct {
		now  object
		want string
	}{
		"the same":              {pod("a:1", ""), ""},
		"made by others":        {pod("a:2", ""), ""},
		"another image":         {pod("a:3", ""), "changed the image to a:3"},
		"another policy":        {pod("a:1", `"fluxcd.io/tag.a":"glob:x"`), "changed its policies"},
		"an annotation of note": {pod("a:1", `"note":"x"`), ""},
		"gone":                  {object{jsonl.Manifest{ID: "Pod/q", Object: []byte(`{}`)}}, "removed the object"},
	} {
		pick, why := relocate(before, map[string]object{test.now.ID: test.now})
		if why != test.want {
			t.Errorf("%s: %q, want %q", name, why, test.want)
		}
		if name == "the same" && (len(pick.Fields) != 1 || pick.Fields[0].Path[2] != 1) {
			t.Errorf("%s: %+v", name, pick.Fields)
		}
	}
}
