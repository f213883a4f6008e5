package yamledit

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// plan collects what becomes of the nodes of a file.
type plan struct {
	tree   *tree
	values map[*node]cut      // the scalars that are cut
	shapes map[*node]*reshape // the mappings whose entries change
	drawn  map[*node][]cut    // the cuts that give them their shapes
	fresh  []*node            // the scalars of the change at hand
}

func newPlan(t *tree) *plan {
	return &plan{tree: t, values: map[*node]cut{}, shapes: map[*node]*reshape{}, drawn: map[*node][]cut{}}
}

func (p *plan) clone() *plan {
	shapes := make(map[*node]*reshape, len(p.shapes))
	for n, r := range p.shapes {
		shapes[n] = r.clone()
	}
	return &plan{tree: p.tree, values: maps.Clone(p.values), shapes: shapes, drawn: maps.Clone(p.drawn)}
}

// placed is where the scalars and entries of a change stand.
type placed struct{ scalars, entries []place }

// place is the line of a node of the file, or of what comes into it.
type place struct {
	line int    // in the file
	gone bool   // what stands there is deleted
	made *grown // comes into it, on a line that is not known yet
}

// add takes a change into the plan, or refuses it whole.
func (p *plan) add(change Change) (Outcome, placed) {
	trial := p
	if len(change.Entries) > 0 {
		trial = p.clone()
	}
	trial.fresh = nil
	out, at, err := trial.make(change)
	if err != nil {
		for _, n := range trial.fresh {
			delete(trial.values, n)
		}
		return Outcome{Err: err}, placed{}
	}
	*p = *trial
	return out, at
}

func (p *plan) make(change Change) (Outcome, placed, error) {
	var at placed
	out := Outcome{}
	at.scalars, out.Done = p.tree.done(change)
	if !out.Done {
		at.scalars = nil
		for _, scalar := range change.Scalars {
			line, shared, err := p.scalar(change.Doc, scalar)
			if err != nil {
				err.Path = pathString(scalar.Path)
				return out, at, err
			}
			at.scalars = append(at.scalars, place{line: line})
			for _, anchor := range shared {
				if !slices.Contains(out.Shared, anchor) {
					out.Shared = append(out.Shared, anchor)
				}
			}
		}
	}
	for _, entry := range change.Entries {
		made, where, err := p.entry(change.Doc, entry)
		if err != nil {
			err.Path = entry.path()
			return out, at, err
		}
		out.Entries, at.entries = append(out.Entries, made), append(at.entries, where)
		out.Done = out.Done && !made.Changed
	}
	return out, at, nil
}

// done says whether a change's scalars were changed before.
func (t *tree) done(change Change) (at []place, done bool) {
	for _, scalar := range change.Scalars {
		n, refused := t.find(change.Doc, scalar.Path)
		if refused != nil || n.Kind != yqlib.ScalarNode || n.Tag != "!!str" || n.Value != scalar.New {
			return nil, false
		}
		at = append(at, place{line: n.Line})
	}
	return at, true
}

// scalar takes one scalar into the plan.
func (p *plan) scalar(doc int, scalar Scalar) (line int, shared []string, refused *RefusedError) {
	n, refused := p.tree.find(doc, scalar.Path)
	if refused != nil {
		return 0, nil, refused
	}
	found, refused := p.tree.locate(n, scalar)
	if refused != nil {
		return 0, nil, refused
	}
	if scalar.Old == scalar.New {
		return found.line, nil, p.clash(found)
	}
	if refused := p.take(found); refused != nil {
		return 0, nil, refused
	}
	return found.line, p.tree.shared(doc, n), nil
}

// take plans the cut of a scalar.
func (p *plan) take(found cut) *RefusedError {
	if refused := p.clash(found); refused != nil {
		return refused
	}
	if _, taken := p.values[found.node]; !taken {
		p.values[found.node], p.fresh = found, append(p.fresh, found.node)
	}
	return nil
}

// clash refuses a second text for a scalar that is already being changed: two users of one
// anchor may want different ones.
func (p *plan) clash(found cut) *RefusedError {
	first, taken := p.values[found.node]
	if taken && first.value != found.value {
		return &RefusedError{Line: found.line, Reason: fmt.Sprintf(
			"it is to become %q, and another change makes it %q", found.value, first.value)}
	}
	if p.shapes[found.node] != nil || p.drops(found.node) {
		return &RefusedError{Line: found.line, Reason: "another change takes it away"}
	}
	return nil
}

// drops says whether a value goes with its entry.
func (p *plan) drops(value *node) bool {
	r := p.shapes[value.Parent]
	return r != nil && r.drops[keyOf(value)]
}

// cuts are all cuts in the order of the file. Where several things come in at one place, the
// innermost mapping's come first.
func (p *plan) cuts() []cut {
	all := slices.Collect(maps.Values(p.values))
	for _, cuts := range p.drawn {
		all = append(all, cuts...)
	}
	slices.SortFunc(all, func(a, b cut) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(b.depth, a.depth))
	})
	return all
}

// splice gives the file with all cuts made.
func (t *tree) splice(cuts []cut) ([]byte, error) {
	edited := make([]byte, 0, len(t.file)+64)
	at := 0
	for _, c := range cuts {
		if c.from < at || c.to < c.from {
			return nil, errors.New("two edits overlap")
		}
		edited = append(edited, t.file[at:c.from]...)
		edited = append(edited, c.text...)
		at = c.to
	}
	return append(edited, t.file[at:]...), nil
}
