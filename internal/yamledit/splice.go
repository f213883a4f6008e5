package yamledit

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// cut replaces the bytes of one scalar.
type cut struct {
	node     *node
	from, to int // offsets in the file
	line     int
	text     string // what is written
	value    string // what it must read back as
}

// locate finds a scalar's bytes and the ones to put in their place.
func (t *tree) locate(doc int, scalar Scalar) (cut, *RefusedError) {
	n, refused := t.find(doc, scalar.Path)
	if refused != nil {
		return cut{}, refused
	}
	if reason := unfit(n, scalar); reason != "" {
		return cut{}, &RefusedError{Line: n.Line, Reason: reason}
	}
	from, ok := t.offset(n.Line, n.Column)
	if ok {
		from = skipProperties(t.file, from)
	}
	length := 0
	if ok {
		length = scalarLength(t.file[from:], n)
	}
	if length == 0 {
		return cut{}, &RefusedError{Line: n.Line, Reason: "its text does not stand on one line, or not where it should"}
	}
	return cut{
		node: n, from: from, to: from + length, line: t.lineAt(from),
		text: write(scalar.New, n), value: scalar.New,
	}, nil
}

// unfit says why a node is not edited; empty where it can be.
func unfit(n *node, scalar Scalar) string {
	switch {
	case n.Kind != yqlib.ScalarNode:
		return "this is no scalar"
	case n.Value != scalar.Old:
		return fmt.Sprintf("it is %q, not %q: the file has changed", n.Value, scalar.Old)
	case n.Style&(yqlib.LiteralStyle|yqlib.FoldedStyle) != 0:
		return "it is a block scalar; write it on one line"
	case n.Value == "" && n.Style&(yqlib.SingleQuotedStyle|yqlib.DoubleQuotedStyle) == 0:
		return "it is empty"
	case n.Style&yqlib.TaggedStyle != 0 && n.Tag != "!!str":
		return "it has the tag " + n.Tag + ", so a string cannot stand there"
	case scalar.New == "" || strings.ContainsFunc(scalar.New, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Sprintf("%q cannot be written on one line", scalar.New)
	}
	return ""
}

// skipProperties leads past the anchor and the tag that may stand before a scalar's text, and
// what may stand between them.
func skipProperties(file []byte, at int) int {
	for at < len(file) && (file[at] == '&' || file[at] == '!') {
		if bytes.HasPrefix(file[at:], []byte("!<")) {
			at += max(bytes.IndexByte(file[at:], '>'), 0)
		}
		for at < len(file) && !blank(file[at:]) && !strings.ContainsRune(",[]{}", rune(file[at])) {
			at++
		}
		at = skipBlanks(file, at)
	}
	return at
}

func skipBlanks(file []byte, at int) int {
	for at < len(file) && (blank(file[at:]) || file[at] == '#') {
		if file[at] == '#' {
			for at < len(file) && lineBreak(file[at:]) == 0 {
				at++
			}
			continue
		}
		at += max(lineBreak(file[at:]), 1)
	}
	return at
}

func blank(text []byte) bool {
	return text[0] == ' ' || text[0] == '\t' || lineBreak(text) > 0
}

// scalarLength is the length of a scalar's text, quotes included; 0 where the text at hand is
// not the node's, or goes over several lines.
func scalarLength(text []byte, n *node) int {
	var length int
	switch {
	case n.Style&yqlib.DoubleQuotedStyle != 0:
		length = doubleQuoted(text)
	case n.Style&yqlib.SingleQuotedStyle != 0:
		length = singleQuoted(text)
	case bytes.HasPrefix(text, []byte(n.Value)):
		length = len(n.Value)
	}
	for i := range length {
		if lineBreak(text[i:]) > 0 {
			return 0
		}
	}
	return length
}

func doubleQuoted(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

func singleQuoted(text []byte) int {
	if len(text) == 0 || text[0] != '\'' {
		return 0
	}
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		if i+1 == len(text) || text[i+1] != '\'' {
			return i + 1
		}
		i++
	}
	return 0
}

// write spells a value in the style of the node that it replaces.
func write(value string, n *node) string {
	switch {
	case n.Style&yqlib.SingleQuotedStyle != 0:
		return "'" + strings.ReplaceAll(value, "'", "''") + "'"
	case n.Style&yqlib.DoubleQuotedStyle == 0 && staysPlain(value):
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}
