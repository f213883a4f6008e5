package main

import (
	"bytes"
	"encoding/json"

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
	complete bool
}

// readFile reads the objects of one file.
func readFile(source, file string, content []byte) reading {
	r := reading{complete: true}
	found, faults := mf.Parse(content)
	for _, o := range found {
		place := jsonl.Place{Source: source, File: file, Doc: o.Doc, Item: o.Item, Line: o.Line}
		id, err := jsonl.ObjectID(o.JSON)
		sum, sumErr := jsonl.Sum(o.JSON)
		if err != nil || sumErr != nil {
			r.fault(jsonl.Error{Code: "bad-yaml", Message: "an object without identity", Source: source, File: file, Line: o.Line})
			continue
		}
		r.objects = append(r.objects, object{Place: place, id: id.String(), sum: sum, raw: o.JSON})
	}
	for _, f := range faults {
		r.fault(jsonl.Error{Code: "bad-yaml", Message: f.Message, Hint: f.Hint, Source: source, File: file, Line: f.Line})
	}
	return r
}

// fault notes what could not be read: records are missing then.
func (r *reading) fault(e jsonl.Error) {
	r.errors = append(r.errors, e)
	r.complete = false
}

// readSource reads a whole source at a commit, by the rules of git-fetch.
func readSource(snap *gitrepo.Snapshot, source jsonl.Source) (*reading, error) {
	all, err := snap.Files()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.Path
	}
	charts := mf.FindCharts(names)
	files := all
	if len(source.Paths) > 0 {
		if files, err = snap.Files(source.Paths...); err != nil {
			return nil, err
		}
	}
	r := &reading{complete: true}
	for _, f := range files {
		if !mf.IsManifest(f.Path) || charts.Hold(f.Path) {
			continue
		}
		content, err := snap.Read(f, mf.MaxFile)
		if err != nil {
			r.fault(jsonl.Error{Code: "bad-file", Message: err.Error(), Source: source.Name, File: f.Path})
			continue
		}
		one := readFile(source.Name, f.Path, content)
		r.objects = append(r.objects, one.objects...)
		r.errors = append(r.errors, one.errors...)
		r.complete = r.complete && one.complete
	}
	return r, nil
}
