package yamledit

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// begin is the offset at which a node's text starts, behind its anchor and tag.
func (t *tree) begin(n *node) (int, bool) {
	at, ok := t.offset(n.Line, n.Column)
	if !ok {
		return 0, false
	}
	return skipProperties(t.file, at), true
}

// end is the offset behind a node's text; false where it cannot be told.
func (t *tree) end(n *node) (int, bool) {
	switch {
	case n.Kind == yqlib.ScalarNode:
		return t.scalarEnd(n)
	case n.Kind == yqlib.AliasNode:
		at, ok := t.begin(n)
		for ok && at < len(t.file) && !blank(t.file[at:]) && !strings.ContainsRune(",[]{}", rune(t.file[at])) {
			at++
		}
		return at, ok
	case n.Style&yqlib.FlowStyle != 0:
		return t.flowEnd(n)
	case len(n.Content) == 0:
		return 0, false
	}
	return t.lastEnd(n)
}

// lastEnd is the end of a collection's last item or entry.
func (t *tree) lastEnd(n *node) (int, bool) {
	last := len(n.Content) - 1
	if n.Kind == yqlib.MappingNode {
		return t.pairEnd(n.Content[last-1], n.Content[last])
	}
	if empty(n.Content[last]) {
		return 0, false
	}
	return t.end(n.Content[last])
}

// empty says whether a scalar has no text.
func empty(n *node) bool {
	return n.Kind == yqlib.ScalarNode && n.Value == "" && n.Style&^yqlib.TaggedStyle == 0
}

// pairEnd is the end of an entry.
func (t *tree) pairEnd(key, value *node) (int, bool) {
	if !empty(value) {
		return t.end(value)
	}
	if !isNull(value) {
		return 0, false // an anchor or a tag without a text
	}
	if at, ok := t.colon(key); ok {
		return at, true
	}
	at, ok := t.end(key)
	return at, ok && (at == len(t.file) || t.file[at] != ':')
}

// colon is the offset behind the colon after a key. Without a blank behind it readers do not agree
// whether it is one.
func (t *tree) colon(key *node) (int, bool) {
	if empty(key) {
		return 0, false
	}
	at, ok := t.end(key)
	if !ok {
		return 0, false
	}
	for at < len(t.file) && (t.file[at] == ' ' || t.file[at] == '\t') {
		at++
	}
	if at == len(t.file) || t.file[at] != ':' || at+1 < len(t.file) && !blank(t.file[at+1:]) {
		return 0, false
	}
	return at + 1, true
}

func (t *tree) scalarEnd(n *node) (int, bool) {
	at, ok := t.begin(n)
	if !ok || empty(n) {
		return 0, false
	}
	text := t.file[at:]
	switch length := 0; {
	case n.Style&yqlib.DoubleQuotedStyle != 0:
		length = doubleQuoted(text)
		return at + length, length > 0
	case n.Style&yqlib.SingleQuotedStyle != 0:
		length = singleQuoted(text)
		return at + length, length > 0
	case n.Style&(yqlib.LiteralStyle|yqlib.FoldedStyle) != 0:
		return t.blockEnd(n, at)
	}
	// Plain text over several lines: its value has the same letters and other white space.
	for _, b := range []byte(n.Value) {
		if b == ' ' || b == '\n' {
			continue
		}
		for at < len(t.file) && b != t.file[at] && blank(t.file[at:]) {
			at += max(lineBreak(t.file[at:]), 1)
		}
		if at == len(t.file) || t.file[at] != b {
			return 0, false
		}
		at++
	}
	return at, true
}

// blockEnd is the end of a block scalar: that of its last line with a text, or, where empty lines
// are kept, the start of the line behind it.
func (t *tree) blockEnd(n *node, at int) (int, bool) {
	line := t.lineAt(at)
	header, _, _ := strings.Cut(string(t.text(line)[at-t.lines[line-1]:]), "#")
	if strings.ContainsAny(header, "123456789") {
		return 0, false
	}
	last, indent := line, 0
	if strings.Trim(n.Value, " \t\n") != "" {
		for l := line + 1; l <= len(t.lines); l++ {
			text := t.text(l)
			if len(bytes.TrimSpace(text)) == 0 {
				continue
			}
			own := len(text) - len(bytes.TrimLeft(text, " "))
			if indent == 0 {
				indent = max(own, 1)
			}
			if own < indent {
				break
			}
			last = l
		}
	}
	if !strings.Contains(header, "+") {
		return t.lines[last-1] + len(t.text(last)), true
	}
	for last < len(t.lines) && len(bytes.TrimSpace(t.text(last+1))) == 0 {
		last++
	}
	return t.next(t.lines[last-1]), true
}

// flowEnd is the offset behind the bracket that closes a collection in flow style.
func (t *tree) flowEnd(n *node) (int, bool) {
	at, ok := t.begin(n)
	if !ok || at == len(t.file) {
		return 0, false
	}
	if n.Kind == yqlib.MappingNode && t.file[at] != '{' {
		return t.lastEnd(n) // one entry without braces, in brackets
	}
	at++
	if len(n.Content) > 0 {
		if at, ok = t.lastEnd(n); !ok {
			return 0, false
		}
	}
	at, _ = t.comma(at)
	if at = skipBlanks(t.file, at); at == len(t.file) || !strings.ContainsRune("]}", rune(t.file[at])) {
		return 0, false
	}
	return at + 1, true
}

// comma is the offset behind the comma that follows; where there is none, the offset itself.
func (t *tree) comma(at int) (int, bool) {
	if to := skipBlanks(t.file, at); to < len(t.file) && t.file[to] == ',' {
		return to + 1, true
	}
	return at, false
}

// text is a line's text, from 1, without its end.
func (t *tree) text(line int) []byte {
	from, to := t.lines[line-1], len(t.file)
	if line < len(t.lines) {
		to = t.lines[line]
	}
	for at := from; at < to; at++ {
		if lineBreak(t.file[at:]) > 0 {
			return t.file[from:at]
		}
	}
	return t.file[from:to]
}

// next is the start of the line behind the one in which an offset lies.
func (t *tree) next(at int) int {
	if line := t.lineAt(at); line < len(t.lines) {
		return t.lines[line]
	}
	return len(t.file)
}

// after is where a line can come in behind what ends at an offset; false where more than a
// comment stands behind it.
func (t *tree) after(end int) (int, bool) {
	if _, start := slices.BinarySearch(t.lines, end); start {
		return end, true
	}
	next := t.next(end)
	rest := bytes.TrimSpace(t.file[end:next])
	return next, len(rest) == 0 || rest[0] == '#'
}

// alone says whether nothing but blanks stands before an offset in its line.
func (t *tree) alone(at int) bool {
	return len(bytes.Trim(t.file[t.lines[t.lineAt(at)-1]:at], " ")) == 0
}
