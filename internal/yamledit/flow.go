package yamledit

import "slices"

// reflow changes the entries of a mapping in flow style. What comes in takes the place of what
// goes, as far as it reaches.
func (t *tree) reflow(m *node, r *reshape) ([]cut, string) {
	if len(r.adds) == 0 && len(r.drops)*2 == len(m.Content) {
		return nil, "" // it goes as a whole
	}
	pairs, ok := t.pairs(m)
	if open, found := t.begin(m); !ok || !found || t.file[open] != '{' {
		return nil, odd
	}
	gone := make([]bool, len(pairs))
	adds := r.adds
	var cuts []cut
	for i, p := range pairs {
		switch {
		case !r.drops[p.key]:
		case len(adds) > 0:
			in := t.flowRow(m, adds[:1])
			cuts = append(cuts, cut{from: p.from, to: p.to, text: in.text, news: []landing{{news: in.news}}})
			adds = adds[1:]
		default:
			gone[i] = true
		}
	}
	if len(adds) > 0 {
		return append(cuts, t.append(m, pairs, adds)...), ""
	}
	more, reason := t.remove(pairs, gone)
	return append(cuts, more...), reason
}

// gap keeps what comes behind an offset apart from a colon, see [tree.colon].
func (t *tree) gap(at int) string {
	if t.file[at-1] == ':' {
		return " "
	}
	return ""
}

func (t *tree) pairs(m *node) ([]pair, bool) {
	var pairs []pair
	for i := 0; i < len(m.Content); i += 2 {
		p := pair{key: m.Content[i], value: m.Content[i+1]}
		var begun, ended bool
		p.from, begun = t.offset(p.key.Line, p.key.Column)
		p.to, ended = t.pairEnd(p.key, p.value)
		if !begun || !ended {
			return nil, false
		}
		pairs = append(pairs, p)
	}
	return pairs, true
}

// append puts entries behind the last one: on lines of their own where that has one.
func (t *tree) append(m *node, pairs []pair, adds []*grown) []cut {
	last := pairs[len(pairs)-1]
	behind, comma := t.comma(last.to)
	after, free := t.after(behind)
	if !free || !t.alone(last.from) {
		in := t.flowRow(m, adds)
		return []cut{{from: last.to, to: last.to, text: t.gap(last.to) + ", " + in.text, news: []landing{{news: in.news}}}}
	}
	indent := string(t.file[t.lines[t.lineAt(last.from)-1]:last.from])
	var rows []row
	for i := range adds {
		in := t.flowRow(m, adds[i:i+1])
		in.text = indent + in.text
		if comma || i < len(adds)-1 {
			in.text += ","
		}
		rows = append(rows, in)
	}
	cuts := []cut{t.insert(after, rows, false)}
	if !comma {
		cuts = append(cuts, cut{from: last.to, to: last.to, text: t.gap(last.to) + ","})
	}
	return cuts
}

// remove cuts the entries out that are gone; one at least stays.
func (t *tree) remove(pairs []pair, gone []bool) ([]cut, string) {
	var cuts []cut
	last := len(pairs) - 1
	for last > 0 && gone[last] {
		last-- // the last one that stays
	}
	for i, p := range pairs[:last] {
		if !gone[i] {
			continue
		}
		lines, own := t.ownLines(p)
		next := pairs[i+1].from
		switch {
		case own:
			cuts = append(cuts, lines)
		case !spread(t.file[p.from:next]):
			cuts = append(cuts, cut{from: p.from, to: next})
		default:
			return nil, "an entry that is to go shares its lines with others"
		}
	}
	tail, end := pairs[last+1:], pairs[len(pairs)-1].to
	if len(tail) == 0 {
		return cuts, ""
	}
	if from := pairs[last].to; !spread(t.file[from:end]) {
		return append(cuts, cut{from: from, to: end, text: t.gap(from)}), ""
	}
	for _, p := range tail {
		lines, own := t.ownLines(p)
		if !own {
			return nil, "an entry that is to go shares its lines with others"
		}
		cuts = append(cuts, lines)
	}
	if _, comma := t.comma(end); !comma {
		behind, _ := t.comma(pairs[last].to)
		cuts = append(cuts, cut{from: behind - 1, to: behind})
	}
	return cuts, ""
}

// ownLines cuts the lines of an entry and of its comma, where nothing else stands on them.
func (t *tree) ownLines(p pair) (cut, bool) {
	behind, _ := t.comma(p.to)
	after, free := t.after(behind)
	start, _ := slices.BinarySearch(t.lines, p.from+1)
	return cut{from: t.lines[start-1], to: after}, free && t.alone(p.from)
}
