package kube

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// foresee adds to the answer to a dry run what taking the object over will do.
func (a *applied) foresee(from []string) {
	note := describeTakeOver(from)
	going := goingWith(&a.meta)
	var names []string
	for _, path := range going {
		names = append(names, path.String())
	}
	if names != nil {
		note += ", without " + few(names)
	}
	a.notes, a.taken = append(a.notes, note), nil
	if left, err := withoutFields(a.whole, going); err == nil {
		a.whole = left
	}
}

// goingWith lists what will go when an object is taken over, as the answer to a dry run tells, which
// cannot take over: fields that were applied client-side and that neither we nor anybody else wants.
// The old owner's entry holds defaults too, which come back; the annotation tells what was applied.
func goingWith(m *partialMetadata) []fieldPath {
	var theirs, kept fieldSet
	for _, entry := range m.ManagedFields {
		if entry.clientSide() {
			theirs = theirs.union(entry.fields())
		} else {
			kept = kept.union(entry.fields())
		}
	}
	var given any
	if json.Unmarshal([]byte(m.Annotations[lastApplied]), &given) != nil {
		return nil
	}
	return slices.DeleteFunc(theirs.without(kept), func(path fieldPath) bool { return !reaches(given, path) })
}

// withoutFields gives an object without some of its fields, and without kubectl's annotation.
func withoutFields(raw json.RawMessage, fields []fieldPath) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var object any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	for _, path := range append(slices.Clone(fields), lastAppliedPath) {
		object = cut(object, path)
	}
	return json.Marshal(object)
}

// step finds what a key of a path stands for; nil where it is not there.
func step(value any, key string) (child any, index int) {
	kind, rest, _ := strings.Cut(key, ":")
	switch node := value.(type) {
	case map[string]any:
		if kind == "f" {
			return node[rest], -1
		}
	case []any:
		for i, item := range node {
			if isItem(item, kind, rest) {
				return item, i
			}
		}
	}
	return nil, -1
}

// isItem says whether an item of a list is the one that a path names, by its keys or by its value.
func isItem(item any, kind, rest string) bool {
	var wanted any
	if json.Unmarshal([]byte(rest), &wanted) != nil {
		return false
	}
	if kind == "v" {
		return same(item, wanted)
	}
	keys, ok := wanted.(map[string]any)
	fields, isMap := item.(map[string]any)
	if kind != "k" || !ok || !isMap {
		return false
	}
	for key, value := range keys {
		// A key that is left out has its default, for example the protocol of a port.
		if given, there := fields[key]; there && !same(given, value) {
			return false
		}
	}
	return true
}

func reaches(value any, path fieldPath) bool {
	for _, key := range path {
		if value, _ = step(value, key); value == nil {
			return false
		}
	}
	return true
}

// cut takes a field out of a value.
func cut(value any, path fieldPath) any {
	child, index := step(value, path[0])
	if child == nil {
		return value
	}
	last := len(path) == 1
	if !last {
		child = cut(child, path[1:])
	}
	switch node := value.(type) {
	case map[string]any:
		name := strings.TrimPrefix(path[0], "f:")
		if node[name] = child; last {
			delete(node, name)
		}
	case []any:
		if last {
			return slices.Delete(node, index, index+1)
		}
		node[index] = child
	}
	return value
}
