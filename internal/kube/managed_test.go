package kube

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func entryOf(manager, operation, fields string) managed {
	return managed{Manager: manager, Operation: operation, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: json.RawMessage(fields)}
}

func TestFieldsThatDiffer(t *testing.T) {
	for _, one := range []struct{ after, before, want string }{
		{`{"f:data":{"f:a":{},"f:b":{}}}`, `{"f:data":{"f:a":{}}}`, ".data.b"},
		{`{"f:data":{"f:a":{}}}`, `{"f:data":{"f:a":{}}}`, ""},
		{`{"f:data":{"f:a":{}}}`, ``, ".data.a"},
		{`{"f:data":{".":{},"f:a":{}}}`, `{}`, ".data"},
		{`{"f:metadata":{"f:labels":{"f:app.kubernetes.io/name":{}}}}`, `{"f:metadata":{}}`, ".metadata.labels.app.kubernetes.io/name"},
		{`{"f:c":{"k:{\"name\":\"web\"}":{".":{},"f:name":{},"f:image":{}}}}`, `{"f:c":{"k:{\"name\":\"web\"}":{".":{},"f:name":{}}}}`, `.c[name="web"].image`},
		{`{"f:c":{"k:{\"name\":\"web\"}":{".":{},"f:name":{}}}}`, `{"f:c":{}}`, `.c[name="web"]`},
		{`{"f:p":{"k:{\"protocol\":\"TCP\",\"containerPort\":80}":{"f:name":{}}}}`, `{}`, `.p[containerPort=80,protocol="TCP"].name`},
		{`{"f:finalizers":{"v:\"example.com/x\"":{}},"f:l":{"i:0":{}}}`, `{}`, `.finalizers[="example.com/x"] .l[0]`},
		{`not JSON`, `{}`, ""},
	} {
		var found []string
		for _, path := range entryOf("a", "Apply", one.after).fields().without(entryOf("a", "Apply", one.before).fields()) {
			found = append(found, path.String())
		}
		if got := strings.Join(found, " "); got != one.want {
			t.Errorf("%s without %s: %s, want %s", one.after, one.before, got, one.want)
		}
	}
}

func TestDriftNamesTheLastToSetAField(t *testing.T) {
	after := []managed{entryOf(Manager, "Apply", `{"f:data":{"f:a":{},"f:b":{},"f:c":{},"f:d":{}}}`)}
	early, late := entryOf("early", "Update", `{"f:data":{"f:a":{},"f:c":{}}}`), entryOf("late", "Apply", `{"f:data":{"f:a":{}}}`)
	early.Time, late.Time = "2026-11-20T12:00:00Z", "2026-11-20T12:00:01Z"
	for _, before := range [][]managed{
		{entryOf(Manager, "Apply", `{"f:data":{"f:d":{}}}`), early, late},
		{late, early, entryOf(Manager, "Apply", `{"f:data":{"f:d":{}}}`)},
	} {
		drift := driftBetween(before, after)
		want := []Drift{{"", []string{".data.b"}}, {"early", []string{".data.c"}}, {"late", []string{".data.a"}}}
		if !reflect.DeepEqual(drift, want) {
			t.Errorf("got %v, want %v", drift, want)
		}
		if got := describeDrift(drift); got != "brought back .data.b that had been removed; took back .data.c of early; took back .data.a of late" {
			t.Error(got)
		}
	}
	if drift := driftBetween(after, after); drift != nil {
		t.Errorf("nothing has changed, and drifted: %v", drift)
	}
	if got := few(strings.Split("abcdefg", "")); got != "a, b, c, d, e and 2 more" {
		t.Error(got)
	}
}

func TestTakenOver(t *testing.T) {
	apply := entryOf("kubectl-client-side-apply", "Update", `{"f:data":{"f:a":{}}}`)
	annotated := entryOf("fluxd", "Update", `{"f:metadata":{"f:annotations":{".":{},"f:`+lastApplied+`":{}}}}`)
	old := entryOf("kubectl-client-side-apply", "Update", `{"f:data":{"f:old":{}}}`)
	old.APIVersion = "v1beta1"
	status := entryOf("kubectl-client-side-apply", "Update", `{"f:status":{}}`)
	status.Subresource = "status"
	edit, mine := entryOf("kubectl-edit", "Update", `{"f:data":{"f:b":{}}}`), entryOf(Manager, "Apply", `{"f:data":{"f:c":{}}}`)
	for _, one := range []struct {
		entries []managed
		from    string
		fields  string
		left    string
	}{
		{[]managed{apply, edit}, "[kubectl-client-side-apply]", `{"f:data":{"f:a":{}}}`, "kubectl-edit sluice"},
		{[]managed{edit, mine, apply, old}, "[kubectl-client-side-apply]", `{"f:data":{"f:a":{},"f:c":{}}}`, "kubectl-edit sluice"},
		{[]managed{annotated, apply, status}, "[fluxd kubectl-client-side-apply]", `{"f:data":{"f:a":{}},"f:metadata":{"f:annotations":{".":{},"f:` + lastApplied + `":{}}}}`, "kubectl-client-side-apply sluice"},
		{[]managed{edit, mine, status}, "[]", "", ""},
	} {
		from := clientSideManagers(one.entries)
		if fmt.Sprint(from) != one.from {
			t.Errorf("%v: applied client-side by %v, want %s", one.entries, from, one.from)
		}
		if from == nil {
			continue
		}
		entries, err := takenOver(one.entries)
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, e := range entries {
			left = append(left, e.Manager)
			if e.ours() && string(e.FieldsV1) != one.fields {
				t.Errorf("ours are %s, want %s", e.FieldsV1, one.fields)
			}
		}
		if got := strings.Join(left, " "); got != one.left || clientSideManagers(entries) != nil {
			t.Errorf("left are %s, want %s", got, one.left)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"f:data":{".":{},"f:a":{},"k:{\"n\":1}":{"v:\"x\"":{}}}}`, `{"f:data":{}}`)
	f.Add(`{"":{}}`, `null`)
	f.Add(`{"k:{":{},"i:0":null}`, `[]`)
	f.Fuzz(func(t *testing.T, one, other string) {
		a, b := entryOf("a", "Apply", one).fields(), entryOf("b", "Apply", other).fields()
		for _, path := range a.without(b) {
			_ = path.String()
			if !a.has(path) || b.has(path) {
				t.Errorf("%q is said to be in %s and not in %s", path, one, other)
			}
		}
		if rest := a.without(a.union(b)); rest != nil {
			t.Errorf("%s: a union lacks %v", one, rest)
		}
	})
}
