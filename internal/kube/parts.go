package kube

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// inventoryFormat is the version of what stands in the ConfigMaps. One that a newer release wrote is
// not guessed at.
const inventoryFormat = "2"

// The keys of a ConfigMap's data. The main one names how many further ones there are, its shards.
//
// Entries are lines: {"source":…,"group":…,"version":…,"kind":…} begins a group, and each line
// [namespace, name, UID, applied, fields, key=value…] after it is one entry; empty strings at the end
// are left out. They are sorted, so that a change of one object is a change of one line.
const (
	keyFormat    = "format"
	keyCount     = "count" // of the entries in this ConfigMap
	keyEntries   = "entries"
	keySources   = "sources"   // main only, as what follows
	keyShards    = "shards"    // absent for none
	keyConfirmed = "confirmed" // absent for none
	keyLastRun   = "lastRun"   // absent for none
	keyClaim     = "claim"     // see Store.claim
	keyShard     = "shard"     // shards only: the number, from 1
)

// The API server takes 1 MiB of data in a ConfigMap. Entries are given a place for good, so a part is
// full before that: sources are noted beside the entries of the main one, and entries change their group.
const (
	maxPart   = 1 << 20
	fullPart  = 900_000
	maxShards = 99
)

// groupLine begins a group of entries that have this in common.
type groupLine struct {
	Source  string `json:"source"`
	Group   string `json:"group,omitempty"`
	Version string `json:"version,omitempty"`
	Kind    string `json:"kind"`
}

func groupOf(e *Entry) groupLine { return groupLine{e.Source, e.Group, e.Version, e.Kind} }

func (g groupLine) compare(other groupLine) int {
	return cmp.Or(cmp.Compare(g.Source, other.Source), cmp.Compare(g.Group, other.Group),
		cmp.Compare(g.Kind, other.Kind), cmp.Compare(g.Version, other.Version))
}

// columns is an entry as its line.
func (e *Entry) columns() []string {
	line := []string{e.Namespace, e.Name, e.UID, e.Applied, e.Fields}
	for key, value := range e.Extra {
		line = append(line, key+"="+value)
	}
	slices.Sort(line[5:])
	for len(e.Extra) == 0 && line[len(line)-1] == "" {
		line = line[:len(line)-1]
	}
	return line
}

// room is what an entry takes once all of it is known, in bytes: it is before the first change that
// there must be room, not after the last.
func (e *Entry) room() int {
	const uid, sum, quotes = 36, 22, 3
	bytes := len(e.Namespace) + len(e.Name) + max(len(e.UID), uid) + max(len(e.Applied), sum) + max(len(e.Fields), sum) + 5*quotes + 2
	for key, value := range e.Extra {
		bytes += len(key) + 1 + len(value) + quotes
	}
	return bytes
}

// encode gives the data of each ConfigMap, the main one first. The same inventory gives the same bytes.
func (inv *Inventory) encode() ([]map[string]string, error) {
	sources, err := json.Marshal(inv.Sources)
	if err != nil {
		return nil, err
	}
	parts := inv.place(len(sources))
	if len(parts) > maxShards+1 {
		return nil, &Error{Code: "inventory-full", Hint: "split the sources over several inventories (--inventory)",
			Err: fmt.Errorf("writing the inventory: %d objects are more than it can hold", len(inv.Entries))}
	}
	data := make([]map[string]string, len(parts))
	for n := range parts {
		entries := parts[n].entries
		text := encodeEntries(entries)
		data[n] = map[string]string{keyFormat: inventoryFormat, keyCount: strconv.Itoa(len(entries)), keyEntries: text}
		if n > 0 {
			data[n][keyShard] = strconv.Itoa(n)
		}
		if len(text) > maxPart {
			return nil, &Error{Code: "inventory-full", Hint: "split the sources over several inventories (--inventory)",
				Err: fmt.Errorf("writing the inventory: %d objects take %d bytes, the API server takes %d", len(entries), len(text), maxPart)}
		}
	}
	return data, inv.encodeMain(data, string(sources))
}

func (inv *Inventory) encodeMain(data []map[string]string, sources string) error {
	main := data[0]
	main[keySources] = sources
	if len(data) > 1 {
		main[keyShards] = strconv.Itoa(len(data) - 1)
	}
	if inv.Confirmed != "" {
		main[keyConfirmed] = inv.Confirmed
	}
	if inv.Last != nil {
		last, err := json.Marshal(inv.Last)
		if err != nil {
			return err
		}
		main[keyLastRun] = string(last)
	}
	return nil
}

// place gives each entry that has none yet a place in the first part that has room, and returns the
// entries of each part. An entry never moves: it would be twice in the inventory, or not at all,
// after a run that died in between.
func (inv *Inventory) place(sources int) []filling {
	if inv.places == nil {
		inv.places = map[ID]int{}
	}
	var parts []filling
	at := func(n int) *filling {
		for n >= len(parts) {
			parts = append(parts, filling{groups: map[groupLine]bool{}})
		}
		return &parts[n]
	}
	at(max(1, len(inv.parts)) - 1)
	at(0).size = sources
	entries := inv.sorted()
	for _, e := range entries {
		if n, placed := inv.places[e.ID]; placed {
			at(n).add(e)
		}
	}
	for _, e := range entries {
		if _, placed := inv.places[e.ID]; placed {
			continue
		}
		n := 0
		for n < len(parts) && at(n).with(e) > cmp.Or(inv.full, fullPart) {
			n++
		}
		inv.places[e.ID] = n
		at(n).add(e)
	}
	return parts
}

