package yamledit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
	yamlv3 "gopkg.in/yaml.v3"
)

// An entry comes, changes or goes, and nothing else does: shown by another parser than the one
// that made the edit.
func FuzzEntry(f *testing.F) {
	for _, test := range entries {
		for i := range uint(4) {
			f.Add([]byte(test.file), i, test.entries[0].Key, "x", test.entries[0].Delete)
			f.Add([]byte(test.file), i, "new", "true", false)
		}
	}
	for _, test := range exact {
		f.Add([]byte(test.file), uint(0), "new", "va lue", false)
	}
	f.Fuzz(func(t *testing.T, file []byte, which uint, key, value string, gone bool) {
		tr, err := parse(file)
		if err != nil {
			return
		}
		doc, path, ok := chooseMapping(tr, which)
		if !ok {
			return
		}
		e := Entry{Path: path, Key: key, Value: value, Delete: gone}
		edited, outcomes, err := Apply(file, []Change{{Doc: doc, Entries: []Entry{e}}})
		if err != nil {
			t.Fatalf("the file parsed a moment ago: %v", err)
		}
		out := outcomes[0]
		if out.Err != nil || out.Done {
			if !bytes.Equal(edited, file) {
				t.Fatalf("refused or done, and yet changed: %q", edited)
			}
			return
		}
		if gone && !subsequence(edited, file) {
			t.Fatalf("to delete changed something else: %q, %q", file, edited)
		}
		was, err := models(file)
		if err != nil {
			return // yaml.v3 reads less than yq does
		}
		is, err := models(edited)
		if err != nil {
			t.Fatalf("yaml.v3 read %q but not %q: %v", file, edited, err)
		}
		was[doc].edit(e)
		if got, want := fmt.Sprint(is), fmt.Sprint(was); got != want {
			t.Fatalf("%q became %q:\n%s\n%s", file, edited, got, want)
		}
		again, outcomes, err := Apply(edited, []Change{{Doc: doc, Entries: []Entry{e}}})
		if err != nil || !bytes.Equal(again, edited) || !outcomes[0].Done && outcomes[0].Err == nil {
			t.Fatalf("the second time: %q, %v, %v", again, outcomes[0], err)
		}
	})
}

// chooseMapping picks a mapping or a null of a file, or a place where there is none.
func chooseMapping(tr *tree, which uint) (doc int, path []any, ok bool) {
	type place struct {
		doc  int
		path []any
	}
	var all []place
	var walk func(doc int, path []any, n *node)
	walk = func(doc int, path []any, n *node) {
		path = path[:len(path):len(path)]
		if n.Kind == yqlib.MappingNode || isNull(n) {
			all = append(all, place{doc, path})
		}
		if n.Kind == yqlib.SequenceNode {
			for i, c := range n.Content {
				walk(doc, append(path, i), c)
			}
		}
		if n.Kind == yqlib.MappingNode {
			all = append(all, place{doc, append(path, "fresh")})
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
	if len(all) == 0 {
		return 0, nil, false
	}
	p := all[which%uint(len(all))]
	return p.doc, p.path, true
}

// subsequence says whether a text is another one with parts taken out.
func subsequence(part, whole []byte) bool {
	for _, b := range whole {
		if len(part) > 0 && part[0] == b {
			part = part[1:]
		}
	}
	return len(part) == 0
}

// model is a document as yaml.v3 reads it: scalars as tag and text, an alias as its anchor's name.
type model struct {
	text   string
	keys   []string
	values []*model
	kind   yamlv3.Kind
}

func (m *model) String() string {
	if m.kind == yamlv3.ScalarNode || m.kind == yamlv3.AliasNode {
		return m.text
	}
	s := m.text + "{"
	order := make([]int, len(m.values))
	for i := range order {
		order[i] = i
	}
	if m.kind == yamlv3.MappingNode {
		slices.SortStableFunc(order, func(a, b int) int { return cmpString(m.keys[a], m.keys[b]) })
	}
	for _, i := range order {
		if m.kind == yamlv3.MappingNode {
			s += m.keys[i] + "="
		}
		s += m.values[i].String() + ";"
	}
	return s + "}"
}

func cmpString(a, b string) int { return bytes.Compare([]byte(a), []byte(b)) }

func models(file []byte) ([]*model, error) {
	var list []*model
	decoder := yamlv3.NewDecoder(bytes.NewReader(file))
	for {
		var doc yamlv3.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		m := &model{kind: yamlv3.ScalarNode}
		if len(doc.Content) > 0 {
			m = modelOf(doc.Content[0])
		}
		list = append(list, m)
	}
}

func modelOf(n *yamlv3.Node) *model {
	m := &model{kind: n.Kind}
	if n.Anchor != "" {
		m.text = "&" + n.Anchor + " "
	}
	switch n.Kind {
	case yamlv3.AliasNode:
		m.text = "*" + n.Value
	case yamlv3.ScalarNode:
		m.text += fmt.Sprintf("%s %q", n.ShortTag(), n.Value)
	case yamlv3.SequenceNode:
		for _, c := range n.Content {
			m.values = append(m.values, modelOf(c))
		}
	case yamlv3.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			m.keys = append(m.keys, modelOf(n.Content[i]).String())
			m.values = append(m.values, modelOf(n.Content[i+1]))
		}
	}
	return m
}

// edit does to the model what the entry does to the file.
func (m *model) edit(e Entry) {
	if len(e.Path) > 0 {
		if i, ok := index(e.Path[0]); ok {
			m.values[i].edit(Entry{Path: e.Path[1:], Key: e.Key, Value: e.Value, Delete: e.Delete})
			return
		}
		name := fmt.Sprintf("!!str %q", e.Path[0])
		at := m.find(e.Path[0].(string))
		if at < 0 {
			at = len(m.keys)
			m.keys, m.values = append(m.keys, name), append(m.values, &model{kind: yamlv3.MappingNode})
		}
		inner := m.values[at]
		inner.edit(Entry{Path: e.Path[1:], Key: e.Key, Value: e.Value, Delete: e.Delete})
		if len(e.Path) == 1 && len(inner.keys) == 0 {
			m.keys, m.values = slices.Delete(m.keys, at, at+1), slices.Delete(m.values, at, at+1)
		}
		return
	}
	if m.kind == yamlv3.ScalarNode {
		*m = model{kind: yamlv3.MappingNode}
	}
	at := m.find(e.Key)
	if e.Delete {
		m.keys, m.values = slices.Delete(m.keys, at, at+1), slices.Delete(m.values, at, at+1)
		return
	}
	if at < 0 {
		at = len(m.keys)
		m.keys, m.values = append(m.keys, fmt.Sprintf("!!str %q", e.Key)), append(m.values, nil)
	}
	anchor := ""
	if old := m.values[at]; old != nil && len(old.text) > 0 && old.text[0] == '&' {
		anchor = old.text[:bytes.IndexByte([]byte(old.text), ' ')+1]
	}
	m.values[at] = &model{kind: yamlv3.ScalarNode, text: anchor + fmt.Sprintf("!!str %q", e.Value)}
}

// find is the last entry whose key reads so, whatever its type and anchor.
func (m *model) find(key string) int {
	for i := len(m.keys) - 1; i >= 0; i-- {
		if bytes.HasSuffix([]byte(m.keys[i]), fmt.Appendf(nil, " %q", key)) {
			return i
		}
	}
	return -1
}
