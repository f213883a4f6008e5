package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// stream holds back what may have to be replaced: everything from the first source record on,
// for what is replaced keeps its place.
type stream struct {
	lines  []*jsonl.Line
	picks  []jsonl.Pick
	seen   map[string]bool
	faults []jsonl.Error // about picks that are none

	bySources map[string]*held
}

// held are the lines of one source.
type held struct {
	sources   []*jsonl.Line
	manifests []manifest
}

func (in *stream) take(line *jsonl.Line) (pass bool, err error) {
	if line.Type == jsonl.TypePick {
		var pick jsonl.Pick
		switch err := line.Decode(&pick); {
		case err != nil:
			in.faults = append(in.faults, jsonl.Error{Code: "bad-pick", Message: err.Error()})
		case !in.seen[string(line.Raw)]:
			if in.seen == nil {
				in.seen = map[string]bool{}
			}
			in.seen[string(line.Raw)] = true
			in.picks = append(in.picks, pick)
		}
	}
	if len(in.lines) == 0 && line.Type != jsonl.TypeSource && line.Type != jsonl.TypeManifest {
		return true, nil
	}
	in.lines = append(in.lines, line)
	return false, nil
}

// pass passes on what was held back, with the replacements.
func (in *stream) pass(s *stage.IO, outcomes []outcome) error {
	replace := map[*jsonl.Line][]any{}
	for _, out := range outcomes {
		for line, records := range out.replace {
			replace[line] = records
		}
	}
	for _, line := range in.lines {
		records, replaced := replace[line]
		if !replaced {
			if err := s.Pass(line); err != nil {
				return err
			}
			continue
		}
		for _, record := range records {
			if err := s.Write(record); err != nil {
				return err
			}
		}
	}
	return nil
}

// sourceWishes are a source's record and what is wished of it.
type sourceWishes struct {
	record jsonl.Source
	wishes []wish
	fault  string // why nothing can be done with it
}

// bySource groups wishes by their sources: those that have a record in its order, then the others.
func (in *stream) bySource(wishes []wish) []*sourceWishes {
	var list []*sourceWishes
	byName := map[string]*sourceWishes{}
	for _, line := range in.lines {
		var record jsonl.Source
		if line.Type != jsonl.TypeSource || line.Decode(&record) != nil {
			continue
		}
		if known := byName[record.Name]; known != nil {
			if known.record.Revision != record.Revision {
				known.fault = fmt.Sprintf("it stands at two revisions in the stream, %s and %s", known.record.Revision, record.Revision)
			}
			continue
		}
		byName[record.Name] = &sourceWishes{record: record}
		list = append(list, byName[record.Name])
	}
	for _, w := range wishes {
		if byName[w.Source] == nil {
			byName[w.Source] = &sourceWishes{record: jsonl.Source{Name: w.Source}, fault: "its source record is missing in the stream"}
			list = append(list, byName[w.Source])
		}
		byName[w.Source].wishes = append(byName[w.Source].wishes, w)
	}
	return slices.DeleteFunc(list, func(s *sourceWishes) bool { return len(s.wishes) == 0 })
}

// manifest is a held manifest record.
type manifest struct {
	jsonl.Place
	ID   string `json:"id"`
	line *jsonl.Line
}

// decoded is the object as the stream holds it; nil for one that does not decode.
func (m manifest) decoded() map[string]any {
	var record jsonl.Manifest
	if m.line.Decode(&record) != nil {
		return nil
	}
	return object{record}.decoded()
}

// manifests are those of all sources, in the order of the stream.
func (in *stream) manifests() []manifest {
	if in.bySources == nil {
		in.sort()
	}
	var all []manifest
	for _, h := range in.bySources {
		all = append(all, h.manifests...)
	}
	slices.SortFunc(all, func(a, b manifest) int { return cmp.Compare(a.line.N, b.line.N) })
	return all
}

// of gives a source's source records and manifests.
func (in *stream) of(source string) *held {
	if in.bySources == nil {
		in.sort()
	}
	if h := in.bySources[source]; h != nil {
		return h
	}
	return &held{}
}

// sort puts the lines to their sources, once the stream has been read.
func (in *stream) sort() {
	in.bySources = map[string]*held{}
	at := func(source string) *held {
		if in.bySources[source] == nil {
			in.bySources[source] = &held{}
		}
		return in.bySources[source]
	}
	for _, line := range in.lines {
		switch line.Type {
		case jsonl.TypeSource:
			var record jsonl.Source
			if line.Decode(&record) == nil {
				h := at(record.Name)
				h.sources = append(h.sources, line)
			}
		case jsonl.TypeManifest:
			m := manifest{line: line}
			if line.Decode(&m) == nil {
				h := at(m.Source)
				h.manifests = append(h.manifests, m)
			}
		}
	}
}
