package manifest

import "gopkg.in/yaml.v3"

// Locate returns the line, from 1, of the value that a path leads to from the top of an object:
// strings are keys, ints indexes. For an object in a list, item is its index there. False where
// there is no such value.
func Locate(text []byte, doc int, item *int, path []any) (int, bool) {
	docs := split(text)
	if doc < 0 || doc >= len(docs) {
		return 0, false
	}
	n, fault := docs[doc].root()
	if fault != nil || n == nil {
		return 0, false
	}
	if item != nil {
		path = append([]any{"items", *item}, path...)
	}
	for _, step := range path {
		if n = child(deref(n), step); n == nil {
			return 0, false
		}
	}
	return docs[doc].before + n.Line, true
}

func child(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case string:
		return field(n, step)
	case int:
		if n != nil && n.Kind == yaml.SequenceNode && step >= 0 && step < len(n.Content) {
			return n.Content[step]
		}
	}
	return nil
}
