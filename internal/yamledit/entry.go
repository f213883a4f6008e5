package yamledit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// reshape is what becomes of the entries of one mapping, or of the null that stands for one.
type reshape struct {
	adds  []*grown
	drops map[*node]bool // keys
}

// grown is an entry that comes into a mapping: a string, or a mapping of strings.
type grown struct {
	key, value string
	inner      []*grown
}

func (r *reshape) clone() *reshape {
	c := &reshape{drops: maps.Clone(r.drops)}
	for _, g := range r.adds {
		if g.inner != nil {
			g = &grown{key: g.key, inner: slices.Clone(g.inner)}
		}
		c.adds = append(c.adds, g)
	}
	return c
}

func (p *plan) shape(mapping *node) *reshape {
	r := p.shapes[mapping]
	if r == nil {
		r = &reshape{drops: map[*node]bool{}}
		p.shapes[mapping] = r
	}
	return r
}

// entry takes one entry into the plan.
func (p *plan) entry(doc int, e Entry) (EntryOutcome, place, *RefusedError) {
	if reason := e.unfit(); reason != "" {
		return EntryOutcome{}, place{}, &RefusedError{Reason: reason}
	}
	m, missing, refused := p.tree.mapping(doc, e.Path)
	if refused != nil {
		return EntryOutcome{}, place{}, refused
	}
	if missing {
		return p.enter(m, e, e.Path[len(e.Path)-1].(string))
	}
	key, value, refused := p.tree.own(m, e.Key)
	switch {
	case refused != nil:
		return EntryOutcome{}, place{}, refused
	case key == nil:
		return p.enter(m, e, "")
	case e.Delete:
		return p.drop(doc, m, key, value)
	}
	return p.set(doc, value, e)
}

// maxKey is more than Kubernetes allows. Readers of YAML look 1,024 characters ahead for the colon.
const maxKey = 512

