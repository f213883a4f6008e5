package main

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

// show shows a person what has changed of an object.
func (r *report) show(result kube.Result, id string) {
	switch {
	case !r.o.diff:
	case result.Change != nil:
		r.s.Diff(unified(*result.Change, id))
	case result.Action == kube.Pruned:
		r.s.Diff("--- live/" + id + "\n+++ /dev/null\n")
	}
}

// unified is a change as a unified diff.
func unified(c kube.Change, id string) string {
	before, from := lines(c.Before), "live/"+id
	if c.Before == nil {
		from = "/dev/null"
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: before, B: lines(c.After), FromFile: from, ToFile: "applied/" + id, Context: around})
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
