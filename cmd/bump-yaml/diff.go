package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

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

// unified shows what edits change in a file, as a unified diff. They change lines and never add or
// remove any. Context comes from the edited objects only; a line that a Secret
// shares is hidden but for its mark, and values that look like credentials are.
func unified(file string, before, after []byte, spans []span) string {
	old, now := yamledit.Lines(before), yamledit.Lines(after)
	var d strings.Builder
	fmt.Fprintf(&d, "--- a/%s\n+++ b/%s\n", file, file)
	keep := kept(old, now, spans)
	for first := 0; first < len(old); first++ {
		last := first
		for last < len(old) && keep[last] {
			last++
		}
		if last > first {
			hunk(&d, old[first:last], now[first:last], first+1, spans)
			first = last
		}
	}
	return d.String()
}

// kept marks the lines, from 0, that a diff shows.
func kept(old, now []string, spans []span) []bool {
	keep := make([]bool, len(old))
	for i := range old {
		if old[i] == now[i] {
			continue
		}
		keep[i] = true
		for k := i - 1; k >= max(0, i-around) && shown(k+1, spans); k-- {
			keep[k] = true
		}
		for k := i + 1; k <= min(len(old)-1, i+around) && shown(k+1, spans); k++ {
			keep[k] = true
		}
	}
	return keep
}

// hunk writes lines, of which the first one has the number n.
func hunk(d *strings.Builder, old, now []string, n int, spans []span) {
	fmt.Fprintf(d, "@@ -%d,%d +%d,%d @@\n", n, len(old), n, len(old))
	for i := range old {
		if old[i] == now[i] {
			d.WriteString(" " + visible(old[i], n+i, spans) + "\n")
			continue
		}
		d.WriteString("-" + visible(old[i], n+i, spans) + "\n")
		d.WriteString("+" + visible(now[i], n+i, spans) + "\n")
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
