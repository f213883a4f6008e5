package stage

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

// table shows records to a person: a block of columns for each run of records of one type.
type table struct {
	w       io.Writer
	kind    jsonl.Type
	aligned bytes.Buffer
	tabs    *tabwriter.Writer
}

var headings = map[jsonl.Type]string{
	jsonl.TypeSource:   "SOURCE\tBRANCH\tREVISION\tURL",
	jsonl.TypeManifest: "OBJECT\tSOURCE\tFILE",
	jsonl.TypeImage:    "OBJECT\tCONTAINER\tIMAGE\tPOLICY\tTAGS",
	jsonl.TypePick:     "OBJECT\tCONTAINER\tFROM\tTO\tREASON",
	jsonl.TypeCommit:   "SOURCE\tBRANCH\tCOMMIT\tEDIT",
	jsonl.TypeApply:    "ACTION\tOBJECT\tSOURCE\tMESSAGE",
	jsonl.TypeRelease:  "ACTION\tRELEASE\tNAMESPACE\tCHART\tREVISION\tMESSAGE",
	candidates:         "TAG\tVERDICT\tCREATED\tMESSAGE",
}

// candidates is the block of a pick that explains itself; no record has this type.
const candidates jsonl.Type = "candidates"

func (t *table) add(kind jsonl.Type, line []byte) error {
	rows, err := rows(kind, line)
	if err != nil {
		return err
	}
	if err := t.block(kind, rows); err != nil || kind != jsonl.TypePick {
		return err
	}
	explained, err := row(line, candidateRows)
	if err != nil {
		return err
	}
	return t.block(candidates, explained)
}

func (t *table) block(kind jsonl.Type, rows []string) error {
	if len(rows) == 0 {
		return nil
	}
	if kind != t.kind {
		if err := t.flush(); err != nil {
			return err
		}
		if t.kind != "" {
			fmt.Fprintln(t.w)
		}
		t.kind, t.tabs = kind, tabwriter.NewWriter(&t.aligned, 0, 0, 2, ' ', 0)
		if heading := headings[kind]; heading != "" {
			fmt.Fprintln(t.tabs, heading)
		}
	}
	for _, row := range rows {
		fmt.Fprintln(t.tabs, row)
	}
	return nil
}

// flush writes the block, without the blanks by which empty last cells were aligned.
func (t *table) flush() error {
	if t.tabs == nil {
		return nil
	}
	t.tabs.Flush()
	for line := range strings.Lines(t.aligned.String()) {
		if _, err := fmt.Fprintln(t.w, strings.TrimRight(line, " \n")); err != nil {
			return fmt.Errorf("writing the table: %w", err)
		}
	}
	t.aligned.Reset()
	return nil
}

// rows are the cells of a record, tab-separated. Errors have been said on stderr.
func rows(kind jsonl.Type, line []byte) ([]string, error) {
	switch kind {
	case jsonl.TypeSource:
		return row(line, func(r jsonl.Source) []string {
			return []string{cells(r.Name, r.Branch, short(r.Revision), r.URL)}
		})
	case jsonl.TypeManifest:
		return row(line, func(r jsonl.Manifest) []string {
			return []string{cells(r.ID, r.Source, fmt.Sprintf("%s:%d", r.File, r.Line))}
		})
	case jsonl.TypeImage:
		return row(line, func(r jsonl.Image) []string {
			return []string{cells(r.ID, r.Container, r.Ref, r.Policy, tagCell(r))}
		})
	case jsonl.TypePick:
		return row(line, func(r jsonl.Pick) []string {
			to := r.To
			if !r.Changed {
				to = "-"
			}
			return []string{cells(r.ID, r.Container, r.From, to, because(string(r.Reason), r.Message))}
		})
	case jsonl.TypeCommit:
		return row(line, commitRows)
	case jsonl.TypeApply:
		return row(line, func(r jsonl.Apply) []string {
			return []string{cells(planned(string(r.Action), r.DryRun), r.ID, r.Source, r.Message)}
		})
	case jsonl.TypeRelease:
		return row(line, func(r jsonl.Release) []string {
			return []string{cells(planned(string(r.Action), r.DryRun), r.Release, r.Namespace, strings.Trim(r.Chart+"-"+r.Version, "-"), number(r.Revision), r.Message)}
		})
	case jsonl.TypeEnd:
		return row(line, func(r jsonl.End) []string {
			if len(r.Totals) == 0 {
				return nil
			}
			var parts []string
			for _, word := range slices.Sorted(maps.Keys(r.Totals)) {
				parts = append(parts, fmt.Sprintf("%d %s", r.Totals[word], word))
			}
			return []string{r.Stage + ": " + strings.Join(parts, ", ")}
		})
	}
	return nil, nil
}

func row[R any](line []byte, show func(R) []string) ([]string, error) {
	var record R
	if err := jsonl.Decode(line, &record); err != nil {
		return nil, err
	}
	return show(record), nil
}

func candidateRows(r jsonl.Pick) []string {
	var rows []string
	for _, c := range r.Candidates {
		created := ""
		if c.Created != nil {
			created = c.Created.UTC().Format(time.RFC3339)
		}
		rows = append(rows, cells(c.Tag, string(c.Verdict), created, c.Message))
	}
	return rows
}

func commitRows(r jsonl.Commit) []string {
	revision := short(r.Revision)
	switch {
	case r.Planned:
		revision = "(planned)"
	case !r.Pushed:
		revision = "(not pushed)"
	}
	var rows []string
	for _, e := range r.Edits {
		rows = append(rows, cells(r.Source, r.Branch, revision, fmt.Sprintf("%s:%d: %s", e.File, e.Line, change(e))))
	}
	return rows
}

// change is an edit in words: an image's new text, or an annotation with what becomes of it.
func change(e jsonl.Edit) string {
	key := ""
	if e.Annotation != "" {
		key = e.Annotation + ": "
	}
	switch {
	case e.Old == "":
		return key + e.New
	case e.New == "":
		return key + e.Old + " is taken out"
	}
	return key + e.Old + " -> " + e.New
}

// cells joins cells so that no text from outside breaks the table or reaches the terminal as a control.
func cells(cells ...string) string {
	for i, cell := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, cell)
	}
	return strings.Join(cells, "\t")
}

func tagCell(r jsonl.Image) string {
	switch {
	case r.Fault != "":
		return r.Fault
	case !r.Whole:
		return "not scanned"
	}
	return fmt.Sprint(len(r.Tags))
}

func because(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + message
}

func planned(action string, dryRun bool) string {
	if dryRun {
		return action + " (dry run)"
	}
	return action
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func short(revision string) string {
	if len(revision) > 12 {
		return revision[:12]
	}
	return revision
}
