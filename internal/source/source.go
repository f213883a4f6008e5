// Package source reads the manifests of a commit: which of a repository's files hold objects, and
// the objects in them. It is the one place that knows, so that a source read anew after a foreign
// push holds just what fetching it would have given.
package source

import (
	"errors"
	"maps"
	"path"
	"slices"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/manifest"
)

// Reading is what was found in a source.
type Reading struct {
	// Found are objects and faults, in the order of their files and documents.
	Found []manifest.Found
	// Files is how many files were read.
	Files int
	// Charts are the folders that were left out because they are charts, sorted.
	Charts []string
}

// Read reads the manifests of a commit: all of it, or what is at and below the paths. A path that
// is not there is a fault among the others; an error is about the object store, and then nothing
// of the source can be used.
func Read(snap *gitrepo.Snapshot, paths []string) (*Reading, error) {
	r := &Reading{}
	if len(paths) == 0 {
		paths = []string{""}
	}
	var there []string
	for _, p := range paths {
		switch _, err := snap.Stat(p); {
		case errors.Is(err, gitrepo.ErrNotFound):
			r.Found = append(r.Found, manifest.Found{File: p, Code: "no-path",
				Fault: &manifest.Fault{Message: "there is no such path at this commit", Hint: "check --path; paths start at the top of the repository"}})
		case err != nil:
			return nil, err
		default:
			there = append(there, p)
		}
	}
	if len(there) == 0 {
		return r, nil
	}
	files, err := snap.Files(there...)
	if err != nil {
		return nil, err
	}
	charts, err := findCharts(snap, there, files)
	if err != nil {
		return nil, err
	}
	r.Charts = slices.Sorted(maps.Keys(charts))
	toRead := wanted(snap, files, charts)
	r.Files = len(toRead)
	r.Found = append(r.Found, manifest.ReadFiles(toRead)...)
	return r, nil
}

// findCharts finds the charts among the files and above the paths: a path may lie inside a chart.
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

// wanted are the files that are read: manifests by their name, outside charts. Links to folders are
// not entered: what they lead to is read where it stands. A file whose name
// no repository may hold is among them whatever it is called, so that it becomes a fault.
func wanted(snap *gitrepo.Snapshot, files []gitrepo.File, charts manifest.Charts) []manifest.File {
	var list []manifest.File
	for _, f := range files {
		trick := f.Fault != nil && !f.Symlink
		if f.Folder || !trick && (!manifest.IsManifest(f.Path) || charts.Hold(f.Path)) {
			continue
		}
		list = append(list, manifest.File{Name: f.Path, Read: func() ([]byte, error) { return snap.Read(f, manifest.MaxFile) }})
	}
	return list
}
