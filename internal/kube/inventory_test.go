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
	inv.Confirmed = "0123456789abcdef0123"
	inv.Last = &LastRun{Ended: time.Date(2026, 11, 20, 12, 1, 0, 0, time.UTC), Run: "r1", Counts: map[string]int{"created": 2}}
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
	want := sample()
	if !reflect.DeepEqual(again.Entries, want.Entries) || !reflect.DeepEqual(again.Sources, want.Sources) {
		t.Errorf("got %v %v", again.Entries, again.Sources)
	}
	if again.Confirmed != want.Confirmed || !reflect.DeepEqual(again.Last, want.Last) {
		t.Errorf("got %v %v", again.Confirmed, again.Last)
	}
	for range 20 {
		same, err := sample().encode()
		if err != nil || !reflect.DeepEqual(same, data) {
			t.Fatalf("the same inventory gives other bytes: %v %v", same, err)
		}
	}
	lines := `{"source":"config","version":"v1","kind":"Namespace"}
["","demo"]
{"source":"config","group":"apps","version":"v1","kind":"Deployment"}
["demo","web","1","x","y"]
{"source":"other","group":"helm.fluxcd.io","kind":"HelmRelease"}
["demo","podinfo","2","","","release=podinfo <&>"]
`
	if data[0][keyEntries] != lines || data[0][keyCount] != "3" {
		t.Errorf("%s entries:\n%s", data[0][keyCount], data[0][keyEntries])
	}
	if held := again.Held("config"); len(held) != 2 || held[0].Kind != "Namespace" {
		t.Errorf("held: %v", held)
	}
}

func TestInventoryThatIsNotUnderstood(t *testing.T) {
	group := `{"source":"s","kind":"A"}` + "\n"
	main := func(change ...string) []map[string]string {
		data := map[string]string{keyFormat: inventoryFormat, keySources: "{}", keyEntries: "", keyCount: "0"}
		for i := 0; i < len(change); i += 2 {
			data[change[i]] = change[i+1]
		}
		return []map[string]string{data}
	}
	if _, err := decodeInventory(main()); err != nil {
		t.Fatalf("an empty one: %v", err)
	}
	for name, data := range map[string][]map[string]string{
		"nothing":             {nil},
		"another format":      main(keyFormat, "3"),
		"an earlier format":   main(keyFormat, "1"),
		"no sources":          main(keySources, ""),
		"sources cut short":   main(keySources, `{"a":`),
		"no count":            main(keyCount, ""),
		"an entry lost":       main(keyCount, "2", keyEntries, group+`["","a"]`),
		"entry cut short":     main(keyCount, "2", keyEntries, group+`["","a"]`+"\n"+`["","b`),
		"entry without name":  main(keyCount, "1", keyEntries, group+`[""]`),
		"entry without group": main(keyCount, "1", keyEntries, `["","a"]`),
		"entry twice":         main(keyCount, "2", keyEntries, group+`["","a"]`+"\n"+`["","a"]`),
		"extra without value": main(keyCount, "1", keyEntries, group+`["","a","","","","b"]`),
		"last run cut short":  main(keyLastRun, "{"),
		"a shard":             main(keyShard, "1"),
		"an empty shard":      append(main(), map[string]string{}),
		"not that shard":      append(main(), main(keyShard, "2")...),
		"entry in two shards": append(main(keyCount, "1", keyEntries, group+`["","a"]`), main(keyShard, "1", keyCount, "1", keyEntries, group+`["","a"]`)...),
	} {
		if inv, err := decodeInventory(data); err == nil {
			t.Errorf("%s: read as %v", name, inv.Entries)
		}
	}
	for _, text := range []string{"", "0", "-1", "x", "100"} {
		if n, err := shardsOf(map[string]string{keyShards: text}); err == nil {
			t.Errorf("%q shards are %d", text, n)
		}
	}
}