func (e Entry) unfit() string {
	switch {
	case e.Key == "" || !printable(e.Key):
		return fmt.Sprintf("%q cannot be a key on one line", e.Key)
	case len(e.Key) > maxKey:
		return fmt.Sprintf("a key cannot be longer than %d bytes", maxKey)
	case e.Delete:
		return ""
	case e.Value == "" || !printable(e.Value):
		return fmt.Sprintf("%q cannot be written on one line", e.Value)
	}
	return ""
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// mapping finds the mapping, or the null in its place, that a path leads to. Where only its last
// step leads nowhere, the mapping around it comes back, and missing.
func (t *tree) mapping(doc int, path []any) (m *node, missing bool, refused *RefusedError) {
	m, refused = t.find(doc, path)
	if refused != nil && len(path) > 0 {
		around, err := t.find(doc, path[:len(path)-1])
		if _, named := path[len(path)-1].(string); err != nil || !named || around.Kind != yqlib.MappingNode {
			return nil, false, refused
		}
		m, missing, refused = around, true, nil
	}
	if refused != nil {
		return nil, false, refused
	}
	if m.Kind != yqlib.MappingNode && !isNull(m) {
		return nil, false, &RefusedError{Line: m.Line, Reason: "this is no mapping"}
	}
	if anchors := t.shared(doc, m); len(anchors) > 0 {
		return nil, false, &RefusedError{Line: m.Line, Reason: "it is used elsewhere, through the anchor " + anchors[0] + ", and would change there too"}
	}
	return m, missing, nil
}

// isNull says whether a node is a plain null, or nothing at all.
func isNull(n *node) bool {
	return n.Kind == yqlib.ScalarNode && n.Tag == "!!null" && n.Anchor == "" && n.Style == 0
}

// own finds an entry of the mapping's own; key is nil where there is none.
func (t *tree) own(m *node, name string) (key, value *node, refused *RefusedError) {
	if m.Kind != yqlib.MappingNode {
		return nil, nil, nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k := resolve(m.Content[i])
		if k.Kind != yqlib.ScalarNode || k.Tag == "!!merge" || k.Value != name {
			continue
		}
		if key != nil {
			return nil, nil, &RefusedError{Line: m.Content[i].Line, Reason: "the key comes twice"}
		}
		key, value = m.Content[i], m.Content[i+1]
	}
	steps := maxSteps
	if key == nil && lookup(m, name, &steps) != nil {
		return nil, nil, &RefusedError{Line: m.Line, Reason: "it comes through a merge key, from a mapping that others use"}
	}
	if key == nil && steps <= 0 {
		return nil, nil, &RefusedError{Line: m.Line, Reason: "its merge keys are nested too deeply"}
	}
	return key, value, nil
}

// enter plans an entry that is not there yet: in the mapping, or in a new one that it gets.
func (p *plan) enter(m *node, e Entry, around string) (EntryOutcome, place, *RefusedError) {
	if e.Delete {
		return EntryOutcome{}, place{}, nil
	}
	r := p.shape(m)
	list := &r.adds
	if around != "" {
		at := slices.IndexFunc(r.adds, func(g *grown) bool { return g.key == around })
		if at < 0 {
			at = len(r.adds)
			r.adds = append(r.adds, &grown{key: around, inner: []*grown{}})
		}
		if r.adds[at].inner == nil {
			return EntryOutcome{}, place{}, &RefusedError{Line: m.Line, Reason: "another change makes it no mapping"}
		}
		list = &r.adds[at].inner
	}
	made := &grown{key: e.Key, value: e.Value}
	if at := slices.IndexFunc(*list, func(g *grown) bool { return g.key == e.Key }); at >= 0 {
		if made = (*list)[at]; made.inner != nil || made.value != e.Value {
			return EntryOutcome{}, place{}, &RefusedError{Line: m.Line, Reason: fmt.Sprintf("it is to become %q, and another change makes it %q", e.Value, made.value)}
		}
	} else {
		*list = append(*list, made)
	}
	return EntryOutcome{Changed: true}, place{made: made}, p.draw(m)
}

// drop plans the end of an entry.
func (p *plan) drop(doc int, m, key, value *node) (EntryOutcome, place, *RefusedError) {
	refuse := func(reason string) (EntryOutcome, place, *RefusedError) {
		return EntryOutcome{}, place{}, &RefusedError{Line: key.Line, Reason: reason}
	}
	_, cut := p.values[value]
	steps := maxSteps
	switch {
	case value.Kind != yqlib.ScalarNode && value.Kind != yqlib.AliasNode:
		return refuse("this is no scalar")
	case len(p.tree.shared(doc, key)) > 0 || len(p.tree.shared(doc, value)) > 0:
		return refuse("it has an anchor that is used elsewhere")
	case cut:
		return refuse("another change gives it a new value")
	case merged(m, resolve(key).Value, &steps) != nil || steps <= 0:
		return refuse("another would come through a merge key")
	}
	r := p.shape(m)
	r.drops[key] = true
	return EntryOutcome{Old: resolve(value).Value, Changed: true}, place{line: key.Line, gone: true}, p.draw(m)
}

// set plans a new value for an entry that is there.
func (p *plan) set(doc int, value *node, e Entry) (EntryOutcome, place, *RefusedError) {
	if value.Kind == yqlib.AliasNode || len(p.tree.shared(doc, value)) > 0 {
		return EntryOutcome{}, place{}, &RefusedError{Line: value.Line, Reason: "its value is shared through an anchor"}
	}
	old := value.Value
	if isNull(value) {
		old = ""
	}
	found, refused := p.tree.locate(value, Scalar{Old: old, New: e.Value})
	if refused != nil {
		return EntryOutcome{}, place{}, refused
	}
	if value.Tag == "!!str" && value.Value == e.Value {
		return EntryOutcome{Line: found.line, Old: old}, place{line: found.line}, p.clash(found)
	}
	return EntryOutcome{Old: old, Changed: true}, place{line: found.line}, p.take(found)
}

// draw makes the cuts of a mapping anew, and those of the mapping around it where this one comes
// to hold nothing or no longer does.
func (p *plan) draw(m *node) *RefusedError {
	r := p.shapes[m]
	emptied := m.Kind == yqlib.MappingNode && len(r.adds) == 0 && len(r.drops)*2 == len(m.Content)
	key := keyOf(m)
	if key == nil && emptied {
		return &RefusedError{Line: m.Line, Reason: "nothing would be left of the mapping"}
	}
	if key != nil && (emptied || p.drops(m)) {
		around := p.shape(m.Parent)
		delete(around.drops, key)
		if emptied {
			around.drops[key] = true
		}
		if len(around.adds) == 0 && len(around.drops)*2 == len(m.Parent.Content) {
			return &RefusedError{Line: key.Line, Reason: "nothing would be left of the mapping around it"}
		}
		if refused := p.redraw(m.Parent); refused != nil {
			return refused
		}
	}
	return p.redraw(m)
}

func (p *plan) redraw(m *node) *RefusedError {
	cuts, reason := p.tree.drawing(m, p.shapes[m])
	if reason != "" {
		return &RefusedError{Line: m.Line, Reason: reason}
	}
	p.drawn[m] = cuts
	return nil
}

// keyOf is the key of a value in the mapping around it; nil where it is no mapping's value.
func keyOf(value *node) *node {
	if value.Parent == nil || value.Parent.Kind != yqlib.MappingNode {
		return nil
	}
	i := slices.Index(value.Parent.Content, value)
	if i%2 != 1 {
		return nil
	}
	return value.Parent.Content[i-1]
}
