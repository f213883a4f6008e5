package kube

import (
	"maps"
	"slices"
	"strings"
	"time"
)

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

// Keys of Extra, of kapply's entries.
const (
	extraKeep    = "keep"    // not empty: its annotations say that it is not to be pruned
	extraRefused = "refused" // digest of what the API server refused last
)

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

// LastRun is the last run that changed something.
type LastRun struct {
	// Ended is when, by the clock of the machine that it ran on; Run is its id, empty for none.
	Ended time.Time `json:"ended"`
	Run   string    `json:"run,omitempty"`
	// Counts are how many objects came to which end.
	Counts map[string]int `json:"counts,omitempty"`
}

// Inventory is the list of what a tool holds in a cluster. Get one from [Store.Load].
type Inventory struct {
	Entries map[ID]*Entry
	Sources map[string]SourceState
	// Confirmed is the digest of a plan of deletions that a person has confirmed, until a run has
	// carried it out; empty for none. See [Brake].
	Confirmed string
	// Last is nil before there was one.
	Last *LastRun

	parts  []*part    // the ConfigMaps that it is kept in, the main one first; empty before there is one
	places map[ID]int // the part that an entry is kept in, for good
	full   int        // see Store
}

// part is one of the ConfigMaps.
type part struct {
	metadata configMapMetadata // without a resourceVersion while the ConfigMap is not there
	stored   map[string]string // its data
}

func newInventory() *Inventory {
	return &Inventory{Entries: map[ID]*Entry{}, Sources: map[string]SourceState{}}
}

// Exists says whether it is kept already.
func (inv *Inventory) Exists() bool { return len(inv.parts) > 0 }

// version changes whenever somebody writes the inventory.
func (inv *Inventory) version() string {
	var versions []string
	for _, p := range inv.parts {
		versions = append(versions, p.metadata.ResourceVersion)
	}
	return strings.Join(versions, " ")
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
