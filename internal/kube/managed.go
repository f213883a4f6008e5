package kube

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// managed is one managedFields entry of an object: which fields a manager owns.
type managed struct {
	Manager     string          `json:"manager,omitempty"`
	Operation   string          `json:"operation,omitempty"` // Apply or Update
	APIVersion  string          `json:"apiVersion,omitempty"`
	Time        string          `json:"time,omitempty"`
	FieldsType  string          `json:"fieldsType,omitempty"`
	FieldsV1    json.RawMessage `json:"fieldsV1,omitempty"`
	Subresource string          `json:"subresource,omitempty"`
}

// ours says whether it is the entry of what we applied.
func (m managed) ours() bool {
	return m.Manager == Manager && m.Operation == "Apply" && m.Subresource == ""
}

// fields are the fields of the entry; none where it cannot be read.
func (m managed) fields() fieldSet {
	var set fieldSet
	if json.Unmarshal(m.FieldsV1, &set) != nil {
		return nil
	}
	return set
}

// ownFields are the fields that we own.
func ownFields(entries []managed) fieldSet {
	for _, entry := range entries {
		if entry.ours() {
			return entry.fields()
		}
	}
	return nil
}

// fieldSet is a set of fields as the API server writes it (FieldsV1): a tree whose keys are "f:" and
// a field, "k:" and the keys of a list's item, "v:" and an item's value, "i:" and its index; the key
// "." stands for the node itself. A leaf is empty.
type fieldSet map[string]fieldSet

// union adds the fields of another set.
func (s fieldSet) union(other fieldSet) fieldSet {
	all := maps.Clone(s)
	if all == nil {
		all = fieldSet{}
	}
	for key, children := range other {
		all[key] = all[key].union(children)
	}
	return all
}

// has says whether a field, or something in it, is in the set.
func (s fieldSet) has(path fieldPath) bool {
	for _, key := range path {
		next, there := s[key]
		if !there {
			return false
		}
		s = next
	}
	return true
}

// without lists the fields that are in the set and not in the other, in order. A thing that the
// other set knows nothing of is named as a whole.
func (s fieldSet) without(other fieldSet) []fieldPath {
	return s.difference(other, nil)
}

func (s fieldSet) difference(other fieldSet, at fieldPath) []fieldPath {
	var found []fieldPath
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if key == "." {
			continue
		}
		path := append(slices.Clone(at), key)
		theirs, there := other[key]
		_, whole := s[key]["."]
		if !there && (whole || len(s[key]) == 0) {
			found = append(found, path)
			continue
		}
		found = append(found, s[key].difference(theirs, path)...)
	}
	return found
}

// fieldPath is one field, by the keys of a [fieldSet].
type fieldPath []string

// String spells the field as the API server does in its messages:
// .spec.template.spec.containers[name="web"].image
func (p fieldPath) String() string {
	var text strings.Builder
	for _, key := range p {
		kind, rest, _ := strings.Cut(key, ":")
		switch kind {
		case "k":
			text.WriteString("[" + itemKeys(rest) + "]")
		case "v":
			text.WriteString("[=" + rest + "]")
		case "i":
			text.WriteString("[" + rest + "]")
		default:
			text.WriteString("." + rest)
		}
	}
	return text.String()
}

func itemKeys(raw string) string {
	var keys map[string]json.RawMessage
	if json.Unmarshal([]byte(raw), &keys) != nil {
		return raw
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		parts = append(parts, key+"="+string(keys[key]))
	}
	return strings.Join(parts, ",")
}

// Drift is what somebody else has changed of an object that git says nothing new of.
type Drift struct {
	// Manager is who owns the fields now, by the name under which the API server knows it; empty
	// where nobody does: they were removed.
	Manager string
	// Fields are spelt as the API server does, for example .spec.replicas, in order.
	Fields []string
}

// driftBetween finds what others took from us: the fields that are ours after our apply and were not
// before, and who owned them then.
func driftBetween(before, after []managed) []Drift {
	fields := map[string][]string{}
	for _, path := range ownFields(after).without(ownFields(before)) {
		manager := takerOf(path, before)
		fields[manager] = append(fields[manager], path.String())
	}
	return sortedDrift(fields)
}

// takerOf is the manager who was the last to set a field.
func takerOf(path fieldPath, entries []managed) string {
	taker := managed{}
	for _, entry := range entries {
		if !entry.ours() && entry.Time >= taker.Time && entry.fields().has(path) {
			taker = entry
		}
	}
	return taker.Manager
}

// driftOf are conflicts as drift.
func driftOf(conflicts []conflict) []Drift {
	fields := map[string][]string{}
	for _, c := range conflicts {
		fields[c.manager] = append(fields[c.manager], c.field)
	}
	return sortedDrift(fields)
}

func sortedDrift(fields map[string][]string) []Drift {
	var drift []Drift
	for manager, names := range fields {
		slices.Sort(names)
		drift = append(drift, Drift{manager, slices.Compact(names)})
	}
	slices.SortFunc(drift, func(a, b Drift) int { return cmp.Compare(a.Manager, b.Manager) })
	return drift
}

// describeDrift says it in a sentence's half: "took back .spec.replicas of kubectl".
func describeDrift(drift []Drift) string {
	var parts []string
	for _, d := range drift {
		if d.Fields == nil {
			parts = append(parts, "took back what somebody had applied as "+d.Manager)
			continue
		}
		if d.Manager == "" {
			parts = append(parts, "brought back "+few(d.Fields)+" that had been removed")
			continue
		}
		parts = append(parts, "took back "+few(d.Fields)+" of "+d.Manager)
	}
	return strings.Join(parts, "; ")
}

// fewFields is how many fields a message names.
const fewFields = 5

func few(fields []string) string {
	if len(fields) <= fewFields {
		return strings.Join(fields, ", ")
	}
	return strings.Join(fields[:fewFields], ", ") + fmt.Sprintf(" and %d more", len(fields)-fewFields)
}
