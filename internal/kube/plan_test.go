package kube

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var servedKinds = &Kinds{versions: map[GroupKind][]*Resource{
	{"", "ConfigMap"}:      {{Version: "v1", Kind: "ConfigMap", Plural: "configmaps", Namespaced: true, Verbs: []string{"get", "list", "patch"}}},
	{"", "Namespace"}:      {{Version: "v1", Kind: "Namespace", Plural: "namespaces", Verbs: []string{"get", "list", "patch"}}},
	{"apps", "Deployment"}: {{Group: "apps", Version: "v1", Kind: "Deployment", Plural: "deployments", Namespaced: true, Verbs: []string{"get", "list", "patch"}}},
	crdKind:                {{Group: crdKind.Group, Version: "v1", Kind: crdKind.Kind, Plural: "customresourcedefinitions", Verbs: []string{"get", "list", "patch"}}},
}}

// ours is the store of an inventory that no test of decisions reads.
var ours = &Store{namespace: "ns", name: "default"}

func object(t testing.TB, source, kind, name string) *Object {
	t.Helper()
	version := "v1"
	if kind == "Deployment" {
		version = "apps/v1"
	}
	o, err := ParseObject(fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q,"metadata":{"name":%q}}`, version, kind, name), source)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// decideOne plans for the ConfigMap "a" of source "s", which the inventory and the cluster hold
// as given, nil for not at all.
func decideOne(t *testing.T, wanted bool, entry *Entry, found *live, change func(*Sync)) (*plan, *Sync) {
	t.Helper()
	s := &Sync{Store: ours, Prune: true, DefaultNamespace: "ns", Sources: []Source{{Name: "s", Whole: true}}}
	if wanted {
		s.Objects = []*Object{object(t, "s", "ConfigMap", "a")}
	}
	if change != nil {
		change(s)
	}
	id := ID{"", "ConfigMap", "ns", "a"}
	inv := &Inventory{Entries: map[ID]*Entry{}, Sources: map[string]SourceState{}}
	if entry != nil {
		e := *entry
		e.ID, e.Source = id, "s"
		inv.Entries[id] = &e
	}
	seen := &snapshot{objects: map[ID]*live{}, unseen: map[ID]error{}}
	if found != nil {
		seen.objects[id] = found
	}
	p := s.newPlan(servedKinds, inv)
	p.toLookAt(s)
	p.decideItems(s, seen)
	p.decideRest(s, seen)
	return p, s
}

// summary is the decision on the one object in a word.
func summary(p *plan) string {
	switch {
	case len(p.items) == 1 && p.items[0].apply:
		return "apply"
	case len(p.items) == 1:
		return string(p.items[0].done.Action)
	case len(p.prunes) == 1 && p.prunes[0].result == nil:
		return "delete"
	case len(p.prunes) == 1 && len(p.forget) == 1:
		return "forget"
	case len(p.prunes) == 1:
		return string(p.prunes[0].result.Action)
	case len(p.forget) == 1:
		return "gone"
	}
	return "nothing"
}

func TestDecisions(t *testing.T) {
	body, err := object(t, "s", "ConfigMap", "a").encode("ns", ours.Owner())
	if err != nil {
		t.Fatal(err)
	}
	known := &Entry{UID: "1", Applied: digest(body), Fields: "f"}
	for _, one := range []struct {
		name   string
		wanted bool
		entry  *Entry
		found  *live
		change func(*Sync)
		want   string
	}{
		{"as it is", true, known, &live{UID: "1", Fields: "f"}, nil, "unchanged"},
		{"new", true, nil, nil, nil, "apply"},
		{"there before us", true, nil, &live{UID: "1"}, nil, "apply"},
		{"gone from the cluster", true, known, nil, nil, "apply"},
		{"made anew by somebody", true, known, &live{UID: "2", Fields: "f"}, nil, "apply"},
		{"a field of ours was taken", true, known, &live{UID: "1", Fields: "g"}, nil, "apply"},
		{"another content", true, &Entry{UID: "1", Applied: "old", Fields: "f"}, &live{UID: "1", Fields: "f"}, nil, "apply"},
		{"an apply without outcome", true, &Entry{UID: "1"}, &live{UID: "1", Fields: "f"}, nil, "apply"},
		{"on its way out", true, known, &live{UID: "1", Fields: "f", Deleting: true}, nil, "failed"},
		{"ignored live", true, known, &live{UID: "1", Ignore: ignoreAll}, nil, "skipped"},
		{"sync only, live", true, known, &live{UID: "1", Fields: "g", Ignore: ignorePrune}, nil, "apply"},
		{"ours by its annotation", true, known, &live{UID: "1", Fields: "f", Owner: "ns/default"}, nil, "unchanged"},
		{"another inventory's", true, nil, &live{UID: "1", Owner: "ns/other"}, nil, "failed"},
		{"another inventory's, although it is in ours", true, known, &live{UID: "1", Fields: "f", Owner: "other/default"}, nil, "failed"},
		{"skipped kind", true, known, &live{UID: "1"}, func(s *Sync) { s.Skip = []GroupKind{{"", "ConfigMap"}} }, "skipped"},

		{"dropped", false, known, &live{UID: "1"}, nil, "delete"},
		{"dropped, gone", false, known, nil, nil, "gone"},
		{"dropped, made anew by somebody", false, known, &live{UID: "2"}, nil, "forget"},
		{"dropped, written ahead and made", false, &Entry{}, &live{UID: "3", Fields: "f", Owner: "ns/default"}, nil, "delete"},
		{"dropped, taken over and refused", false, &Entry{}, &live{UID: "3", Fields: "f"}, nil, "forget"},
		{"dropped, written ahead, made by somebody", false, &Entry{}, &live{UID: "3"}, nil, "forget"},
		{"dropped, another inventory's", false, known, &live{UID: "1", Owner: "ns/other"}, nil, "forget"},
		{"dropped, ours by the annotation alone", false, &Entry{}, &live{UID: "3", Owner: "ns/default"}, nil, "forget"},
		{"dropped, ignored live", false, known, &live{UID: "1", Ignore: ignoreAll}, nil, "skipped"},
		{"dropped, sync only", false, known, &live{UID: "1", Ignore: ignorePrune}, nil, "skipped"},
		{"dropped, on its way out", false, known, &live{UID: "1", Deleting: true}, nil, "skipped"},
		{"dropped, no --prune", false, known, &live{UID: "1"}, func(s *Sync) { s.Prune = false }, "nothing"},
		{"dropped, source not whole", false, known, &live{UID: "1"}, func(s *Sync) { s.Sources[0].Whole = false }, "held"},
		{"dropped, source not here", false, known, &live{UID: "1"}, func(s *Sync) { s.Sources[0].Name = "t" }, "nothing"},
		{"source dropped", false, known, &live{UID: "1"}, func(s *Sync) { s.Sources, s.Dropped = nil, []string{"s"} }, "delete"},
		{"dropped, skipped kind", false, known, &live{UID: "1"}, func(s *Sync) { s.Skip = []GroupKind{{"", "ConfigMap"}} }, "nothing"},
	} {
		p, _ := decideOne(t, one.wanted, one.entry, one.found, one.change)
		if got := summary(p); got != one.want {
			t.Errorf("%s: %s, want %s", one.name, got, one.want)
		}
		writes := one.want == "apply" || one.want == "delete" || one.want == "forget" || one.want == "gone"
		if p.quiet() == writes {
			t.Errorf("%s: quiet %v", one.name, p.quiet())
		}
	}
}

func TestPruneOrderIsReverse(t *testing.T) {
	inv := &Inventory{Entries: map[ID]*Entry{}, Sources: map[string]SourceState{}}
	for _, id := range []ID{{"", "ConfigMap", "ns", "a"}, {"apps", "Deployment", "ns", "b"}, {"", "Namespace", "", "ns"}, {"gone.example.com", "Lamp", "ns", "c"}} {
		inv.Entries[id] = &Entry{ID: id, UID: "1", Source: "s"}
	}
	s := &Sync{Prune: true, Sources: []Source{{Name: "s", Whole: true}}}
	p := s.newPlan(servedKinds, inv)
	var got []string
	for _, r := range p.unwanted(s) {
		word := "delete"
		if r.result != nil {
			word = r.result.Message
		}
		got = append(got, r.entry.Kind+": "+word)
	}
	want := "ConfigMap: delete, Deployment: delete, Namespace: not pruned: a Namespace takes others' objects or data with it; it has to be asked for by kind, " +
		"Lamp: not pruned: the cluster does not serve its kind; the inventory keeps it"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestRefusals(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 20, 12, minute, 0, 0, time.UTC) }
	before := SourceState{Fetched: at(10), Revision: "r", Tool: "v1", Manifests: 5}
	for _, one := range []struct {
		name   string
		now    SourceState
		whole  bool
		change func(*Sync)
		want   string
	}{
		{"the same again", SourceState{Fetched: at(11), Revision: "r", Tool: "v1", Manifests: 5}, true, nil, ""},
		{"the very same stream", before, true, nil, ""},
		{"earlier", SourceState{Fetched: at(9), Revision: "q"}, true, nil, "stale"},
		{"earlier, not whole", SourceState{Fetched: at(9), Revision: "q"}, false, nil, "stale"},
		{"earlier, on purpose", SourceState{Fetched: at(9), Revision: "q"}, true, func(s *Sync) { s.Replay = true }, ""},
		{"no time", SourceState{Revision: "q"}, true, nil, ""},
		{"fewer", SourceState{Fetched: at(11), Revision: "r", Tool: "v1", Manifests: 4}, true, nil, "fewer"},
		{"more", SourceState{Fetched: at(11), Revision: "r", Tool: "v1", Manifests: 6}, true, nil, ""},
		{"fewer, on purpose", SourceState{Fetched: at(11), Revision: "r", Tool: "v1", Manifests: 4}, true, func(s *Sync) { s.AllowFewer = true }, ""},
		{"fewer, without --prune", SourceState{Fetched: at(11), Revision: "r", Tool: "v1", Manifests: 4}, true, func(s *Sync) { s.Prune = false }, ""},
		{"fewer, not whole", SourceState{Fetched: at(11), Revision: "r", Tool: "v1", Manifests: 4}, false, nil, ""},
		{"fewer, other commit", SourceState{Fetched: at(11), Revision: "q", Tool: "v1", Manifests: 4}, true, nil, ""},
		{"fewer, other paths", SourceState{Fetched: at(11), Revision: "r", Tool: "v1", Paths: []string{"a"}, Manifests: 4}, true, nil, ""},
		{"fewer, other skips", SourceState{Fetched: at(11), Revision: "r", Tool: "v1", Skips: []string{"A"}, Manifests: 4}, true, nil, ""},
		{"fewer, other tool", SourceState{Fetched: at(11), Revision: "r", Tool: "v2", Manifests: 4}, true, nil, ""},
	} {
		s := &Sync{Prune: true, Sources: []Source{{Name: "s", Whole: one.whole, State: one.now}}}
		if one.change != nil {
			one.change(s)
		}
		err := s.checkSources(&Inventory{Sources: map[string]SourceState{"s": before}})
		code := ""
		if err != nil {
			code, _ = Explain(err)
		}
		if code != one.want {
			t.Errorf("%s: %q (%v), want %q", one.name, code, err, one.want)
		}
	}
}
