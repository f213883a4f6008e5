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

// unified shows what an edit changes in a file, as a unified diff. An edit changes lines and
// never adds or removes any. Context comes from the edited objects only; a line that a Secret
// shares is hidden but for its mark, and values that look like credentials are.
func unified(file string, before, after []byte, spans []span) string {
	old, now := yamledit.Lines(before), yamledit.Lines(after)
	var changed []int
	for i := range old {
		if i < len(now) && old[i] != now[i] {
			changed = append(changed, i)
		}
	}
	var d strings.Builder
	fmt.Fprintf(&d, "--- a/%s\n+++ b/%s\n", file, file)
	for len(changed) > 0 {
		n := 1
		for n < len(changed) && changed[n]-changed[n-1] <= 2*around {
			n++
		}
		hunk(&d, old, now, changed[:n], spans)
		changed = changed[n:]
	}
	return d.String()
}

// hunk writes neighbouring changes and the lines around them.
func hunk(d *strings.Builder, old, now []string, changed []int, spans []span) {
	first, last := changed[0], changed[len(changed)-1]
	for range around {
		if first > 0 && shown(first, spans) {
			first--
		}
		if last < len(old)-1 && shown(last+2, spans) {
			last++
		}
	}
	fmt.Fprintf(d, "@@ -%d,%d +%d,%d @@\n", first+1, last-first+1, first+1, last-first+1)
	for i := first; i <= last; i++ {
		if old[i] == now[i] {
			d.WriteString(" " + visible(old[i], i+1, spans) + "\n")
			continue
		}
		d.WriteString("-" + visible(old[i], i+1, spans) + "\n")
		d.WriteString("+" + visible(now[i], i+1, spans) + "\n")
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
