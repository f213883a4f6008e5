package manifest_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/yamledit"
)

// FuzzImageInFile: an image of any file can be changed in its bytes, or is refused. The object then
// has the new one, and every other object is as it was.
func FuzzImageInFile(f *testing.F) {
	for _, row := range releaseRows {
		f.Add([]byte(releaseFile(row.notes, row.values)), uint(0), "2.0")
	}
	for _, row := range workloadRows {
		f.Add([]byte(workloadFile(row.version, row.kind, row.meta, row.path, podSpec)), uint(1), "v2")
	}
	f.Add([]byte("kind: List\napiVersion: v1\nitems:\n- &a {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: &s {containers: [{image: x:1}]}}\n- {apiVersion: v1, kind: Pod, metadata: {name: b}, spec: *s}\n"), uint(0), "2")
	f.Fuzz(func(t *testing.T, file []byte, which uint, tag string) {
		objects, faults := manifest.Parse(file)
		if len(objects) == 0 || len(faults) > 0 {
			return
		}
		at := int(which % uint(len(objects)))
		containers := manifest.Images(decode(t, objects[at]))
		if len(containers) == 0 {
			return
		}
		i := int(which/uint(len(objects))) % len(containers)
		c := containers[i]
		if c.Err != nil {
			return
		}
		to := strings.SplitN(c.Ref, "@", 2)[0] + tag
		edits, err := manifest.Rewrite(c.Fields, to)
		if err != nil {
			return
		}
		change := yamledit.Change{Doc: objects[at].Doc}
		for _, e := range edits {
			change.Scalars = append(change.Scalars, yamledit.Scalar{Path: inFile(objects[at], e.Path), Old: e.Old, New: e.New})
		}
		after, out := apply(t, file, change)
		if out.Err != nil {
			return
		}
		if bytes.Count(after, []byte("\n")) != bytes.Count(file, []byte("\n")) {
			t.Fatalf("lines came or went: %q, %q", file, after)
		}
		is := reread(t, file, after, objects, at, len(out.Shared) > 0)
		again := manifest.Images(is)
		if len(again) <= i || again[i].Name != c.Name {
			return // two names shared a scalar, and the edit made one of them no reference
		}
		if again[i].Ref != to {
			t.Fatalf("%q became %q: %s, not %s", file, after, again[i].Ref, to)
		}
	})
}

// FuzzPolicyInFile: a policy of any object can be changed in a file's bytes, or is refused. The
// object then has it, and is otherwise, as every other object, what it was.
func FuzzPolicyInFile(f *testing.F) {
	for _, row := range policyRows {
		policy := row.policy
		if policy == "" {
			policy = "automated"
		}
		f.Add([]byte(policyFile(row.notes)), uint(0), policy, row.value)
		f.Add([]byte(policyFile(row.notes)), uint(0), "tag.app", "semver:~1")
	}
	f.Add([]byte("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\"}}"), uint(0), "locked", "true")
	f.Add([]byte("apiVersion: v1\nkind: List\nitems:\n- &a\n  apiVersion: v1\n  kind: Pod\n  metadata: {name: a, annotations: {x: y,},}\n"), uint(0), "locked", "true")
	f.Fuzz(func(t *testing.T, file []byte, which uint, policy, value string) {
		objects, faults := manifest.Parse(file)
		if len(objects) == 0 || len(faults) > 0 {
			return
		}
		at := int(which % uint(len(objects)))
		before := decode(t, objects[at])
		edits, err := manifest.SetPolicy(before, policy, value)
		if err != nil {
			return
		}
		change := yamledit.Change{Doc: objects[at].Doc}
		for _, e := range edits {
			change.Entries = append(change.Entries, yamledit.Entry{Path: inFile(objects[at], []any{"metadata", "annotations"}), Key: e.Key, Value: e.Value, Delete: e.Delete})
		}
		after, out := apply(t, file, change)
		if out.Err != nil {
			return
		}
		is := reread(t, file, after, objects, at, false)
		if more, err := manifest.SetPolicy(is, policy, value); err != nil || len(more) > 0 {
			t.Fatalf("%q became %q, and there is more to do: %v, %v", file, after, more, err)
		}
		p := manifest.ReadPolicies(is)
		want := value == "true"
		container, tag := strings.CutPrefix(policy, "tag.")
		switch {
		case policy == "automated" && p.Automated != want, policy == "locked" && p.Locked != want,
			policy == "ignore" && p.Ignored != want, tag && p.Tags[container].Expr != value:
			t.Fatalf("%q became %q: %s is not %q", file, after, policy, value)
		}
		for _, e := range edits {
			without(before, e.Key)
			without(is, e.Key)
		}
		tidy(before)
		tidy(is)
		if !reflect.DeepEqual(before, is) {
			t.Fatalf("%q became %q: more than the policy changed", file, after)
		}
	})
}

func decode(t *testing.T, o manifest.Object) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(o.JSON))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatal(err)
	}
	return object
}

// inFile is a path from the top of the object's document.
func inFile(o manifest.Object, path []any) []any {
	if o.Item == nil {
		return path
	}
	return append([]any{"items", *o.Item}, path...)
}

func apply(t *testing.T, file []byte, change yamledit.Change) ([]byte, yamledit.Outcome) {
	t.Helper()
	after, outcomes, err := yamledit.Apply(file, []yamledit.Change{change})
	if err != nil {
		return file, yamledit.Outcome{Err: err} // yq reads less than Parse does
	}
	if outcomes[0].Err != nil && !bytes.Equal(file, after) {
		t.Fatalf("refused, and yet changed: %q, %q", file, after)
	}
	return after, outcomes[0]
}

// reread gives the edited object, having seen to it that the others are what they were.
func reread(t *testing.T, file, after []byte, objects []manifest.Object, at int, shared bool) map[string]any {
	t.Helper()
	again, faults := manifest.Parse(after)
	if len(faults) > 0 || len(again) != len(objects) {
		t.Fatalf("%q became %q: %d objects, %v", file, after, len(again), faults)
	}
	for i, o := range objects {
		if i != at && !bytes.Equal(o.JSON, again[i].JSON) && !(shared && o.Doc == objects[at].Doc) {
			t.Fatalf("%q became %q: another object is changed", file, after)
		}
	}
	return decode(t, again[at])
}

func without(object map[string]any, key string) {
	if meta, ok := object["metadata"].(map[string]any); ok {
		if notes, ok := meta["annotations"].(map[string]any); ok {
			delete(notes, key)
		}
	}
}

// tidy takes out annotations that are empty or null.
func tidy(object map[string]any) {
	if meta, ok := object["metadata"].(map[string]any); ok {
		if notes, ok := meta["annotations"].(map[string]any); meta["annotations"] == nil || ok && len(notes) == 0 {
			delete(meta, "annotations")
		}
	}
}
