package kube

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sample() *Inventory {
	inv := &Inventory{Entries: map[ID]*Entry{}, Sources: map[string]SourceState{
		"config": {Fetched: time.Date(2026, 11, 20, 12, 0, 0, 123000, time.UTC), Revision: "abc", Paths: []string{"a", "b"}, Tool: "git-fetch v1", Skips: []string{"Secret"}, Manifests: 3},
	}}
	for _, e := range []Entry{
		{ID: ID{"apps", "Deployment", "demo", "web"}, Version: "v1", UID: "1", Source: "config", Applied: "x", Fields: "y"},
		{ID: ID{"", "Namespace", "", "demo"}, Version: "v1", Source: "config"},
		{ID: ID{"helm.fluxcd.io", "HelmRelease", "demo", "podinfo"}, UID: "2", Source: "other", Extra: map[string]string{"release": "podinfo <&>"}},
	} {
		inv.Entries[e.ID] = &e
	}
	return inv
}

func TestInventoryRoundTrip(t *testing.T) {
	data, err := sample().encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := decodeInventory(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Entries, sample().Entries) || !reflect.DeepEqual(again.Sources, sample().Sources) {
		t.Errorf("got %v %v", again.Entries, again.Sources)
	}
	for range 20 {
		same, err := sample().encode()
		if err != nil || !maps.Equal(same, data) {
			t.Fatalf("the same inventory gives other bytes: %v %v", same, err)
		}
	}
	if lines := strings.Count(data[keyEntries], "\n"); lines != 3 {
		t.Errorf("%d lines for 3 entries", lines)
	}
	if held := again.Held("config"); len(held) != 2 || held[0].Kind != "Namespace" {
		t.Errorf("held: %v", held)
	}
}

func TestInventoryThatIsNotUnderstood(t *testing.T) {
	for name, data := range map[string]map[string]string{
		"nothing":            nil,
		"another format":     {keyFormat: "2", keySources: "{}", keyEntries: ""},
		"no sources":         {keyFormat: "1", keyEntries: ""},
		"sources cut short":  {keyFormat: "1", keySources: `{"a":`, keyEntries: ""},
		"entry cut short":    {keyFormat: "1", keySources: "{}", keyEntries: `{"kind":"A","name":"a"}` + "\n" + `{"kind":`},
		"entry without name": {keyFormat: "1", keySources: "{}", keyEntries: `{"kind":"A"}`},
		"entry twice":        {keyFormat: "1", keySources: "{}", keyEntries: `{"kind":"A","name":"a"}{"kind":"A","name":"a"}`},
	} {
		if inv, err := decodeInventory(data); err == nil {
			t.Errorf("%s: read as %v", name, inv.Entries)
		}
	}
}

// What does not fit is refused before the first change, when UIDs and digests are yet to come.
func TestInventoryFullIsSeenAhead(t *testing.T) {
	ahead := &Inventory{Entries: map[ID]*Entry{}, Sources: map[string]SourceState{}}
	settled := &Inventory{Entries: map[ID]*Entry{}, Sources: map[string]SourceState{}}
	for n := range 10000 {
		id := ID{"apps", "Deployment", "some-namespace", fmt.Sprintf("object-%05d", n)}
		ahead.Entries[id] = &Entry{ID: id, Version: "v1", Source: "config"}
		settled.Entries[id] = &Entry{ID: id, Version: "v1", Source: "config", UID: strings.Repeat("u", 36), Applied: digest(), Fields: digest()}
		if n%100 > 0 {
			continue
		}
		_, before := ahead.encode()
		_, after := settled.encode()
		if (before == nil) != (after == nil) {
			t.Fatalf("%d objects: ahead %v, settled %v", n+1, before, after)
		}
		var full *Error
		if errors.As(before, &full) {
			if full.Code != "inventory-full" || n < 3000 {
				t.Errorf("full at %d objects: %v", n, full)
			}
			return
		}
	}
	t.Error("never full")
}

func FuzzInventory(f *testing.F) {
	data, err := sample().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[keySources], data[keyEntries])
	f.Add("{}", "")
	f.Add(`{"a":{"fetched":"2026-11-20T12:00:00Z"}}`, `{"kind":"A","name":"a","extra":{"b":"c"}}`)
	f.Add("null", "null")
	f.Fuzz(func(t *testing.T, sources, entries string) {
		inv, err := decodeInventory(map[string]string{keyFormat: inventoryFormat, keySources: sources, keyEntries: entries})
		if err != nil {
			return
		}
		data, err := inv.encode()
		if err != nil {
			return // times that JSON cannot hold
		}
		again, err := decodeInventory(data)
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%v", err, data)
		}
		if len(again.Entries) != len(inv.Entries) || len(again.Sources) != len(inv.Sources) {
			t.Fatalf("%d entries and %d sources became %d and %d", len(inv.Entries), len(inv.Sources), len(again.Entries), len(again.Sources))
		}
	})
}
