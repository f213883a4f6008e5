package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// status is an inventory as it is printed.
type status struct {
	Inventory string         `json:"inventory"`
	Namespace string         `json:"namespace"`
	Objects   int            `json:"objects"`
	Sources   []sourceStatus `json:"sources"`
	LastRun   *kube.LastRun  `json:"lastRun,omitempty"`
	Confirmed string         `json:"confirmed,omitempty"`
}

type sourceStatus struct {
	Name     string         `json:"name"`
	Revision string         `json:"revision,omitempty"`
	Fetched  time.Time      `json:"fetched,omitzero"`
	Objects  map[string]int `json:"objects"` // by kind
}

func (w Words) status(ctx context.Context, s *stage.IO, c *cli.Context, load Loader) error {
	o, store, err := w.open(s, c, load)
	if err != nil {
		return Failure(s, err)
	}
	inv, err := store.Load(ctx)
	if err == nil && !inv.Exists() {
		err = store.Absent()
	}
	if err != nil {
		return Failure(s, err)
	}
	found := statusOf(inv)
	found.Inventory, found.Namespace = o.Inventory, o.InventoryNamespace
	text := found.table(w.Things)
	if c.String("output") == "json" {
		line, err := json.Marshal(found)
		if err != nil {
			return err
		}
		text = string(line) + "\n"
	}
	return s.Plain(text)
}

func statusOf(inv *kube.Inventory) status {
	found := status{Objects: len(inv.Entries), Sources: []sourceStatus{}, LastRun: inv.Last, Confirmed: inv.Confirmed}
	names := map[string]bool{}
	for name := range inv.Sources {
		names[name] = true
	}
	for _, entry := range inv.Entries {
		names[entry.Source] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		source := sourceStatus{Name: name, Revision: inv.Sources[name].Revision, Fetched: inv.Sources[name].Fetched, Objects: map[string]int{}}
		for _, entry := range inv.Held(name) {
			source.Objects[entry.GroupKind().String()]++
		}
		found.Sources = append(found.Sources, source)
	}
	return found
}

// table is for people.
func (st status) table(things string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "inventory %s/%s holds %d %s\n", st.Namespace, st.Inventory, st.Objects, things)
	if last := st.LastRun; last != nil {
		run := ""
		if last.Run != "" {
			run = " (" + printable(last.Run) + ")"
		}
		fmt.Fprintf(&text, "the last run that changed something ended at %s%s: %s\n", last.Ended.UTC().Format(time.RFC3339), run, counts(last.Counts))
	}
	if st.Confirmed != "" {
		fmt.Fprintf(&text, "plan %s is confirmed, and no run has come to it yet\n", printable(st.Confirmed))
	}
	if len(st.Sources) == 0 {
		return text.String()
	}
	text.WriteString("\n")
	tabs := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tabs, "SOURCE\tREVISION\tFETCHED\t"+strings.ToUpper(things))
	for _, source := range st.Sources {
		fetched := "-"
		if !source.Fetched.IsZero() {
			fetched = source.Fetched.UTC().Format(time.RFC3339)
		}
		revision := source.Revision
		if revision == "" {
			revision = "-"
		}
		fmt.Fprintf(tabs, "%s\t%.12s\t%s\t%s\n", printable(source.Name), printable(revision), fetched, printable(counts(source.Objects)))
	}
	tabs.Flush()
	return text.String()
}

// counts are numbers with their words, by word.
func counts(by map[string]int) string {
	var parts []string
	for _, word := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%d %s", by[word], word))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// printable keeps what stands in an inventory from breaking the table or commanding the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
