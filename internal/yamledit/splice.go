package yamledit

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// cut replaces the bytes of one scalar, or those of lines that come and go.
type cut struct {
	from, to int    // offsets in the file
	text     string // what is written
	node     *node  // the scalar; nil for lines
	line     int    // the scalar's line
	value    string // what the scalar must read back as
	depth    int    // how far to the right the mapping stands that lines come into
	news     []landing
}

// landing is where entries that a cut brings come to stand: so many lines below its start.
type landing struct {
	line int
	news []*grown
}

// locate finds a scalar's bytes and the ones to put in their place.
func (t *tree) locate(n *node, scalar Scalar) (cut, *RefusedError) {
	if reason := unfit(n, scalar); reason != "" {
		return cut{}, &RefusedError{Line: n.Line, Reason: reason}
	}
	found := cut{node: n, value: scalar.New, depth: math.MaxInt}
	if empty(n) {
		at, ok := 0, false
		if key := keyOf(n); key != nil {
			at, ok = t.colon(key)
		}
		if !ok {
			return cut{}, &RefusedError{Line: n.Line, Reason: "it is empty, and no key stands before it"}
		}
		found.from, found.to, found.text = at, at, " "+t.write(scalar.New, n)
	} else {
		from, ok := t.begin(n)
		length := 0
		if ok {
			length = scalarLength(t.file[from:], n)
		}
		if length == 0 {
			return cut{}, &RefusedError{Line: n.Line, Reason: "its text does not stand on one line, or not where it should"}
		}
		found.from, found.to, found.text = from, from+length, t.write(scalar.New, n)
	}
	found.line = t.lineAt(found.from)
	return found, nil
}

// unfit says why a node is not edited; empty where it can be.
func unfit(n *node, scalar Scalar) string {
	text := n.Value
	if isNull(n) {
		text = ""
	}
	switch {
	case n.Kind != yqlib.ScalarNode:
		return "this is no scalar"
	case text != scalar.Old:
		return fmt.Sprintf("it is %q, not %q: the file has changed", n.Value, scalar.Old)
	case n.Style&(yqlib.LiteralStyle|yqlib.FoldedStyle) != 0:
		return "it is a block scalar; write it on one line"
	case empty(n) && !isNull(n):
		return "it is empty, with an anchor or a tag"
	case n.Style&yqlib.TaggedStyle != 0 && n.Tag != "!!str":
		return "it has the tag " + n.Tag + ", so a string cannot stand there"
	case scalar.New == "" || !printable(scalar.New):
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
func (t *tree) write(value string, n *node) string {
	if mark, quoted := quotes(n); quoted {
		return quote(value, mark)
	}
	if staysPlain(value) {
		return value
	}
	if n.Parent == nil {
		return quote(value, '"')
	}
	return quote(value, t.mark(n.Parent))
}
