package yamledit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// Change is a set of scalars of one document that change together or not at all.
type Change struct {
	// Doc is the index of the document in the file, from 0.
	Doc     int
	Scalars []Scalar
}

// Scalar is one scalar and its new text.
type Scalar struct {
	// Path leads from the top of the document to the scalar: strings are keys, integers (of
	// any type that encoding/json decodes to) are indexes.
	Path []any
	// Old is the text that the scalar must have now. Where it has another one, somebody else
	// changed the file, and the change is refused.
	Old string
	// New is the text after the edit: one line, printable, not empty. It reads back as a string.
	New string
}

// Outcome says what became of one [Change].
type Outcome struct {
	// Lines are the lines of the scalars, from 1, in the order of Change.Scalars. A line ends
	// where YAML says that it does.
	Lines []int
	// Shared are the anchors through which other places use the scalars that were changed:
	// what they stand for has changed there as well.
	Shared []string
	// Done says that all the scalars were strings of the new text already.
	Done bool
	// Err is a [*RefusedError] where the change was not made.
	Err error
}

// RefusedError says why a change was not made.
type RefusedError struct {
	// Line is the line of the scalar, from 1; 0 where it has none.
	Line int
	// Path is the scalar's path, for people.
	Path   string
	Reason string
}

func (e *RefusedError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// Apply makes the changes that can be made without touching anything else, and gives an outcome
// for each. Where none is made the file comes back as it was. It fails where the file as a whole
// is no UTF-8 or no YAML: then nothing in it can be changed.
func Apply(file []byte, changes []Change) ([]byte, []Outcome, error) {
	t, err := parse(file)
	if err != nil {
		return file, nil, err
	}
	edited, outcomes, fault := t.attempt(changes)
	if fault == nil {
		return edited, outcomes, nil
	}
	return t.oneByOne(changes, outcomes)
}

// attempt makes all changes but those that it refuses; it fails where the result is not what
// was asked for.
func (t *tree) attempt(changes []Change) ([]byte, []Outcome, error) {
	p := plan{tree: t, values: map[*node]string{}}
	outcomes := make([]Outcome, len(changes))
	for i, change := range changes {
		outcomes[i] = p.add(change)
	}
	edited := p.splice()
	if len(p.cuts) == 0 {
		return edited, outcomes, nil
	}
	return edited, outcomes, t.prove(edited, p.cuts)
}

// oneByOne finds out which of several changes does not do what it should: each has to prove
// itself together with those that did before it.
func (t *tree) oneByOne(changes []Change, outcomes []Outcome) ([]byte, []Outcome, error) {
	var proven []Change
	for i, change := range changes {
		if outcomes[i].Err != nil {
			continue
		}
		if _, _, err := t.attempt(append(slices.Clip(proven), change)); err != nil {
			outcomes[i] = Outcome{Err: &RefusedError{
				Line: outcomes[i].Lines[0], Path: pathString(change.Scalars[0].Path),
				Reason: fmt.Sprintf("the edit would change more than the scalar: %v", err),
			}}
			continue
		}
		proven = append(proven, change)
	}
	edited, _, _ := t.attempt(proven)
	return edited, outcomes, nil
}

// plan collects the places at which a file is cut open.
type plan struct {
	tree   *tree
	cuts   []cut
	values map[*node]string // what the scalars that are cut become
}

// add takes a change into the plan, or refuses it whole.
func (p *plan) add(change Change) Outcome {
	if lines, done := p.tree.done(change); done {
		return Outcome{Lines: lines, Done: true}
	}
	var out Outcome
	var cuts []cut
	for _, scalar := range change.Scalars {
		found, err := p.tree.locate(change.Doc, scalar)
		if err == nil {
			err = p.clash(found, cuts)
		}
		if err != nil {
			err.Path = pathString(scalar.Path)
			return Outcome{Err: err}
		}
		out.Lines = append(out.Lines, found.line)
		if scalar.Old == scalar.New {
			continue
		}
		cuts = append(cuts, found)
		for _, anchor := range p.tree.shared(change.Doc, found.node) {
			if !slices.Contains(out.Shared, anchor) {
				out.Shared = append(out.Shared, anchor)
			}
		}
	}
	p.take(cuts)
	return out
}

// done says whether a change was made before.
func (t *tree) done(change Change) (lines []int, done bool) {
	for _, scalar := range change.Scalars {
		n, refused := t.find(change.Doc, scalar.Path)
		if refused != nil || n.Kind != yqlib.ScalarNode || n.Tag != "!!str" || n.Value != scalar.New {
			return nil, false
		}
		lines = append(lines, n.Line)
	}
	return lines, true
}

// clash refuses a second text for a scalar that is already being changed: two users of one
// anchor may want different ones.
func (p *plan) clash(found cut, own []cut) *RefusedError {
	first, taken := p.values[found.node]
	for _, other := range own {
		if other.node == found.node {
			first, taken = other.value, true
		}
	}
	if !taken || first == found.value {
		return nil
	}
	return &RefusedError{Line: found.line, Reason: fmt.Sprintf(
		"it is to become %q, and another change makes it %q", found.value, first)}
}

func (p *plan) take(cuts []cut) {
	for _, c := range cuts {
		if _, taken := p.values[c.node]; !taken {
			p.values[c.node] = c.value
			p.cuts = append(p.cuts, c)
		}
	}
}

// splice gives the file with all cuts made.
func (p *plan) splice() []byte {
	slices.SortFunc(p.cuts, func(a, b cut) int { return a.from - b.from })
	edited := make([]byte, 0, len(p.tree.file)+64)
	at := 0
	for _, c := range p.cuts {
		edited = append(edited, p.tree.file[at:c.from]...)
		edited = append(edited, c.text...)
		at = c.to
	}
	return append(edited, p.tree.file[at:]...)
}

// pathString writes a path for people: spec.containers[0].image, annotations["a.b/c"].
func pathString(path []any) string {
	var s strings.Builder
	for _, element := range path {
		if i, ok := index(element); ok {
			fmt.Fprintf(&s, "[%d]", i)
			continue
		}
		key := fmt.Sprint(element)
		switch {
		case strings.ContainsAny(key, ". []\"") || key == "":
			fmt.Fprintf(&s, "[%q]", key)
		case s.Len() > 0:
			s.WriteString("." + key)
		default:
			s.WriteString(key)
		}
	}
	return s.String()
}
