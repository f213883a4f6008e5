package main

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	mf "github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/yamledit"
)

// plan is what a source's picks come to in its files at one commit.
type plan struct {
	files map[string]*edited // by path, those that change
	picks []planned          // one for each pick
}

// edited is one file before and after.
type edited struct {
	before, after       []byte
	objects, afterwards []object
	was, is             []span // lines of its objects, before and after
}

// planned is what becomes of one pick.
type planned struct {
	pick   wish
	object object // as the pick found it
	wanted []want
	edits  []jsonl.Edit
	done   bool // it stands there already
	err    *jsonl.Error
	shared []string // anchors whose other users change too
}

// want is a text that the object must hold at a path after the edit; nil: nothing.
type want struct {
	path []any
	text any
}

// makePlan reads the files that the picks are about and makes the edits in memory.
func makePlan(snap *gitrepo.Snapshot, picks []wish) plan {
	p := plan{files: map[string]*edited{}, picks: make([]planned, len(picks))}
	var order []gitrepo.File
	byFile := map[string][]*planned{} // by the path at which the text is
	for i, pick := range picks {
		p.picks[i].pick = pick
		file, err := snap.Stat(pick.File)
		if err == nil && file.Fault != nil {
			err = file.Fault
		}
		if err != nil {
			p.picks[i].err = gitError(pick, err)
			continue
		}
		if file.Link != "" {
			file.Path = file.Link
		}
		if byFile[file.Path] == nil {
			order = append(order, file)
		}
		byFile[file.Path] = append(byFile[file.Path], &p.picks[i])
	}
	made := make([]*edited, len(order))
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range order {
		work.Go(func() error {
			made[i] = editFile(snap, file, byFile[file.Path])
			return nil // what is wrong with it stands in its picks
		})
	}
	_ = work.Wait()
	for i, file := range order {
		if made[i] != nil {
			p.files[file.Path] = made[i]
		}
	}
	return p
}

// editFile makes the edits of one file, and gives nil where there are none.
func editFile(snap *gitrepo.Snapshot, file gitrepo.File, picks []*planned) *edited {
	path := file.Path
	content, err := snap.Read(file, mf.MaxFile)
	if err != nil {
		for _, p := range picks {
			p.err = gitError(p.pick, err)
		}
		return nil
	}
	e := &edited{before: content, objects: readFile(picks[0].pick.Source, path, content).objects}
	var changes []yamledit.Change
	var making []*planned // the picks that the changes are for
	for _, p := range picks {
		if change, ok := p.change(e.objects); ok {
			changes, making = append(changes, change), append(making, p)
		}
	}
	after, outcomes, err := yamledit.Apply(content, changes)
	if err != nil {
		for _, p := range making {
			p.refuse("bad-yaml", p.pick.Line, err.Error(), "")
		}
		return nil
	}
	e.after = after
	for i, out := range outcomes {
		making[i].take(path, changes[i], out)
	}
	if slices.Equal(e.before, e.after) {
		return nil
	}
	if err := e.check(path, making); err != nil {
		for _, p := range making {
			if p.err == nil {
				p.edits = nil
				p.refuse("unsafe-edit", p.pick.Line, err.Error(), "")
			}
		}
		return nil
	}
	e.was, e.is = spans(e.objects, making), spans(e.afterwards, making)
	return e
}

// change finds the pick's object in its file and says which scalars change.
func (p *planned) change(objects []object) (yamledit.Change, bool) {
	at := slices.IndexFunc(objects, func(o object) bool { return o.at(p.pick.Place) })
	if at < 0 || objects[at].ID != p.pick.ID {
		found := "there is no object"
		if at >= 0 {
			found = "there is " + objects[at].ID
		}
		p.refuse("stale-pick", p.pick.Line, fmt.Sprintf("%s in document %d of the file", found, p.pick.Doc), "let one run's git-fetch, scan-tags and pick-tag feed this one")
		return yamledit.Change{}, false
	}
	p.object = objects[at]
	if p.pick.annotate != nil {
		return p.annotated()
	}
	fields := make([]mf.Field, len(p.pick.Fields))
	for i, f := range p.pick.Fields {
		fields[i] = mf.Field{Role: mf.Role(f.Role), Path: f.Path, Value: f.Value}
	}
	edits, err := mf.Rewrite(fields, p.pick.To)
	switch {
	case len(fields) == 0:
		err = errors.New("the pick does not say which fields hold the image")
	case err == nil && len(edits) == 0:
		err = errors.New("the pick says that the image changes, and its fields hold it already")
	}
	if err != nil {
		p.refuse("bad-pick", p.pick.Line, err.Error(), "")
		return yamledit.Change{}, false
	}
	change := yamledit.Change{Doc: p.pick.Doc}
	for _, edit := range edits {
		p.wanted = append(p.wanted, want{edit.Path, edit.New})
		change.Scalars = append(change.Scalars, yamledit.Scalar{Path: p.fromTop(edit.Path), Old: edit.Old, New: edit.New})
	}
	return change, true
}

