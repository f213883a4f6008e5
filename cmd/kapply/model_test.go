package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// model is what a namespace must hold, by rules that are written down here a second time and in
// another way: key by key, without lists, digests or managed fields.
type model struct {
	git     map[string]map[string]spec // by source and key
	live    map[string]*thing
	entries map[string]entry
}

// A key is kind and name: "ConfigMap/a".

// spec is an object in git.
type spec struct {
	value  string
	ignore string // "", "true", "sync_only"
}

// thing is an object in the cluster.
type thing struct {
	value, ignore string
	uid           string // empty until it was looked at
	// theirs says that the annotation was set by somebody else.
	theirs bool
	// helm says that another deployment tool owns the value.
	helm bool
	// bystander says that nobody asked for it: it must stay as it is, to the last byte.
	bystander string // its resourceVersion
}

// entry is one of the inventory.
type entry struct {
	source string
	uid    string // of the object that was applied; "" where none was
	mine   *thing // the same before its UID was looked at
	keep   bool
}

// part is one source of a stream.
type part struct {
	source string
	specs  map[string]spec
	whole  bool
}

// run predicts one run: what it leaves, and whether all of it went well.
func (m *model) run(parts []part, prune bool) (good bool) {
	here, failed := map[string]part{}, map[string]bool{}
	brought := map[string][]string{} // sources by key
	good = len(parts) > 0 || !prune
	for _, p := range parts {
		here[p.source] = p
		good = good && (p.whole || !prune)
		for key := range p.specs {
			brought[key] = append(brought[key], p.source)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(brought)) {
		for _, source := range m.bring(key, brought[key], here) {
			failed[source], good = true, false
		}
	}
	for key, e := range maps.All(maps.Clone(m.entries)) {
		p, inStream := here[e.source]
		if prune && brought[key] == nil && inStream && p.whole {
			m.remove(key, failed[e.source])
		}
	}
	return good
}

// bring applies one key, and names the sources that failed at it.
func (m *model) bring(key string, sources []string, here map[string]part) (failed []string) {
	first := here[sources[0]].specs[key]
	if len(sources) > 1 {
		if first.ignore == "true" {
			return sources[1:]
		}
		return sources
	}
	source, t := sources[0], m.live[key]
	e, held := m.entries[key]
	switch {
	case first.ignore == "true":
		return nil
	case held && e.source != source && !here[e.source].whole:
		return sources
	case t != nil && t.ignore == "true":
		return nil
	}
	if !held {
		e.source = source
	}
	e.keep = first.ignore != ""
	if t != nil && t.helm && t.value != first.value {
		m.entries[key] = e
		return sources
	}
	if t == nil {
		t = &thing{}
		m.live[key] = t
	}
	t.value = first.value
	if first.ignore != "" || !t.theirs {
		t.theirs = t.theirs && t.ignore == first.ignore
		t.ignore = first.ignore
	}
	m.entries[key] = entry{source: source, keep: e.keep, uid: t.uid, mine: t}
	return nil
}

// remove prunes one key that nobody wants.
func (m *model) remove(key string, failed bool) {
	e, t := m.entries[key], m.live[key]
	switch {
	case t == nil, e.mine != t:
		delete(m.entries, key)
	case t.ignore != "" || e.keep || failed:
	default:
		delete(m.entries, key)
		delete(m.live, key)
	}
}

// String is the state on lines, in order; what was looked at can be compared with it.
func (m *model) String() string {
	var lines []string
	for key, t := range m.live {
		lines = append(lines, fmt.Sprintf("%s: value %s ignore %q", key, t.value, t.ignore))
	}
	for key, e := range m.entries {
		lines = append(lines, fmt.Sprintf("inventory: %s of %s", key, e.source))
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(a, b) })
	return strings.Join(lines, "\n")
}
