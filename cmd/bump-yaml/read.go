package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	mf "github.com/sluice-gitops/sluice/internal/manifest"
)

// object is one object of a source's files, as git-fetch would write it.
type object struct {
	jsonl.Place
	id, sum string
	raw     json.RawMessage
}

func (o object) record() jsonl.Manifest {
	return jsonl.Manifest{Type: jsonl.TypeManifest, Place: o.Place, ID: o.id, Object: o.raw, Sum: o.sum}
}

// at says whether the object stands at a place of its file.
func (o object) at(p jsonl.Place) bool { return placeKey(o.Place) == placeKey(p) }

// decoded is the object with exact numbers; nil where it is none.
func (o object) decoded() map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(o.raw))
	decoder.UseNumber()
	var object map[string]any
	_ = decoder.Decode(&object) // what was just made from YAML is JSON
	return object
}

func (o object) secret() bool {
	var head struct{ APIVersion, Kind string }
	return json.Unmarshal(o.raw, &head) != nil || head.Kind == "Secret"
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
		place := jsonl.Place{Source: source, File: f.File, Doc: f.Object.Doc, Item: f.Object.Item, Line: f.Object.Line}
		id, err := jsonl.ObjectID(f.Object.JSON)
		sum, sumErr := jsonl.Sum(f.Object.JSON)
		if err = errors.Join(err, sumErr); err != nil {
			r.errors = append(r.errors, jsonl.Error{Code: mf.CodeBadYAML, Message: err.Error(), Source: source, File: f.File, Line: f.Object.Line})
			continue
		}
		r.objects = append(r.objects, object{Place: place, id: id.String(), sum: sum, raw: f.Object.JSON})
	}
	r.complete = len(r.errors) == 0
	return r
}

// readSource reads a whole source at a commit, by the rules of git-fetch.
func readSource(snap *gitrepo.Snapshot, source jsonl.Source) (*reading, error) {
	paths := source.Paths
	if len(paths) == 0 {
		paths = []string{""}
	}
	var missing []mf.Found
	var there []string
	for _, p := range paths {
		switch _, err := snap.Stat(p); {
		case errors.Is(err, gitrepo.ErrNotFound):
			missing = append(missing, mf.Found{File: p, Code: "no-path", Fault: &mf.Fault{Message: "there is no such path at this commit"}})
		case err != nil:
			return nil, err
		default:
			there = append(there, p)
		}
	}
	var files []mf.File
	if len(there) > 0 {
		var err error
		if files, err = manifestFiles(snap, there); err != nil {
			return nil, err
		}
	}
	r := newReading(source.Name, append(missing, mf.ReadFiles(files)...))
	return &r, nil
}

// manifestFiles are the files at or below the paths that git-fetch reads: those of the right name
// that are in no chart, and those that no repository may hold, for the error.
func manifestFiles(snap *gitrepo.Snapshot, paths []string) ([]mf.File, error) {
	all, err := snap.Files(paths...)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.Path
	}
	for _, p := range paths { // a path may lie inside a chart
		for dir := p; dir != "" && dir != "."; {
			dir = path.Dir(dir)
			chart := path.Join(dir, mf.ChartFile)
			if _, err := snap.Stat(chart); err == nil {
				names = append(names, chart)
			} else if !errors.Is(err, gitrepo.ErrNotFound) {
				return nil, err
			}
		}
	}
	charts := mf.FindCharts(names)
	var files []mf.File
	for _, f := range all {
		forbidden := f.Fault != nil && !f.Symlink
		if forbidden || mf.IsManifest(f.Path) && !charts.Hold(f.Path) {
			files = append(files, mf.File{Name: f.Path, Read: func() ([]byte, error) { return snap.Read(f, mf.MaxFile) }})
		}
	}
	return files, nil
}