// annotated says which annotations change.
func (p *planned) annotated() (yamledit.Change, bool) {
	entries, err := p.pick.annotate(p.object.decoded())
	if err != nil {
		p.refuse("bad-policy", p.pick.Line, err.Error(), "")
		return yamledit.Change{}, false
	}
	change := yamledit.Change{Doc: p.pick.Doc}
	for _, entry := range entries {
		w := want{path: append(slices.Clone(entry.Path), entry.Key)}
		if !entry.Delete {
			w.text = entry.Value
		}
		p.wanted = append(p.wanted, w)
		entry.Path = p.fromTop(entry.Path)
		change.Entries = append(change.Entries, entry)
	}
	p.done = len(entries) == 0
	return change, !p.done
}

// fromTop makes a path into the object one into its document.
func (p *planned) fromTop(path []any) []any {
	if p.pick.Item == nil {
		return path
	}
	return append([]any{"items", *p.pick.Item}, path...)
}

// what a wish makes of its object, for people.
func (w wish) what() string {
	if w.annotate != nil {
		return "the policies asked for"
	}
	return w.To
}

// take notes what yamledit made of the pick's change.
func (p *planned) take(path string, change yamledit.Change, out yamledit.Outcome) {
	var refused *yamledit.RefusedError
	switch {
	case errors.As(out.Err, &refused):
		line := refused.Line
		if line == 0 {
			line = p.pick.Line
		}
		p.refuse("unsafe-edit", line, "cannot write "+p.pick.what()+": "+refused.Error(), "")
	case out.Err != nil:
		p.refuse("unsafe-edit", p.pick.Line, out.Err.Error(), "")
	case out.Done:
		p.done = true
	default:
		p.shared = out.Shared
		for i, scalar := range change.Scalars {
			p.edits = append(p.edits, jsonl.Edit{File: path, Line: out.Lines[i], ID: p.pick.ID,
				Container: p.pick.Container, Old: scalar.Old, New: scalar.New})
		}
		for i, entry := range out.Entries {
			if entry.Changed {
				p.edits = append(p.edits, jsonl.Edit{File: path, Line: entry.Line, ID: p.pick.ID,
					Annotation: change.Entries[i].Key, Old: entry.Old, New: change.Entries[i].Value})
			}
		}
	}
}

func (p *planned) refuse(code string, line int, message, hint string) {
	p.err = &jsonl.Error{Code: code, Message: message, Hint: hint,
		Source: p.pick.Source, File: p.pick.File, Line: line, ID: p.pick.ID}
}

func gitError(pick wish, err error) *jsonl.Error {
	code := gitrepo.Code(err)
	if errors.Is(err, gitrepo.ErrNotFound) {
		code = gitrepo.CodeNotFound
	}
	return &jsonl.Error{Code: code, Message: err.Error(), Hint: gitrepo.Hint(err),
		Source: pick.Source, File: pick.File, ID: pick.ID}
}

func (p plan) errors() []jsonl.Error {
	var errs []jsonl.Error
	for _, pick := range p.picks {
		if pick.err != nil {
			errs = append(errs, *pick.err)
		}
	}
	return errs
}

// contents are the changed files' new contents, by path.
func (p plan) contents() map[string][]byte {
	files := map[string][]byte{}
	for path, e := range p.files {
		files[path] = e.after
	}
	return files
}

// paths are the files that change, sorted.
func (p plan) paths() []string { return slices.Sorted(maps.Keys(p.files)) }