// filling is a part while it is filled.
type filling struct {
	entries []*Entry
	groups  map[groupLine]bool
	size    int // in bytes
}

// with is the size that it has with one more entry.
func (f *filling) with(e *Entry) int {
	g := groupOf(e)
	if f.groups[g] {
		return f.size + e.room()
	}
	const names = len(`{"source":"","group":"","version":"","kind":""}`) + 1
	return f.size + e.room() + len(g.Source) + len(g.Group) + len(g.Version) + len(g.Kind) + names
}

func (f *filling) add(e *Entry) {
	f.entries, f.size, f.groups[groupOf(e)] = append(f.entries, e), f.with(e), true
}

func encodeEntries(entries []*Entry) string {
	slices.SortFunc(entries, func(a, b *Entry) int { return cmp.Or(groupOf(a).compare(groupOf(b)), a.compare(b.ID)) })
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for i, e := range entries {
		// Strings are always encoded.
		if i == 0 || groupOf(e) != groupOf(entries[i-1]) {
			_ = lines.Encode(groupOf(e))
		}
		_ = lines.Encode(e.columns())
	}
	return text.String()
}

// decodeInventory reads the data of the ConfigMaps, the main one first. What does not parse is an
// error: an inventory that is not understood must not pass for an empty one.
func decodeInventory(data []map[string]string) (*Inventory, error) {
	inv := newInventory()
	inv.places = map[ID]int{}
	for n, part := range data {
		if format := part[keyFormat]; format != inventoryFormat {
			return nil, inPart(n, fmt.Errorf("its format is %q, this release knows %q", format, inventoryFormat))
		}
		if shard := part[keyShard]; n == 0 && shard != "" || n > 0 && shard != strconv.Itoa(n) {
			return nil, inPart(n, fmt.Errorf("it says that it is shard %q", shard))
		}
		if err := inv.decodeEntries(part, n); err != nil {
			return nil, inPart(n, err)
		}
	}
	main := data[0]
	if err := json.Unmarshal([]byte(main[keySources]), &inv.Sources); err != nil {
		return nil, fmt.Errorf("its sources: %w", err)
	}
	if inv.Sources == nil {
		inv.Sources = map[string]SourceState{}
	}
	if last := main[keyLastRun]; last != "" {
		if err := json.Unmarshal([]byte(last), &inv.Last); err != nil {
			return nil, fmt.Errorf("its last run: %w", err)
		}
	}
	inv.Confirmed = main[keyConfirmed]
	return inv, nil
}

func inPart(n int, err error) error {
	if n == 0 {
		return err
	}
	return fmt.Errorf("shard %d: %w", n, err)
}

// decodeEntries reads the entries of one part.
func (inv *Inventory) decodeEntries(data map[string]string, n int) error {
	var group groupLine
	count, line := 0, 0
	for text := range strings.Lines(data[keyEntries]) {
		line++
		if strings.HasPrefix(text, "{") {
			group = groupLine{}
			if err := json.Unmarshal([]byte(text), &group); err != nil {
				return fmt.Errorf("its line %d: %w", line, err)
			}
			continue
		}
		e, err := decodeEntry(text, group)
		if err != nil {
			return fmt.Errorf("its line %d: %w", line, err)
		}
		if inv.Entries[e.ID] != nil {
			return fmt.Errorf("its line %d comes twice: %s", line, e.ID)
		}
		inv.Entries[e.ID], inv.places[e.ID] = e, n
		count++
	}
	if want := data[keyCount]; want != strconv.Itoa(count) {
		return fmt.Errorf("it has %d entries and says that it has %q", count, want)
	}
	return nil
}

func decodeEntry(text string, group groupLine) (*Entry, error) {
	var columns []string
	if err := json.Unmarshal([]byte(text), &columns); err != nil {
		return nil, err
	}
	extras := columns[min(5, len(columns)):]
	columns = append(columns[:len(columns)-len(extras):len(columns)-len(extras)], make([]string, 5)...)
	e := &Entry{
		ID:      ID{group.Group, group.Kind, columns[0], columns[1]},
		Version: group.Version, Source: group.Source, UID: columns[2], Applied: columns[3], Fields: columns[4],
	}
	if e.Kind == "" || e.Name == "" {
		return nil, errors.New("it has no kind or name")
	}
	for _, extra := range extras {
		key, value, ok := strings.Cut(extra, "=")
		if !ok {
			return nil, fmt.Errorf("%q is no key=value", extra)
		}
		if e.Extra == nil {
			e.Extra = map[string]string{}
		}
		e.Extra[key] = value
	}
	return e, nil
}

// shardsOf is how many shards the data of a main ConfigMap names.
func shardsOf(data map[string]string) (int, error) {
	text, some := data[keyShards]
	if !some {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxShards {
		return 0, fmt.Errorf("%q is no number of shards", text)
	}
	return n, nil
}
