package yamledit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// prove reads an edited file again: it must differ from the tree in the scalars that were cut,
// which must read as strings of the wanted values, in the entries that come and go, and in nothing
// else. Where entries come and go comments may hang on to other nodes; none may change or be lost
// but those that went with an entry.
func (t *tree) prove(edited []byte, plan *plan, cuts []cut, moved moves) error {
	docs, err := decode(edited[t.skip:])
	if err != nil {
		return err
	}
	if len(docs) != len(t.docs) {
		return errors.New("the number of documents changes")
	}
	p := proof{want: make(map[*node]string, len(plan.values)), shapes: plan.shapes, moved: moved}
	loose := map[*node]bool{}
	for n, c := range plan.values {
		p.want[n] = c.value
		loose[top(n)] = loose[top(n)] || empty(n)
	}
	for n, r := range plan.shapes {
		loose[top(n)] = loose[top(n)] || len(r.adds)+len(r.drops) > 0
	}
	var removed strings.Builder
	for _, c := range cuts {
		removed.Write(t.file[c.from:c.to])
		removed.WriteByte('\n')
	}
	for i, doc := range t.docs {
		p.loose = loose[doc]
		if err := p.compare(doc, docs[i]); err != nil {
			return err
		}
		if p.loose && !sameComments(doc, docs[i], removed.String()) {
			return errors.New("a comment changes")
		}
	}
	if len(p.want) > 0 {
		return errors.New("the scalar is not part of the document")
	}
	return nil
}

func top(n *node) *node {
	for n.Parent != nil {
		n = n.Parent
	}
	return n
}

type proof struct {
	want   map[*node]string // wanted values of the scalars that have not been met yet
	shapes map[*node]*reshape
	moved  moves
	loose  bool // comments are compared by themselves
}

func (p *proof) compare(before, after *node) error {
	r := p.shapes[before]
	if r != nil && len(r.adds)+len(r.drops) == 0 {
		r = nil
	}
	value, tag, style := before.Value, before.Tag, before.Style
	wanted, cut := p.want[before]
	if cut {
		delete(p.want, before)
		// The style may change from plain to quoted, and a number becomes a string.
		value, tag, style = wanted, "!!str", after.Style
	}
	kind, line := before.Kind, p.moved.line(before.Line)
	if empty(before) && !cut {
		line = after.Line // in flow style that is the line of whatever comes next
	}
	if r != nil {
		// A null becomes a mapping, and a mapping may start with another entry.
		kind, value, tag, line = yqlib.MappingNode, "", "!!map", after.Line
		if len(before.Content) == 0 {
			style = after.Style
		}
	}
	var differs string
	switch {
	case after.Kind != kind || r == nil && len(after.Content) != len(before.Content):
		differs = "shape"
	case after.Value != value:
		differs = "value"
	case after.Tag != tag:
		differs = "type"
	case after.Style != style:
		differs = "style"
	case after.Anchor != before.Anchor || !p.sameAlias(before.Alias, after.Alias):
		differs = "anchor"
	case after.Line != line:
		differs = "line"
	case !p.loose && (after.HeadComment != before.HeadComment || after.LineComment != before.LineComment ||
		after.FootComment != before.FootComment || after.LeadingContent != before.LeadingContent):
		differs = "comment"
	}
	if differs != "" {
		return fmt.Errorf("the %s of what stands at line %d changes", differs, before.Line)
	}
	if r != nil {
		return p.entries(before, after, r)
	}
	for i := range before.Content {
		if err := p.compare(before.Content[i], after.Content[i]); err != nil {
			return err
		}
	}
	return nil
}

// entries compares a mapping whose entries change: those that stay stand in their old order, and
// the new ones among them.
func (p *proof) entries(before, after *node, r *reshape) error {
	var stay []*node
	for i := 0; i+1 < len(before.Content); i += 2 {
		if !r.drops[before.Content[i]] {
			stay = append(stay, before.Content[i], before.Content[i+1])
		}
	}
	adds := slices.Clone(r.adds)
	for i := 0; i+1 < len(after.Content); i += 2 {
		key, value := after.Content[i], after.Content[i+1]
		if at := slices.IndexFunc(adds, func(g *grown) bool { return isText(key, g.key) && g.is(value) }); at >= 0 {
			adds = slices.Delete(adds, at, at+1)
			continue
		}
		if len(stay) == 0 {
			return fmt.Errorf("an entry of the mapping at line %d comes that nobody asked for", before.Line)
		}
		if err := errors.Join(p.compare(stay[0], key), p.compare(stay[1], value)); err != nil {
			return err
		}
		stay = stay[2:]
	}
	if len(stay)+len(adds) > 0 {
		return fmt.Errorf("an entry of the mapping at line %d is missing", before.Line)
	}
	return nil
}

// is says whether a node is the entry's value and nothing more.
func (g *grown) is(n *node) bool {
	if g.inner == nil {
		return isText(n, g.value)
	}
	if n.Kind != yqlib.MappingNode || n.Tag != "!!map" || n.Anchor != "" || len(n.Content) != 2*len(g.inner) {
		return false
	}
	for i, inner := range g.inner {
		if !isText(n.Content[2*i], inner.key) || !inner.is(n.Content[2*i+1]) {
			return false
		}
	}
	return true
}

func isText(n *node, text string) bool {
	return n.Kind == yqlib.ScalarNode && n.Tag == "!!str" && n.Value == text && n.Anchor == "" && n.Style&yqlib.TaggedStyle == 0
}

func (p *proof) sameAlias(before, after *node) bool {
	if before == nil || after == nil {
		return before == after
	}
	return before.Anchor == after.Anchor && p.moved.line(before.Line) == after.Line
}

// sameComments says whether a document has the lines of comments that it had, without those that
// were removed.
func sameComments(before, after *node, removed string) bool {
	balance := map[string]int{}
	count(before, balance, 1)
	count(after, balance, -1)
	for line, n := range balance {
		if n < 0 || n > strings.Count(removed, line) {
			return false
		}
	}
	return true
}

func count(n *node, balance map[string]int, by int) {
	for _, comment := range []string{n.HeadComment, n.LineComment, n.FootComment, n.LeadingContent} {
		for line := range strings.Lines(comment) {
			if line = strings.TrimSpace(line); line != "" {
				balance[line] += by
			}
		}
	}
	for _, c := range n.Content {
		count(c, balance, by)
	}
}
