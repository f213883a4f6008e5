package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gitops/sluice/internal/stage"
)

// identity is an object's ID in its parts.
type identity struct {
	kind, group, namespace, name string
}

// parseID takes an ID as records spell it apart: Kind[.group]/[namespace/]name.
func parseID(id string) identity {
	kind, rest, _ := strings.Cut(id, "/")
	var i identity
	i.kind, i.group, _ = strings.Cut(kind, ".")
	var found bool
	if i.namespace, i.name, found = strings.Cut(rest, "/"); !found {
		i.namespace, i.name = "", rest
	}
	return i
}

// flux is the ID as Flux spelt it: namespace:kind/name.
func (i identity) flux() string {
	id := strings.ToLower(i.kind) + "/" + i.name
	if i.namespace != "" {
		id = i.namespace + ":" + id
	}
	return id
}

// spellings are all ways in which a person may name an object, in lower case, the first one the
// way in which we do.
func (i identity) spellings() []string {
	kinds := []string{i.kind}
	if i.group != "" {
		kinds = append(kinds, i.kind+"."+i.group)
	}
	var all []string
	for _, kind := range kinds {
		namespace := i.namespace
		if namespace == "" {
			// An object that leaves its namespace open was in Flux's "default".
			all = append(all, kind+"/"+i.name)
			namespace = "default"
		}
		all = append(all, namespace+"/"+kind+"/"+i.name, namespace+":"+kind+"/"+i.name)
		if i.namespace != "" {
			all = append(all, kind+"/"+i.namespace+"/"+i.name)
		}
	}
	for n := range all {
		all[n] = strings.ToLower(all[n])
	}
	return all
}

// matches says whether a glob, in which * stands for any text, is one of the spellings.
func (i identity) matches(glob string) bool {
	return slices.ContainsFunc(i.spellings(), func(s string) bool { return globMatches(strings.ToLower(glob), s) })
}

func globMatches(glob, text string) bool {
	parts := strings.Split(glob, "*")
	if len(parts) == 1 {
		return glob == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(text, first) || !strings.HasSuffix(text[len(first):], last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return true
}

// filter takes the wishes that --only is about, and warns of a glob that no object's name matches.
func (in *stream) filter(s *stage.IO, globs []string, wishes []wish) []wish {
	if len(globs) == 0 {
		return wishes
	}
	used := make([]bool, len(globs))
	for _, w := range in.manifests() {
		for i, glob := range globs {
			used[i] = used[i] || parseID(w.ID).matches(glob)
		}
	}
	for i, glob := range globs {
		if !used[i] {
			s.Warn("--only %q matches no object in the stream", glob)
		}
	}
	return slices.DeleteFunc(wishes, func(w wish) bool {
		return !slices.ContainsFunc(globs, parseID(w.ID).matches)
	})
}

// choose finds the workloads that a person names, all of them or none: a typing error in one name
// is not to be found out from half of the work. Without names it gives all objects.
func (in *stream) choose(names []string) ([]manifest, error) {
	all := in.manifests()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []manifest
	for _, name := range names {
		var found []manifest
		for _, w := range all {
			if slices.Contains(parseID(w.ID).spellings(), strings.ToLower(name)) {
				found = append(found, w)
			}
		}
		switch {
		case len(found) == 0:
			return nil, &stage.Error{Exit: stage.CodeFailed, Word: "unknown-workload", Hint: near(name, all), Err: fmt.Errorf("there is no workload %s in the stream", name)}
		case len(found) > 1:
			return nil, &stage.Error{Exit: stage.CodeFailed, Word: "ambiguous-workload", Hint: "add the API group to the kind, or feed one source",
				Err: fmt.Errorf("%s is the name of several objects: %s", name, places(found))}
		case !slices.ContainsFunc(chosen, func(w manifest) bool { return w.line == found[0].line }):
			chosen = append(chosen, found[0])
		}
	}
	return chosen, nil
}

func places(list []manifest) string {
	var texts []string
	for _, w := range list {
		texts = append(texts, fmt.Sprintf("%s (%s: %s:%d)", w.ID, w.Source, w.File, w.Line))
	}
	return strings.Join(texts, ", ")
}

// near is a hint at the names that may have been meant.
func near(name string, all []manifest) string {
	const most = 5
	type candidate struct {
		name     string
		distance int
	}
	var list []candidate
	for _, w := range all {
		best := candidate{distance: 1 << 30}
		for _, s := range parseID(w.ID).spellings() {
			if d := distance(strings.ToLower(name), s); d < best.distance {
				best = candidate{parseID(w.ID).spellings()[0], d}
			}
		}
		if best.distance <= max(2, len(name)/3) {
			list = append(list, best)
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	list = slices.Compact(list)
	list = slices.DeleteFunc(list, func(c candidate) bool { return c.distance > list[0].distance+1 })
	if len(list) == 0 {
		return "workloads are named namespace/kind/name; `gojq -r 'select(.type == \"manifest\").id'` lists those of a stream"
	}
	var names []string
	for _, c := range list[:min(most, len(list))] {
		names = append(names, c.name)
	}
	return "near it: " + strings.Join(names, ", ")
}

// distance is the number of characters to insert, delete or replace between two names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
