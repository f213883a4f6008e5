package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Limits of one file. They keep memory bounded; what is beyond them could not be sent to a
// cluster either.
const (
	MaxFile     = 32 << 20 // bytes
	MaxDocument = 5 << 20  // bytes, as kubectl has it
	MaxObject   = 16 << 20 // bytes of JSON, so that a record fits a line of the stream
	maxDepth    = 500      // of mappings and sequences in each other, aliases followed
	maxSteps    = 4 << 20  // YAML nodes looked at for one document, aliases followed
)

// Object is one Kubernetes object of a file.
type Object struct {
	// Doc is the index of the YAML document in the file, from 0; documents that hold no object count.
	Doc int
	// Item is the index in the items of a list, from 0; nil for an object that stands by itself.
	Item *int
	// Line is the line at which the object starts, from 1.
	Line int
	// JSON is the object: keys sorted, no white space, no HTML escapes, numbers exact.
	JSON json.RawMessage
}

// Fault is a document, or an item of a list, that should be an object and is none.
type Fault struct {
	Doc  int
	Item *int
	// Line is where the fault is, from 1.
	Line int
	// Message says what is wrong, without the place.
	Message string
	// Hint says what to do about it; may be empty.
	Hint string
}

func (f *Fault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Message) }

// Parse returns the objects of a YAML file in their order, and its faults. A bad document does not
// keep the others from being read.
func Parse(text []byte) ([]Object, []*Fault) {
	if len(text) > MaxFile {
		return nil, []*Fault{{Line: 1, Message: fmt.Sprintf("the file has %d bytes, the limit is %d", len(text), MaxFile)}}
	}
	if bytes.HasPrefix(text, []byte{0xFE, 0xFF}) || bytes.HasPrefix(text, []byte{0xFF, 0xFE}) {
		return nil, []*Fault{{Line: 1, Message: "the file is UTF-16", Hint: "save it as UTF-8"}}
	}
	var objects []Object
	var faults []*Fault
	for i, d := range split(text) {
		found, bad := d.objects()
		for _, o := range found {
			o.Doc = i
			objects = append(objects, o)
		}
		for _, f := range bad {
			f.Doc = i
			if f.Hint == "" && bytes.Contains(d.text, []byte("{{")) {
				f.Hint = "a template is no manifest; keep it in a folder with a " + ChartFile + ", or outside the paths that are read"
			}
			faults = append(faults, f)
		}
	}
	return objects, faults
}

// document is the text of one YAML document and the number of lines before it.
type document struct {
	text   []byte
	before int
}

// split cuts a file at its document markers. A marker at the start of a line ends a document in
// every context that YAML has, so this needs no parser and one broken document stays alone.
// A document counts when a marker opens it, or when it has content; so count YAML parsers too.
func split(text []byte) []document {
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))
	var docs []document
	start, startLine, line := 0, 0, 0
	open := false // the current document has a marker or content of its own
	directive := false
	flush := func(end int) {
		if open {
			docs = append(docs, document{text[start:end], startLine})
		}
	}
	for at := 0; at < len(text); line++ {
		next := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			next = at + n + 1
		}
		row := bytes.TrimRight(text[at:next], " \t\r\n")
		switch {
		case marker(row, "---"):
			if !directive {
				flush(at)
				start, startLine = at, line
			}
			open, directive = true, false
		case marker(row, "..."):
			flush(at)
			start, startLine = next, line+1
			open, directive = false, false
		case !open && len(row) > 0 && row[0] == '%':
			if !directive {
				start, startLine = at, line
			}
			directive = true
		case !open && !directive && len(row) > 0 && bytes.TrimLeft(row, " \t")[0] != '#':
			start, startLine, open = at, line, true
		}
		at = next
	}
	if directive {
		open = true // for the parser to complain about
	}
	flush(len(text))
	return docs
}

func marker(row []byte, mark string) bool {
	rest, ok := bytes.CutPrefix(row, []byte(mark))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

// root parses the document; nil for an empty one.
func (d document) root() (n *yaml.Node, fault *Fault) {
	if len(d.text) > MaxDocument {
		return nil, &Fault{Line: d.before + 1, Message: fmt.Sprintf("the document has %d bytes, the limit is %d", len(d.text), MaxDocument)}
	}
	defer func() {
		// The parser panics on some odd comments.
		if r := recover(); r != nil {
			n, fault = nil, &Fault{Line: d.before + 1, Message: fmt.Sprintf("the YAML parser cannot read the document: %v", r)}
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(d.text))
	var doc yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, d.syntax(err)
	}
	var more yaml.Node
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, d.syntax(err)
		}
		return nil, &Fault{Line: d.before + more.Line, Message: "a document marker does not stand at the start of a line"}
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^line ([0-9]+): `)

// syntax turns the parser's error into a fault at the file's line.
func (d document) syntax(err error) *Fault {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	return &Fault{Line: d.before + line, Message: "not valid YAML: " + text}
}
