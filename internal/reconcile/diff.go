package reconcile

import (
	"strings"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// around is how many lines a diff shows on either side of a changed one.
const around = 3

// longest is how much of a line is shown, in runes: a certificate or a whole file may stand on one.
const longest = 160

// Unified is a change as a unified diff between what two names stand for.
func Unified(c kube.Change, from, to string) string {
	if c.Before == nil {
		from = "/dev/null"
	}
	if c.After == nil {
		to = "/dev/null"
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(c.Before), B: lines(c.After), FromFile: from, ToFile: to, Context: around})
	if err != nil {
		return "" // a buffer takes all that is written to it
	}
	var short strings.Builder
	for line := range strings.Lines(text) {
		if utf8.RuneCountInString(line) > longest {
			line = string([]rune(line)[:longest]) + "…\n"
		}
		short.WriteString(line)
	}
	return short.String()
}

func lines(text []byte) []string {
	var all []string
	for line := range strings.Lines(string(text)) {
		all = append(all, line)
	}
	return all
}
