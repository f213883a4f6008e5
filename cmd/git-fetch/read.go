package main

import (
	"context"
	"fmt"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/source"
)

// result is what came of one source.
type result struct {
	source jsonl.Source
	*source.Reading
	err error // nothing of it can be used
}

func fetchSource(ctx context.Context, src origin, o gitrepo.Options) result {
	repo, err := gitrepo.Open(o)
	if err != nil {
		return result{err: err}
	}
	defer repo.Close()
	snap, err := repo.FetchBranch(ctx, src.branch)
	if err != nil {
		return result{err: err}
	}
	reading, err := source.Read(snap, src.paths)
	if err != nil {
		return result{err: fmt.Errorf("reading %s at %s: %w", src.url, snap.Revision, err)}
	}
	return result{Reading: reading, source: jsonl.Source{
		Name: src.name, URL: repo.URL(), Branch: snap.Branch, Revision: snap.Revision, Tree: snap.Tree,
		Paths: src.paths, Store: snap.Store, Signature: jsonl.SignatureUnchecked,
	}}
}
