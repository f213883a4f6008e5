package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// fetchMain stands in for git-fetch in scripts:
//
//	fetch [-at TIME] [-lost] [-planned] REPOSITORY...
//
// It reads repositories of https://git.example into mirrors below $HOME and writes their stream.
func fetchMain() {
	at := flag.String("at", script.Noon.Format(time.RFC3339), "")
	lost := flag.Bool("lost", false, "say that a file did not parse")
	planned := flag.Bool("planned", false, "mark the manifests as planned")
	flag.Parse()
	began, err := time.Parse(time.RFC3339, *at)
	var out bytes.Buffer
	w := &writer{w: jsonl.NewWriter(&out), err: err}
	counts := map[string]jsonl.Count{}
	end := jsonl.End{Stage: "git-fetch", OK: !*lost, Complete: !*lost, Counts: counts, Finished: began}
	w.write(jsonl.Begin{Stage: "git-fetch", V: jsonl.Version, Version: script.Version, Started: began})
	for _, name := range flag.Args() {
		counts[name] = jsonl.Count{Wrote: w.source(name, *planned)}
		if *lost {
			end.Incomplete = append(end.Incomplete, name)
		}
	}
	w.write(end)
	if w.err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", w.err)
		os.Exit(1)
	}
	_, _ = os.Stdout.Write(out.Bytes())
}

// writer keeps the first error.
type writer struct {
	w   *jsonl.Writer
	err error
}

func (w *writer) write(record any) {
	if w.err != nil {
		return
	}
	line, _, err := jsonl.Encode(record)
	if err == nil {
		err = w.w.WriteRaw(line)
	}
	w.err = err
}

func (w *writer) source(name string, planned bool) (manifests int) {
	if w.err != nil {
		return 0
	}
	url := "https://git.example/" + name + ".git"
	rewrites, err := gitrepo.LoadRewrites(os.Getenv)
	if err != nil {
		w.err = err
		return 0
	}
	repo, err := gitrepo.Open(gitrepo.Options{URL: url, Mirror: filepath.Join(os.Getenv("HOME"), "fetched"), Rewrites: rewrites})
	if err != nil {
		w.err = err
		return 0
	}
	snap, err := repo.FetchBranch(context.Background(), "main")
	if err != nil {
		w.err = err
		return 0
	}
	w.write(jsonl.Source{Name: name, URL: url, Branch: "main", Revision: snap.Revision, Tree: snap.Tree, Store: snap.Store, Signature: jsonl.SignatureUnchecked})
	files, err := snap.Files()
	if err != nil {
		w.err = err
		return 0
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	charts := manifest.FindCharts(names)
	for _, f := range files {
		if !manifest.IsManifest(f.Path) || charts.Hold(f.Path) {
			continue
		}
		text, err := snap.Read(f, 1<<20)
		if err != nil {
			w.err = err
			return 0
		}
		objects, faults := manifest.Parse(text)
		if len(faults) > 0 {
			w.err = fmt.Errorf("%s: %v", f.Path, faults[0])
			return 0
		}
		for _, o := range objects {
			object := json.RawMessage(o.JSON)
			id, err := jsonl.ObjectID(object)
			sum, err2 := jsonl.Sum(object)
			if err != nil || err2 != nil {
				w.err = fmt.Errorf("%s: %v %v", f.Path, err, err2)
				return 0
			}
			w.write(jsonl.Manifest{Place: jsonl.Place{Source: name, File: f.Path, Doc: o.Doc, Line: o.Line}, ID: id.String(), Object: object, Sum: sum, Planned: planned})
			manifests++
		}
	}
	return manifests
}
