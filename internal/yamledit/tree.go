package yamledit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
)

// No yq expression is evaluated here. Should one ever be, it must not read the environment or files.
func init() {
	yqlib.ConfiguredSecurityPreferences = yqlib.SecurityPreferences{DisableEnvOps: true, DisableFileOps: true}
}

type node = yqlib.CandidateNode

// tree is a file and what yq makes of it.
type tree struct {
	file  []byte
	skip  int // bytes before the YAML: a byte order mark
	docs  []*node
	lines []int // offsets at which lines start
}

var byteOrderMark = []byte("\ufeff")

func parse(file []byte) (*tree, error) {
	if !utf8.Valid(file) {
		return nil, errors.New("reading YAML: the file is not UTF-8")
	}
	t := &tree{file: file}
	if bytes.HasPrefix(file, byteOrderMark) {
		// yq counts columns from behind the mark.
		t.skip = len(byteOrderMark)
	}
	docs, err := decode(file[t.skip:])
	if err != nil {
		return nil, fmt.Errorf("reading YAML: %w", err)
	}
	t.docs = docs
	t.lines = lineStarts(file, t.skip)
	return t, nil
}

func decode(text []byte) ([]*node, error) {
	preferences := yqlib.NewDefaultYamlPreferences()
	// Otherwise yq cuts off what stands before the first node, and its lines are short by that.
	preferences.LeadingContentPreProcessing = false
	decoder := yqlib.NewYamlDecoder(preferences)
	if err := decoder.Init(bytes.NewReader(text)); err != nil {
		return nil, err
	}
	var docs []*node
	for {
		doc, err := decoder.Decode()
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
}

// Lines splits a file into its lines, without their ends, as YAML counts them: at CR LF, LF, CR,
// NEL, LS and PS. The lines that an [Outcome] names are counted so.
func Lines(file []byte) []string {
	starts := lineStarts(file, 0)
	lines := make([]string, len(starts))
	for i, start := range starts {
		end := len(file)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		lines[i] = strings.TrimRight(string(file[start:end]), "\r\n\u0085\u2028\u2029")
	}
	if last := len(lines) - 1; last > 0 && lines[last] == "" {
		lines = lines[:last] // what ends in a line break has no line behind it
	}
	return lines
}

// lineStarts splits lines as the YAML parser does, which is not only at \n.
func lineStarts(file []byte, skip int) []int {
	starts := []int{skip}
	for at := skip; at < len(file); {
		n := lineBreak(file[at:])
		if n == 0 {
			at++
			continue
		}
		at += n
		starts = append(starts, at)
	}
	return starts
}

// lineBreak is the length of the line break at the start of text, 0 where there is none:
// CR LF, CR, LF, NEL, LS or PS.
func lineBreak(text []byte) int {
	for _, b := range []string{"\r\n", "\r", "\n", "\u0085", "\u2028", "\u2029"} {
		if len(text) >= len(b) && string(text[:len(b)]) == b {
			return len(b)
		}
	}
	return 0
}

// offset finds the byte at a line and a column, both from 1. yq counts columns in runes.
func (t *tree) offset(line, column int) (int, bool) {
	if line < 1 || line > len(t.lines) || column < 1 {
		return 0, false
	}
	at := t.lines[line-1]
	for range column - 1 {
		if at >= len(t.file) {
			return 0, false
		}
		_, n := utf8.DecodeRune(t.file[at:])
		at += n
	}
	return at, at < len(t.file)
}

// lineAt is the line, from 1, in which an offset lies.
func (t *tree) lineAt(offset int) int {
	i, found := slices.BinarySearch(t.lines, offset)
	if found {
		return i + 1
	}
	return i
}

// find follows a path from the top of a document.
func (t *tree) find(doc int, path []any) (*node, *RefusedError) {
	if doc < 0 || doc >= len(t.docs) {
		return nil, &RefusedError{Reason: fmt.Sprintf("the file has no document %d", doc)}
	}
	at, steps := t.docs[doc], maxSteps
	for _, element := range path {
		next, err := child(at, element, &steps)
		if err != nil {
			return nil, &RefusedError{Line: at.Line, Reason: err.Error()}
		}
		at = next
	}
	return resolve(at), nil
}

// maxSteps bounds the search through merge keys, which can be nested to grow without end.
const maxSteps = 10_000

func child(parent *node, element any, steps *int) (*node, error) {
	parent = resolve(parent)
	if i, ok := index(element); ok {
		if parent.Kind != yqlib.SequenceNode || i < 0 || i >= len(parent.Content) {
			return nil, errors.New("nothing stands at this path")
		}
		return parent.Content[i], nil
	}
	key, ok := element.(string)
	if !ok {
		return nil, fmt.Errorf("a path element is a %T", element)
	}
	value := lookup(parent, key, steps)
	if *steps <= 0 {
		return nil, errors.New("its merge keys are nested too deeply")
	}
	if value == nil {
		return nil, errors.New("nothing stands at this path")
	}
	return value, nil
}

// lookup finds a key's value as YAML does: of several the last one counts, and a key of the
// mapping's own before those that it merges in.
func lookup(mapping *node, key string, steps *int) *node {
	if *steps--; *steps <= 0 || mapping.Kind != yqlib.MappingNode {
		return nil
	}
	for i := len(mapping.Content) - 2; i >= 0; i -= 2 {
		if k := mapping.Content[i]; k.Kind == yqlib.ScalarNode && k.Tag != "!!merge" && k.Value == key {
			return mapping.Content[i+1]
		}
	}
	return merged(mapping, key, steps)
}

// merged finds a key's value in what a mapping merges in.
func merged(mapping *node, key string, steps *int) *node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Tag != "!!merge" {
			continue
		}
		merged := resolve(mapping.Content[i+1])
		from := []*node{merged}
		if merged.Kind == yqlib.SequenceNode {
			from = merged.Content
		}
		for _, m := range from {
			if value := lookup(resolve(m), key, steps); value != nil {
				return value
			}
		}
	}
	return nil
}

func resolve(n *node) *node {
	if n.Kind == yqlib.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// shared names the anchors, on the node or around it, that are used elsewhere.
func (t *tree) shared(doc int, n *node) []string {
	var anchors []string
	for ; n != nil; n = n.Parent {
		if n.Anchor != "" && aliased(t.docs[doc], n) {
			anchors = append(anchors, n.Anchor)
		}
	}
	return anchors
}

// aliased says whether an alias anywhere below the node stands for the target.
func aliased(n, target *node) bool {
	if n.Kind == yqlib.AliasNode {
		return n.Alias == target
	}
	return slices.ContainsFunc(n.Content, func(c *node) bool { return aliased(c, target) })
}

func index(element any) (int, bool) {
	switch i := element.(type) {
	case int:
		return i, true
	case float64:
		return int(i), i == math.Trunc(i)
	case json.Number:
		n, err := i.Int64()
		return int(n), err == nil
	}
	return 0, false
}
