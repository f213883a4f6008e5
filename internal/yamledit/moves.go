package yamledit

import "slices"

// moves says which lines become which where lines come and go.
type moves struct {
	tree  *tree
	from  []int // lines of the file, rising: those from here on
	by    []int // move by so many
	lines map[*grown]int
}

func newMoves(t *tree, cuts []cut) moves {
	m := moves{tree: t, lines: map[*grown]int{}}
	by := 0
	for _, c := range cuts {
		start := t.lineAt(c.from)
		for _, l := range c.news {
			for _, g := range l.news {
				m.lines[g] = start + by + l.line
			}
		}
		delta := len(lineStarts([]byte(c.text), 0)) - len(lineStarts(t.file[c.from:c.to], 0))
		if delta == 0 {
			continue
		}
		// The first line that starts behind the cut.
		at, _ := slices.BinarySearch(t.lines, c.to)
		by += delta
		m.from, m.by = append(m.from, at+1), append(m.by, by)
	}
	return m
}

// line is the line of the edited file that a line of the file becomes.
func (m moves) line(line int) int {
	at, _ := slices.BinarySearch(m.from, line+1)
	if at == 0 {
		return line
	}
	return line + m.by[at-1]
}

// name puts the lines into an outcome.
func (m moves) name(out *Outcome, at placed) {
	for _, p := range at.scalars {
		out.Lines = append(out.Lines, m.of(p))
	}
	for i, p := range at.entries {
		out.Entries[i].Line = m.of(p)
	}
}

func (m moves) of(p place) int {
	switch {
	case p.made != nil:
		return m.lines[p.made]
	case p.gone || p.line == 0:
		return p.line
	}
	return m.line(p.line)
}
