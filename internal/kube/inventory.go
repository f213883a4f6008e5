package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// inventoryFormat is the version of what stands in the ConfigMap. One that a newer release
// wrote is not guessed at.
const inventoryFormat = "1"

// The keys of the ConfigMap's data. Entries are one JSON line each, sorted, so that a change of
// one object is a change of one line, and so that they can be spread over several ConfigMaps.
const (
	keyFormat  = "format"
	keySources = "sources"
	keyEntries = "entries"
)

// maxInventory is the API server's limit for the data of one ConfigMap, in bytes.
const maxInventory = 1 << 20

// Entry is one object, or one release, that a tool holds in a cluster.
type Entry struct {
	ID
	// Version is the version of the API at which it was applied last.
	Version string
	// UID is empty while it is not known whether the object was made.
	UID string
	// Source is the source that it came from.
	Source string
	// Applied is the digest of what was applied last, Fields that of our own managedFields
	// entry after it. Both are empty while the outcome of an apply is not known.
	Applied string
	Fields  string
	// Extra holds what else a tool wants to remember.
	Extra map[string]string
}

// entryLine is an Entry as it is kept.
type entryLine struct {
	Group     string            `json:"group,omitempty"`
	Kind      string            `json:"kind"`
	Version   string            `json:"version,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Name      string            `json:"name"`
	UID       string            `json:"uid,omitempty"`
	Source    string            `json:"source"`
	Applied   string            `json:"applied,omitempty"`
	Fields    string            `json:"fields,omitempty"`
	Extra     map[string]string `json:"extra,omitempty"`
}

// SourceState is what an inventory remembers of a source.
type SourceState struct {
	// Fetched is the time at which the fetch began that was applied last. What was fetched
	// before is stale.
	Fetched time.Time `json:"fetched"`
	// Revision, Paths, Tool (the version of the program that read the source) and Skips (kinds
	// that were left out) say what was applied last as a whole; Manifests counts it. The same
	// input must bring the same number.
	Revision  string   `json:"revision,omitempty"`
	Paths     []string `json:"paths,omitempty"`
	Tool      string   `json:"tool,omitempty"`
	Skips     []string `json:"skips,omitempty"`
	Manifests int      `json:"manifests,omitempty"`
}

// sameInput says whether two runs had the same to read.
func (s SourceState) sameInput(other SourceState) bool {
	return s.Revision == other.Revision && s.Tool == other.Tool &&
		slices.Equal(s.Paths, other.Paths) && slices.Equal(s.Skips, other.Skips)
}

// Inventory is the list of what a tool holds in a cluster. Get one from [Store.Load].
type Inventory struct {
	Entries map[ID]*Entry
	Sources map[string]SourceState

	version  string            // resourceVersion; empty while there is no ConfigMap
	metadata configMapMetadata // of the ConfigMap
	stored   map[string]string // its data
}

// Held are the entries of a source, sorted.
func (inv *Inventory) Held(source string) []*Entry {
	var held []*Entry
	for _, entry := range inv.sorted() {
		if entry.Source == source {
			held = append(held, entry)
		}
	}
	return held
}

// Unheld are those of the sources of which it holds nothing.
func (inv *Inventory) Unheld(sources []string) []string {
	var unheld []string
	for _, source := range sources {
		if len(inv.Held(source)) == 0 {
			unheld = append(unheld, source)
		}
	}
	return unheld
}

func (inv *Inventory) sorted() []*Entry {
	return slices.SortedFunc(maps.Values(inv.Entries), func(a, b *Entry) int { return a.compare(b.ID) })
}

// encode writes the data of the ConfigMap. The same inventory gives the same bytes.
func (inv *Inventory) encode() (map[string]string, error) {
	var entries bytes.Buffer
	encoder := json.NewEncoder(&entries)
	encoder.SetEscapeHTML(false)
	for _, e := range inv.sorted() {
		err := encoder.Encode(entryLine{e.Group, e.Kind, e.Version, e.Namespace, e.Name, e.UID, e.Source, e.Applied, e.Fields, e.Extra})
		if err != nil {
			return nil, err
		}
	}
	sources, err := json.Marshal(inv.Sources)
	if err != nil {
		return nil, err
	}
	if size := entries.Len() + len(sources) + inv.toCome(); size > maxInventory {
		return nil, &Error{Code: "inventory-full", Hint: "split the sources over several inventories (--inventory)",
			Err: fmt.Errorf("writing the inventory: %d objects take %d bytes, the API server takes %d", len(inv.Entries), size, maxInventory)}
	}
	return map[string]string{keyFormat: inventoryFormat, keySources: string(sources), keyEntries: entries.String()}, nil
}

// toCome is what an inventory will grow by as what was written ahead becomes known, in bytes: it
// is before the first change that there must be room, not after the last.
func (inv *Inventory) toCome() int {
	const uid, sum = len(`,"uid":""`) + 36, len(`,"applied":""`) + 22
	bytes := 0
	for _, e := range inv.Entries {
		if e.UID == "" {
			bytes += uid
		}
		if e.Applied == "" {
			bytes += 2 * sum
		}
	}
	return bytes
}

// decodeInventory reads the data of the ConfigMap. What does not parse is an error: an
// inventory that is not understood must not pass for an empty one.
func decodeInventory(data map[string]string) (*Inventory, error) {
	inv := &Inventory{Entries: map[ID]*Entry{}, Sources: map[string]SourceState{}, stored: data}
	if format := data[keyFormat]; format != inventoryFormat {
		return nil, fmt.Errorf("its format is %q, this release knows %q", format, inventoryFormat)
	}
	if err := json.Unmarshal([]byte(data[keySources]), &inv.Sources); err != nil {
		return nil, fmt.Errorf("its sources: %w", err)
	}
	if inv.Sources == nil {
		inv.Sources = map[string]SourceState{}
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(data[keyEntries])))
	for n := 1; ; n++ {
		var l entryLine
		err := decoder.Decode(&l)
		if errors.Is(err, io.EOF) {
			return inv, nil
		}
		if err != nil {
			return nil, fmt.Errorf("its entry %d: %w", n, err)
		}
		if l.Kind == "" || l.Name == "" {
			return nil, fmt.Errorf("its entry %d has no kind or name", n)
		}
		id := ID{l.Group, l.Kind, l.Namespace, l.Name}
		if inv.Entries[id] != nil {
			return nil, fmt.Errorf("its entry %d comes twice: %s", n, id)
		}
		inv.Entries[id] = &Entry{ID: id, Version: l.Version, UID: l.UID, Source: l.Source, Applied: l.Applied, Fields: l.Fields, Extra: l.Extra}
	}
}
