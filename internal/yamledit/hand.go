package yamledit

import (
	"strings"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// hand is how somebody quotes: 0 where only what needs it, else the mark for everything.
type hand struct {
	keys, values byte
	mark         byte // for what needs one
}

// hand looks at the texts that could do without quotes: of the mapping, and where it has none of
// those around it.
func (t *tree) hand(m *node) hand {
	h := hand{mark: t.mark(m)}
	keys, values := false, false
	for ; m != nil && !(keys && values); m = m.Parent {
		if m.Kind != yqlib.MappingNode {
			continue
		}
		if !keys {
			h.keys, keys = habit(m, 0)
		}
		if !values {
			h.values, values = habit(m, 1)
		}
	}
	if !values {
		h.values = h.keys
	}
	return h
}

// habit says how every second scalar of a mapping is quoted.
func habit(m *node, first int) (mark byte, known bool) {
	for i := first; i < len(m.Content); i += 2 {
		n := m.Content[i]
		if n.Kind != yqlib.ScalarNode || n.Tag != "!!str" || !staysPlain(n.Value) {
			continue
		}
		own, known := quotes(n)
		if !known {
			return 0, true
		}
		mark = own
	}
	return mark, mark != 0
}

func quotes(n *node) (mark byte, quoted bool) {
	switch {
	case n.Kind != yqlib.ScalarNode:
	case n.Style&yqlib.SingleQuotedStyle != 0:
		return '\'', true
	case n.Style&yqlib.DoubleQuotedStyle != 0:
		return '"', true
	}
	return 0, false
}

// mark is the quote that a text gets which needs one: that of the entry before it, or the one
// that the document has more of.
func (t *tree) mark(m *node) byte {
	for i := len(m.Content) - 1; i >= 0; i-- {
		if mark, quoted := quotes(m.Content[i]); quoted {
			return mark
		}
	}
	for m.Parent != nil {
		m = m.Parent
	}
	single := 0
	var count func(n *node)
	count = func(n *node) {
		switch mark, _ := quotes(n); mark {
		case '\'':
			single++
		case '"':
			single--
		}
		for _, c := range n.Content {
			count(c)
		}
	}
	count(m)
	if single > 0 {
		return '\''
	}
	return '"'
}

func (h hand) entry(g *grown) string { return h.key(g.key) + ": " + h.spell(g.value, h.values) }

func (h hand) key(text string) string { return h.spell(text, h.keys) }

func (h hand) spell(text string, habit byte) string {
	if habit == 0 && staysPlain(text) {
		return text
	}
	if habit == 0 {
		habit = h.mark
	}
	return quote(text, habit)
}

func quote(text string, mark byte) string {
	if mark == '\'' {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
