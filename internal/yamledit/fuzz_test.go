package yamledit

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
	yamlv3 "gopkg.in/yaml.v3"
)

// An edit touches only its scalar: shown by another parser than the one that made it.
func FuzzEdit(f *testing.F) {
	for _, test := range exact {
		file := strings.NewReplacer("«", "", "»", "").Replace(test.file)
		for i := range uint(3) {
			f.Add([]byte(file), i*2+1, test.edit[0].Scalars[0].New)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, which uint, value string) {
		tr, err := parse(file)
		if err != nil {
			return
		}
		doc, path, old, ok := choose(tr, which)
		if !ok {
			return
		}
		edited, outcomes, err := Apply(file, []Change{{Doc: doc, Scalars: []Scalar{{Path: path, Old: old, New: value}}}})
		if err != nil {
			t.Fatalf("the file parsed a moment ago: %v", err)
		}
		if outcomes[0].Err != nil || old == value {
			if !bytes.Equal(edited, file) {
				t.Fatalf("refused, and yet changed: %q", edited)
			}
			return
		}
		onlyOneLine(t, file, edited)
		onlyOneScalar(t, file, edited, value)
	})
}

// choose picks one of a file's scalars and gives its path.
func choose(tr *tree, which uint) (doc int, path []any, old string, ok bool) {
	type place struct {
		doc  int
		path []any
		n    *node
	}
	var places []place
	var walk func(doc int, path []any, n *node)
	walk = func(doc int, path []any, n *node) {
		path = path[:len(path):len(path)]
		switch n.Kind {
		case yqlib.ScalarNode:
			places = append(places, place{doc, path, n})
		case yqlib.SequenceNode:
			for i, c := range n.Content {
				walk(doc, append(path, i), c)
			}
		case yqlib.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				if n.Content[i].Kind == yqlib.ScalarNode && n.Content[i].Tag != "!!merge" {
					walk(doc, append(path, n.Content[i].Value), n.Content[i+1])
				}
			}
		}
	}
	for i, n := range tr.docs {
		walk(i, nil, n)
	}
	if len(places) == 0 {
		return 0, nil, "", false
	}
	p := places[which%uint(len(places))]
	// Of duplicate keys the last one is edited: ask for what stands there.
	n, refused := tr.find(p.doc, p.path)
	if refused != nil {
		return 0, nil, "", false
	}
	return p.doc, p.path, n.Value, true
}

// onlyOneLine checks that what differs has no line break in it, before and after.
func onlyOneLine(t *testing.T, before, after []byte) {
	t.Helper()
	head := 0
	for head < min(len(before), len(after)) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < min(len(before), len(after))-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	if bytes.ContainsAny(before[head:len(before)-tail], "\r\n") || bytes.ContainsAny(after[head:len(after)-tail], "\r\n") {
		t.Fatalf("more than a line differs: %q, %q", before, after)
	}
}

func onlyOneScalar(t *testing.T, before, after []byte, value string) {
	t.Helper()
	was, err := scalars(before)
	if err != nil {
		return // yaml.v3 reads less than yq does
	}
	is, err := scalars(after)
	if err != nil {
		t.Fatalf("yaml.v3 read %q but not %q: %v", before, after, err)
	}
	if len(was) != len(is) {
		t.Fatalf("%d nodes, then %d: %q, %q", len(was), len(is), before, after)
	}
	differ := 0
	for i := range was {
		if was[i].Value == is[i].Value && was[i].Kind == is[i].Kind && was[i].Anchor == is[i].Anchor && was[i].Line == is[i].Line {
			continue
		}
		differ++
		if is[i].Value != value || is[i].ShortTag() != "!!str" {
			t.Fatalf("%q reads back as %s %q: %q", value, is[i].ShortTag(), is[i].Value, after)
		}
	}
	if differ != 1 {
		t.Fatalf("%d scalars differ: %q, %q", differ, before, after)
	}
}

// scalars are the nodes of a file in their order.
func scalars(file []byte) ([]*yamlv3.Node, error) {
	var nodes []*yamlv3.Node
	var walk func(n *yamlv3.Node)
	walk = func(n *yamlv3.Node) {
		nodes = append(nodes, n)
		for _, c := range n.Content {
			walk(c)
		}
	}
	decoder := yamlv3.NewDecoder(bytes.NewReader(file))
	for {
		var doc yamlv3.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		walk(&doc)
	}
}
