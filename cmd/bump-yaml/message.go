package main

import (
	"fmt"
	"slices"
	"strings"
)

// message is the commit's message for the references that it brings.
func message(refs []string) string {
	refs = slices.Compact(slices.Sorted(slices.Values(refs)))
	if len(refs) == 1 {
		return "Auto-release " + refs[0] + "\n"
	}
	var m strings.Builder
	fmt.Fprintf(&m, "Auto-release multiple (%d) images\n\n", len(refs))
	for _, ref := range refs {
		fmt.Fprintf(&m, " - %s\n", ref)
	}
	return m.String()
}
