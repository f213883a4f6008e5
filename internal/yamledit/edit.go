package yamledit

import (
	"fmt"
	"slices"
	"strings"
)

// Change is a set of edits in one document that are made together or not at all.
type Change struct {
	// Doc is the index of the document in the file, from 0.
	Doc     int
	Scalars []Scalar
	Entries []Entry
}

// Scalar is one scalar and its new text.
type Scalar struct {
	// Path leads from the top of the document to the scalar: strings are keys, integers (of
	// any type that encoding/json decodes to) are indexes.
	Path []any
	// Old is the text that the scalar must have now, empty for null. Where it has another one,
	// somebody else changed the file, and the change is refused.
	Old string
	// New is the text after the edit: one line, printable, not empty. It reads back as a string.
	New string
}

// Entry is one entry of a mapping that is set to a string, or deleted.
type Entry struct {
	// Path leads from the top of the document to the mapping. Where there is none, or null, one
	// is made for an entry to be set, in a mapping that has to be there.
	Path []any
	// Key is the entry's key.
	Key string
	// Value is the entry's text after the edit: one line, printable, not empty.
	Value string
	// Delete takes the entry out: its lines with the comment behind it. Comments on lines of
	// their own stay, for nobody knows that they are about this entry alone. With its last entry
	// the mapping goes too.
	Delete bool
}

// Outcome says what became of one [Change].
type Outcome struct {
	// Lines are the lines of the scalars, from 1, in the order of Change.Scalars. A line ends
	// where YAML says that it does. They are those of the edited file, which has others than
	// the file only where entries came or went.
	Lines []int
	// Entries are what became of Change.Entries, in their order.
	Entries []EntryOutcome
	// Shared are the anchors through which other places use the scalars that were changed:
	// what they stand for has changed there as well. An entry of such a mapping is refused.
	Shared []string
	// Done says that everything stood there as it was asked for already.
	Done bool
	// Err is a [*RefusedError] where the change was not made.
	Err error
}

// EntryOutcome says what became of one [Entry].
type EntryOutcome struct {
	// Line is the entry's line, from 1: in the edited file, or, deleted, in the file as it was;
	// 0 where there was nothing to delete.
	Line int
	// Old is the text that stood there; empty where there was none.
	Old string
	// Changed is false where the file said so already.
	Changed bool
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
	p := newPlan(t)
	outcomes := make([]Outcome, len(changes))
	at := make([]placed, len(changes))
	for i, change := range changes {
		outcomes[i], at[i] = p.add(change)
	}
	cuts := p.cuts()
	edited, err := t.splice(cuts)
	if err != nil {
		return t.file, outcomes, err
	}
	moved := newMoves(t, cuts)
	for i := range outcomes {
		moved.name(&outcomes[i], at[i])
	}
	if len(cuts) == 0 {
		return edited, outcomes, nil
	}
	return edited, outcomes, t.prove(edited, p, cuts, moved)
}

// oneByOne finds out which of several changes does not do what it should: each has to prove
// itself together with those that did before it.
func (t *tree) oneByOne(changes []Change, outcomes []Outcome) ([]byte, []Outcome, error) {
	var proven []Change
	var which []int
	for i, change := range changes {
		if outcomes[i].Err != nil {
			continue
		}
		if _, _, err := t.attempt(append(slices.Clip(proven), change)); err != nil {
			outcomes[i] = Outcome{Err: &RefusedError{
				Line: outcomes[i].line(), Path: change.path(),
				Reason: fmt.Sprintf("the edit would change more than it should: %v", err),
			}}
			continue
		}
		proven, which = append(proven, change), append(which, i)
	}
	edited, made, _ := t.attempt(proven)
	for i, at := range which {
		outcomes[at] = made[i]
	}
	return edited, outcomes, nil
}

// line is the first line that a change is about.
func (o Outcome) line() int {
	for _, line := range o.Lines {
		return line
	}
	for _, e := range o.Entries {
		return e.Line
	}
	return 0
}

func (c Change) path() string {
	for _, scalar := range c.Scalars {
		return pathString(scalar.Path)
	}
	for _, entry := range c.Entries {
		return entry.path()
	}
	return ""
}

func (e Entry) path() string { return pathString(append(slices.Clip(e.Path), e.Key)) }

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
