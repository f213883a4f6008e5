package main

import (
	"bytes"
	"encoding/json"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	mf "github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/source"
)

// object is one object of a source's files, as git-fetch would write it.
type object struct{ jsonl.Manifest }

// at says whether the object stands at a place of its file.
func (o object) at(p jsonl.Place) bool { return placeKey(o.Place) == placeKey(p) }

// decoded is the object with exact numbers; nil where it is none.
func (o object) decoded() map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(o.Object))
	decoder.UseNumber()
	var object map[string]any
	_ = decoder.Decode(&object) // what was just made from YAML is JSON
	return object
}

func (o object) secret() bool {
	var head struct{ APIVersion, Kind string }
	return json.Unmarshal(o.Object, &head) != nil || head.Kind == "Secret"
}

// reading is what was read of some files.
type reading struct {
	objects  []object
	errors   []jsonl.Error
	complete bool // no error: no records are missing
}

// readFile reads the objects of one file.
func readFile(source, file string, content []byte) reading {
	return newReading(source, mf.ReadFiles([]mf.File{{Name: file, Read: func() ([]byte, error) { return content, nil }}}))
}

func newReading(source string, found []mf.Found) reading {
	r := reading{}
	for _, f := range found {
		if f.Fault != nil {
			r.errors = append(r.errors, jsonl.Error{Code: f.Code, Message: f.Fault.Message, Hint: f.Fault.Hint,
				Source: source, File: f.File, Line: f.Fault.Line})
			continue
		}
		record, err := jsonl.NewManifest(jsonl.Place{Source: source, File: f.File, Doc: f.Object.Doc, Item: f.Object.Item, Line: f.Object.Line}, f.Object.JSON)
		if err != nil {
			r.errors = append(r.errors, jsonl.Error{Code: mf.CodeBadYAML, Message: err.Error(), Source: source, File: f.File, Line: f.Object.Line})
			continue
		}
		r.objects = append(r.objects, object{record})
	}
	r.complete = len(r.errors) == 0
	return r
}

// readSource reads a whole source at a commit, as git-fetch does.
func readSource(snap *gitrepo.Snapshot, record jsonl.Source) (*reading, error) {
	found, err := source.Read(snap, record.Paths)
	if err != nil {
		return nil, err
	}
	r := newReading(record.Name, found.Found)
	return &r, nil
}
