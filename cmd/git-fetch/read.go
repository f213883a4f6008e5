package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/manifest"
)

// result is what came of one source.
type result struct {
	source jsonl.Source
	found  []manifest.Found
	files  int
	charts []string
	err    error // nothing of it can be used
}

func fetchSource(ctx context.Context, src source, o gitrepo.Options) result {
	repo, err := gitrepo.Open(o)
	if err != nil {
		return result{err: err}
	}
	defer repo.Close()
	snap, err := repo.FetchBranch(ctx, src.branch)
	if err != nil {
		return result{err: err}
	}
	r, err := read(snap, src.paths)
	if err != nil {
		return result{err: fmt.Errorf("reading %s at %s: %w", src.url, snap.Revision, err)}
	}
	r.source = jsonl.Source{
		Type: jsonl.TypeSource, Name: src.name, URL: repo.URL(), Branch: snap.Branch, Revision: snap.Revision, Tree: snap.Tree,
		Paths: src.paths, Store: snap.Store, Signature: jsonl.SignatureUnchecked,
	}
	return r
}

// read reads the manifests of a commit.
func read(snap *gitrepo.Snapshot, paths []string) (result, error) {
	var r result
	if len(paths) == 0 {
		paths = []string{""}
	}
	var there []string
	for _, p := range paths {
		switch _, err := snap.Stat(p); {
		case errors.Is(err, gitrepo.ErrNotFound):
			r.found = append(r.found, manifest.Found{File: p, Code: "no-path",
				Fault: &manifest.Fault{Message: "there is no such path at this commit", Hint: "check --path; paths start at the top of the repository"}})
		case err != nil:
			return r, err
		default:
			there = append(there, p)
		}
	}
	if len(there) == 0 {
		return r, nil
	}
	files, err := snap.Files(there...)
	if err != nil {
		return r, err
	}
	charts, err := findCharts(snap, there, files)
	if err != nil {
		return r, err
	}
	r.charts = slices.Sorted(maps.Keys(charts))
	toRead := wanted(snap, files, charts)
	r.files = len(toRead)
	r.found = append(r.found, manifest.ReadFiles(toRead)...)
	return r, nil
}

// findCharts finds the charts among the files and above the paths.
func findCharts(snap *gitrepo.Snapshot, paths []string, files []gitrepo.File) (manifest.Charts, error) {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Path
	}
	for _, p := range paths {
		for dir := p; dir != "" && dir != "."; {
			dir = path.Dir(dir)
			name := path.Join(dir, manifest.ChartFile)
			switch _, err := snap.Stat(name); {
			case err == nil:
				names = append(names, name)
			case !errors.Is(err, gitrepo.ErrNotFound):
				return nil, err
			}
		}
	}
	return manifest.FindCharts(names), nil
}

// wanted are the files that are read: manifests by their name, outside charts. A file whose name
// no repository may hold is among them whatever it is called, so that it becomes an error.
func wanted(snap *gitrepo.Snapshot, files []gitrepo.File, charts manifest.Charts) []manifest.File {
	var list []manifest.File
	for _, f := range files {
		trick := f.Fault != nil && !f.Symlink
		if !trick && (!manifest.IsManifest(f.Path) || charts.Hold(f.Path)) {
			continue
		}
		list = append(list, manifest.File{Name: f.Path, Read: func() ([]byte, error) { return snap.Read(f, manifest.MaxFile) }})
	}
	return list
}

func manifestRecord(source, file string, o *manifest.Object) (jsonl.Manifest, error) {
	id, err := jsonl.ObjectID(o.JSON)
	if err != nil {
		return jsonl.Manifest{}, err
	}
	sum, err := jsonl.Sum(o.JSON)
	if err != nil {
		return jsonl.Manifest{}, err
	}
	return jsonl.Manifest{
		Type: jsonl.TypeManifest, Place: jsonl.Place{Source: source, File: file, Doc: o.Doc, Item: o.Item, Line: o.Line},
		ID: id.String(), Object: o.JSON, Sum: sum,
	}, nil
}