// many are objects as they are found in the field.
func many(n int) *Inventory {
	inv := newInventory()
	inv.Sources["config"] = SourceState{Revision: strings.Repeat("1", 40), Manifests: n}
	for i := range n {
		kind := []ID{{"apps", "Deployment", "", ""}, {"", "Service", "", ""}, {"", "ConfigMap", "", ""}, {"", "ServiceAccount", "", ""}}[i%4]
		id := ID{kind.Group, kind.Kind, fmt.Sprintf("team-%d-production", i%20), fmt.Sprintf("checkout-service-%d-worker", i)}
		inv.Entries[id] = &Entry{ID: id, Version: "v1", Source: "config"}
	}
	return inv
}

func settled(inv *Inventory) *Inventory {
	for _, e := range inv.Entries {
		e.UID, e.Applied, e.Fields = "0f7b3f0e-9d0e-4bb5-8f5e-6a4f5a1f2d3c", digest(), digest()
	}
	return inv
}

// What is written ahead has room for what becomes known later, so that nothing has to move.
func TestInventorySizes(t *testing.T) {
	for _, one := range []struct{ objects, parts int }{{1000, 1}, {5000, 1}, {10000, 2}, {20000, 4}} {
		inv := many(one.objects)
		ahead, err := inv.encode()
		if err != nil || len(ahead) != one.parts {
			t.Errorf("%d objects take %d ConfigMaps (%v), want %d", one.objects, len(ahead), err, one.parts)
		}
		after, err := settled(inv).encode()
		if err != nil || len(after) != len(ahead) {
			t.Errorf("%d objects take %d ConfigMaps (%v) once they are known, and %d before", one.objects, len(after), err, len(ahead))
		}
		for n := range after {
			if after[n][keyCount] != ahead[n][keyCount] || len(after[n][keyEntries]) > fullPart {
				t.Errorf("%d objects: part %d holds %s, then %s, in %d bytes", one.objects, n, ahead[n][keyCount], after[n][keyCount], len(after[n][keyEntries]))
			}
		}
	}
	var full *Error
	inv := many(500)
	inv.full = 600
	if _, err := inv.encode(); !errors.As(err, &full) || full.Code != "inventory-full" {
		t.Errorf("too much for %d shards: %v", maxShards, err)
	}
}

func TestEntriesKeepTheirPlace(t *testing.T) {
	inv := many(40)
	inv.full = 2000
	first, err := inv.encode()
	if err != nil || len(first) < 3 {
		t.Fatalf("%d parts, %v", len(first), err)
	}
	places := maps.Clone(inv.places)
	for _, e := range inv.sorted()[:10] {
		delete(inv.Entries, e.ID)
	}
	for id, e := range many(44).Entries {
		if inv.Entries[id] == nil && places[id] == 0 && len(inv.Entries) < 41 {
			inv.Entries[id] = e
		}
	}
	next, err := inv.encode()
	if err != nil || len(next) != len(first) {
		t.Fatalf("%d parts, %v", len(next), err)
	}
	inv, err = decodeInventory(next)
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range inv.places {
		if was, had := places[id]; had && was != n {
			t.Errorf("%v moves from part %d to %d", id, was, n)
		}
	}
}

func FuzzInventory(f *testing.F) {
	data, err := sample().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[0][keySources], data[0][keyEntries], data[0][keyCount])
	f.Add("{}", "", "0")
	f.Add(`{"a":{"fetched":"2026-11-20T12:00:00Z"}}`, `{"kind":"A"}`+"\n"+`["","a","","","","b=c"]`, "1")
	f.Add("null", "null", "1")
	f.Fuzz(func(t *testing.T, sources, entries, count string) {
		inv, err := decodeInventory([]map[string]string{{keyFormat: inventoryFormat, keySources: sources, keyEntries: entries, keyCount: count}})
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
		if !reflect.DeepEqual(again.Entries, inv.Entries) || len(again.Sources) != len(inv.Sources) {
			t.Fatalf("%v and %d sources became %v and %d", inv.Entries, len(inv.Sources), again.Entries, len(again.Sources))
		}
	})
}
