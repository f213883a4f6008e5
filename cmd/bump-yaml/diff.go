package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/sluice-gitops/sluice/internal/yamledit"
)

// span is the part of a file that one object takes up: lines from 1, both included.
type span struct {
	first, last int
	secret      bool // it is a Secret
	edited      bool // an edit is in it
}

// around is how many lines a diff shows on either side of a changed one.
const around = 3

// unified shows what edits change in a file, as a unified diff. Context comes from the edited
// objects only; a line that a Secret shares is hidden but for its mark, and values that look like
// credentials are. The spans are those of the file before and after.
func unified(file string, before, after []byte, was, is []span) string {
	old, now := yamledit.Lines(before), yamledit.Lines(after)
	var d strings.Builder
	fmt.Fprintf(&d, "--- a/%s\n+++ b/%s\n", file, file)
	rows := compareLines(old, now)
	keep := kept(rows, was)
	for first := 0; first < len(rows); first++ {
		last := first
		for last < len(rows) && keep[last] {
			last++
		}
		if last > first {
			hunk(&d, rows[first:last], was, is)
			first = last
		}
	}
	return d.String()
}

// row is one line of a diff: ' ', '-' or '+', with its numbers in the two files, from 1, and 0 for
// the file that has no such line.
type row struct {
	mark     byte
	text     string
	was, now int
}

// compareLines lines two files up. Of changed lines the old ones come first.
func compareLines(old, now []string) []row {
	var rows []row
	take := func(ops []difflib.OpCode, from int) {
		for _, op := range ops {
			if op.Tag == 'e' {
				for k := range op.I2 - op.I1 {
					rows = append(rows, row{' ', old[from+op.I1+k], from + op.I1 + k + 1, from + op.J1 + k + 1})
				}
				continue
			}
			for i := op.I1; i < op.I2; i++ {
				rows = append(rows, row{mark: '-', text: old[from+i], was: from + i + 1})
			}
			for j := op.J1; j < op.J2; j++ {
				rows = append(rows, row{mark: '+', text: now[from+j], now: from + j + 1})
			}
		}
	}
	if len(old) == len(now) {
		// Only scalars changed: each line is compared with its like.
		for i := range old {
			tag := byte('e')
			if old[i] != now[i] {
				tag = 'r'
			}
			take([]difflib.OpCode{{Tag: tag, I2: 1, J2: 1}}, i)
		}
		return rows
	}
	head := 0
	for head < min(len(old), len(now)) && old[head] == now[head] {
		head++
	}
	tail := 0
	for tail < min(len(old), len(now))-head && old[len(old)-1-tail] == now[len(now)-1-tail] {
		tail++
	}
	a, b := len(old)-tail, len(now)-tail
	take([]difflib.OpCode{{Tag: 'e', I2: head, J2: head}}, 0)
	take(difflib.NewMatcherWithJunk(old[head:a], now[head:b], false, nil).GetOpCodes(), head)
	for k := range tail {
		rows = append(rows, row{' ', old[a+k], a + k + 1, b + k + 1})
	}
	return rows
}

// kept marks the rows that a diff shows.
func kept(rows []row, was []span) []bool {
	keep := make([]bool, len(rows))
	for i := range rows {
		if rows[i].mark == ' ' {
			continue
		}
		keep[i] = true
		for k := i - 1; k >= max(0, i-around) && rows[k].context(was); k-- {
			keep[k] = true
		}
		for k := i + 1; k <= min(len(rows)-1, i+around) && rows[k].context(was); k++ {
			keep[k] = true
		}
	}
	return keep
}

// context says whether a row may be shown beside a changed one.
func (r row) context(was []span) bool { return r.mark != ' ' || shown(r.was, was) }

// hunk writes rows that follow one another.
func hunk(d *strings.Builder, rows []row, was, is []span) {
	var first row
	olds, news := 0, 0
	for _, r := range rows {
		if r.was > 0 {
			olds++
			first.was = cmp.Or(first.was, r.was)
		}
		if r.now > 0 {
			news++
			first.now = cmp.Or(first.now, r.now)
		}
	}
	fmt.Fprintf(d, "@@ -%d,%d +%d,%d @@\n", first.was, olds, first.now, news)
	for _, r := range rows {
		text := ""
		if r.mark == '+' {
			text = visible(r.text, r.now, is)
		} else {
			text = visible(r.text, r.was, was)
		}
		fmt.Fprintf(d, "%c%s\n", r.mark, text)
	}
}

// shown says whether a line belongs to an object that is edited.
func shown(line int, spans []span) bool {
	for _, s := range spans {
		if s.edited && !s.secret && s.first <= line && line <= s.last {
			return true
		}
	}
	return false
}

// credential is a key whose value is nobody's business, wherever it stands: by its name, and the
// value of an environment variable.
var credential = regexp.MustCompile(`(?i)(^|[\s{,-])["']?([\w.-]*(passw|secret|token|api-?_?key|credential|private-?_?key)[\w.-]*|value)(["']\s*:|:(\s|$))`)

// longest is how much of a line is shown, in runes: a whole manifest may stand on one.
const longest = 400

func visible(line string, n int, spans []span) string {
	for _, s := range spans {
		if s.secret && s.first <= n && n <= s.last {
			return "(hidden: the line is part of a Secret)"
		}
	}
	if at := credential.FindStringIndex(line); at != nil {
		return strings.TrimRight(line[:at[1]], " \t") + " (hidden)"
	}
	if utf8.RuneCountInString(line) > longest {
		return string([]rune(line)[:longest]) + "…"
	}
	return line
}
