package yamledit

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// row is a line that comes into a file, or a part of one, and the entries that it brings.
type row struct {
	text string
	news []*grown
}

// pair is an entry of a mapping and where its text stands.
type pair struct {
	key, value *node
	from, to   int
}

const odd = "its text does not stand where it should"

// drawing gives the cuts that bring a mapping into its new shape, or the reason why there are none.
func (t *tree) drawing(m *node, r *reshape) ([]cut, string) {
	switch {
	case len(r.adds) == 0 && len(r.drops) == 0:
		return nil, ""
	case len(m.Content) == 0:
		return t.fill(m, r)
	case m.Style&yqlib.FlowStyle != 0:
		return t.reflow(m, r)
	}
	return t.reblock(m, r)
}

// fill puts entries where a mapping is empty, or null.
func (t *tree) fill(m *node, r *reshape) ([]cut, string) {
	key, braces := keyOf(m), m.Kind == yqlib.MappingNode
	if key == nil && !braces {
		return nil, "this is null"
	}
	if key != nil && m.Parent.Style&yqlib.FlowStyle == 0 && m.Anchor == "" && m.Style&yqlib.TaggedStyle == 0 {
		if cuts, ok := t.fillBlock(m, key, r); ok {
			return cuts, ""
		}
	}
	in := t.flowRow(m, r.adds)
	news := []landing{{news: in.news}}
	if empty(m) {
		colon, ok := t.colon(key)
		if !ok {
			return nil, odd
		}
		return []cut{{from: colon, to: colon, text: " {" + in.text + "}", news: news}}, ""
	}
	from, begun := t.begin(m)
	end, ended := t.end(m)
	switch {
	case !begun || !ended || braces && t.file[from] != '{':
		return nil, odd
	case !braces:
		return []cut{{from: from, to: end, text: "{" + in.text + "}", news: news}}, ""
	case len(bytes.TrimSpace(t.file[from+1:end-1])) > 0:
		end = from + 2 // a comment stays behind what comes in
	}
	return []cut{{from: from + 1, to: end - 1, text: in.text, news: news}}, ""
}

// fillBlock puts entries on lines below the key of an empty mapping or null, where its text stands
// on the key's line.
func (t *tree) fillBlock(m, key *node, r *reshape) ([]cut, bool) {
	colon, ok := t.colon(key)
	to := colon
	if ok && !empty(m) {
		to, ok = t.end(m)
	}
	if !ok || spread(t.file[colon:to]) {
		return nil, false
	}
	after, ok := t.after(to)
	if !ok {
		return nil, false
	}
	step := t.step(m.Parent)
	cuts := []cut{t.insert(after, t.rows(m, r.adds, column(m.Parent)+step, step), false)}
	if to > colon {
		cuts = append(cuts, cut{from: colon, to: to})
	}
	return cuts, true
}

// spread says whether a text has more than one line.
func spread(text []byte) bool {
	for i := range text {
		if lineBreak(text[i:]) > 0 {
			return true
		}
	}
	return false
}

// reblock cuts entries out of a mapping in block style, and puts others behind its last one.
func (t *tree) reblock(m *node, r *reshape) ([]cut, string) {
	var cuts []cut
	for i := 0; i < len(m.Content); i += 2 {
		if key, value := m.Content[i], m.Content[i+1]; r.drops[key] {
			from, ok := t.begin(key)
			if !ok || !t.alone(from) || key.Anchor != "" || key.Style&yqlib.TaggedStyle != 0 {
				return nil, "an entry that is to go does not stand on lines of its own"
			}
			end, ok := t.pairEnd(key, value)
			if value.Kind == yqlib.MappingNode && value.Style&yqlib.FlowStyle == 0 {
				end, ok = t.colon(key) // its entries' lines are cut by themselves
			}
			if !ok {
				return nil, odd
			}
			after, ok := t.after(end)
			if !ok {
				return nil, odd
			}
			cuts = append(cuts, cut{from: t.lines[t.lineAt(from)-1], to: after})
		}
	}
	if len(r.adds) == 0 {
		return cuts, ""
	}
	end, ok := t.lastEnd(m)
	if !ok {
		return nil, "the end of its last entry cannot be told"
	}
	after, ok := t.after(end)
	if !ok {
		return nil, odd
	}
	last := r.drops[m.Content[len(m.Content)-2]]
	return append(cuts, t.insert(after, t.rows(m, r.adds, column(m), t.step(m)), last)), ""
}

// column is the number of blanks before a mapping's keys in block style.
func column(m *node) int { return m.Content[0].Column - 1 }

// step is how much further to the right a mapping inside another one stands.
func (t *tree) step(m *node) int {
	if around := m.Parent; around != nil && around.Kind == yqlib.MappingNode && column(m) > column(around) && m.Line > around.Line {
		return column(m) - column(around)
	}
	return 2
}

// rows writes entries in block style.
func (t *tree) rows(m *node, adds []*grown, indent, step int) []row {
	var rows []row
	hand := t.hand(m)
	blanks := strings.Repeat(" ", indent)
	for _, g := range adds {
		if g.inner == nil {
			rows = append(rows, row{blanks + hand.entry(g), []*grown{g}})
			continue
		}
		rows = append(rows, row{text: blanks + hand.key(g.key) + ":"})
		rows = append(rows, t.rows(m, g.inner, indent+step, step)...)
	}
	return rows
}

// flowRow writes entries in flow style.
func (t *tree) flowRow(m *node, adds []*grown) row {
	hand := t.hand(m)
	var all row
	for i, g := range adds {
		if i > 0 {
			all.text += ", "
		}
		if g.inner == nil {
			all.text, all.news = all.text+hand.entry(g), append(all.news, g)
			continue
		}
		inner := t.flowRow(m, g.inner)
		all.text, all.news = all.text+hand.key(g.key)+": {"+inner.text+"}", append(all.news, inner.news...)
	}
	return all
}

// insert makes rows come in at the start of a line, or at the end of a file whose last line has
// no end. There the line before gets one, unless that line is itself cut out.
func (t *tree) insert(at int, rows []row, follows bool) cut {
	_, start := slices.BinarySearch(t.lines, at)
	c := cut{from: at, to: at, depth: len(rows[0].text) - len(strings.TrimLeft(rows[0].text, " "))}
	eol := t.lineEnd(at)
	for i, r := range rows {
		if !start && (i > 0 || !follows) {
			c.text += eol
		}
		line := strings.Count(c.text, eol)
		c.text += r.text
		if start {
			c.text += eol
		}
		if len(r.news) > 0 {
			c.news = append(c.news, landing{line, r.news})
		}
	}
	return c
}

// lineEnd is the line break that stands before an offset, or that the file's first line has.
func (t *tree) lineEnd(at int) string {
	line, start := slices.BinarySearch(t.lines, at)
	if !start {
		line = 1
	}
	if line >= 1 && line < len(t.lines) {
		return string(t.file[t.lines[line-1]+len(t.text(line)) : t.lines[line]])
	}
	return "\n"
}
