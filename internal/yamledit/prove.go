package yamledit

import (
	"errors"
	"fmt"
)

// prove reads an edited file again: it must differ from the tree in the scalars that were cut,
// which must read as strings of the wanted values, and in nothing else.
func (t *tree) prove(edited []byte, cuts []cut) error {
	docs, err := decode(edited[t.skip:])
	if err != nil {
		return err
	}
	p := proof{want: make(map[*node]string, len(cuts))}
	for _, c := range cuts {
		p.want[c.node] = c.value
	}
	if len(docs) != len(t.docs) {
		return errors.New("the number of documents changes")
	}
	for i, doc := range t.docs {
		if err := p.compare(doc, docs[i]); err != nil {
			return err
		}
	}
	if len(p.want) > 0 {
		return errors.New("the scalar is not part of the document")
	}
	return nil
}

type proof struct {
	want map[*node]string // wanted values of the scalars that have not been met yet
}

func (p *proof) compare(before, after *node) error {
	value, tag, style := before.Value, before.Tag, before.Style
	if wanted, ok := p.want[before]; ok {
		delete(p.want, before)
		// The style may change from plain to quoted, and a number becomes a string.
		value, tag, style = wanted, "!!str", after.Style
	}
	var differs string
	switch {
	case after.Kind != before.Kind || len(after.Content) != len(before.Content):
		differs = "shape"
	case after.Value != value:
		differs = "value"
	case after.Tag != tag:
		differs = "type"
	case after.Style != style:
		differs = "style"
	case after.Anchor != before.Anchor || !sameAlias(before.Alias, after.Alias):
		differs = "anchor"
	case after.Line != before.Line:
		differs = "line"
	case after.HeadComment != before.HeadComment || after.LineComment != before.LineComment ||
		after.FootComment != before.FootComment || after.LeadingContent != before.LeadingContent:
		differs = "comment"
	}
	if differs != "" {
		return fmt.Errorf("the %s of what stands at line %d changes", differs, before.Line)
	}
	for i := range before.Content {
		if err := p.compare(before.Content[i], after.Content[i]); err != nil {
			return err
		}
	}
	return nil
}

func sameAlias(before, after *node) bool {
	if before == nil || after == nil {
		return before == after
	}
	return before.Anchor == after.Anchor && before.Line == after.Line
}
