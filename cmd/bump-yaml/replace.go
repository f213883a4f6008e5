package main

import (
	"fmt"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
)

// set replaces a line of the stream.
func (j *job) set(line *jsonl.Line, records ...any) {
	if j.out.replace == nil {
		j.out.replace = map[*jsonl.Line][]any{}
	}
	j.out.replace[line] = records
}

// replaceSource puts the new commit into the source's records.
func (j *job) replaceSource(commit *gitrepo.Commit, more ...any) {
	record := j.source
	record.Revision, record.Tree = commit.Revision, commit.Tree
	// Nobody has checked this commit.
	record.Signature = jsonl.SignatureUnchecked
	for i, line := range j.in.of(j.source.Name).sources {
		if i == 0 {
			j.set(line, append([]any{record}, more...)...)
			continue
		}
		j.set(line, record)
	}
}

// replaceEdited replaces the manifests that the plan changes, each in its place. One that a stage
// has changed on the way stays as that stage made it.
func (j *job) replaceEdited(p plan, planned bool) {
	changed := map[string]map[string][2]object{} // by file, by place
	for path, e := range p.files {
		places := map[string][2]object{}
		for i, before := range e.objects {
			// An annotation that comes or goes moves what stands below it.
			if after := e.afterwards[i]; after.Sum != before.Sum || after.Line != before.Line {
				places[placeKey(before.Place)] = [2]object{before, after}
			}
		}
		changed[path] = places
	}
	for _, pick := range p.picks {
		if len(pick.edits) > 0 { // by the path of a symbolic link too
			changed[pick.pick.File] = changed[pick.edits[0].File]
		}
	}
	for _, m := range j.in.of(j.source.Name).manifests {
		versions, ok := changed[m.File][placeKey(m.Place)]
		if !ok {
			continue
		}
		var record jsonl.Manifest
		if err := m.line.Decode(&record); err != nil {
			continue // the tally says that the stream is damaged
		}
		sum, err := jsonl.Sum(record.Object)
		asWritten := err == nil && sum == record.Sum
		if asWritten && sum == versions[1].Sum && record.Line == versions[1].Line {
			continue // a stream that came through here before
		}
		if !asWritten || sum != versions[0].Sum {
			if versions[0].Sum == versions[1].Sum {
				continue
			}
			j.out.errors = append(j.out.errors, jsonl.Error{Code: "transformed", Source: m.Source, File: m.File, Line: m.Line, ID: record.ID,
				Message: "was changed by a stage before this one, so its record stays as that stage made it; its edit goes into git all the same",
				Hint:    "put stages that change manifests behind bump-yaml"})
			continue
		}
		record.Object, record.Sum, record.Line, record.Planned = versions[1].Object, versions[1].Sum, versions[1].Line, planned
		j.set(m.line, record)
		j.out.wrote, j.out.took = j.out.wrote+1, j.out.took+1
	}
}

// replaceAll replaces all manifests of the source by those of the commit.
func (j *job) replaceAll(commit *gitrepo.Commit, p plan) {
	after := map[string]object{}
	for _, e := range p.files {
		for _, o := range e.afterwards {
			after[o.ID] = o
		}
	}
	var records []any
	for _, o := range j.news.objects {
		if edited, ok := after[o.ID]; ok {
			o.Object, o.Sum, o.Line = edited.Object, edited.Sum, edited.Line
		}
		records = append(records, o.Manifest)
	}
	manifests := j.in.of(j.source.Name).manifests
	for _, m := range manifests {
		j.set(m.line)
	}
	j.replaceSource(commit, records...)
	j.out.wrote, j.out.took = len(records), len(manifests)
	j.out.errors = append(j.out.errors, j.news.errors...)
	j.out.incomplete = !j.news.complete
}

// altered says why the source's manifests in the stream are not those of its commit; empty where
// they are. To replace them by new ones would undo what another stage did.
func (j *job) altered() string {
	before, err := readSource(j.first, j.source)
	if err != nil {
		return err.Error()
	}
	manifests := j.in.of(j.source.Name).manifests
	if len(manifests) != len(before.objects) {
		return fmt.Sprintf("the stream holds %d of its manifests, git %d", len(manifests), len(before.objects))
	}
	byID := map[string]object{}
	for _, o := range before.objects {
		byID[o.ID] = o
	}
	for _, m := range manifests {
		var record jsonl.Manifest
		if err := m.line.Decode(&record); err != nil {
			return err.Error()
		}
		if !same(record, byID[record.ID]) {
			return record.ID + " was changed by a stage before this one"
		}
	}
	return ""
}

// same says whether a record holds an object as the file does.
func same(record jsonl.Manifest, o object) bool {
	sum, err := jsonl.Sum(record.Object)
	return err == nil && sum == record.Sum && sum == o.Sum
}

func placeKey(p jsonl.Place) string {
	if p.Item == nil {
		return fmt.Sprint(p.Doc)
	}
	return fmt.Sprint(p.Doc, ".", *p.Item)
}
