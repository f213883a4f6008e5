package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// sideBySide is how many repositories are fetched at a time.
const sideBySide = 8

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	sources, err := readOptions(c)
	if err != nil {
		return err
	}
	rewrites, err := gitrepo.LoadRewrites(s.Getenv)
	if err != nil {
		return err
	}
	results := fetchAll(ctx, sources, func(ctx context.Context, src origin) result {
		return fetchSource(ctx, src, gitrepo.Options{URL: src.url, Mirror: c.String("mirror"), Auth: src.auth, Rewrites: rewrites, Getenv: s.Getenv})
	})
	failed := 0
	for i, src := range sources {
		r := <-results[i]
		s.Progress("fetching", i+1, len(sources))
		if r.err != nil {
			failed++
			s.Incomplete(src.name)
			if len(sources) > 1 {
				s.Fail(jsonl.Error{Code: gitrepo.Code(r.err), Message: r.err.Error(), Hint: gitrepo.Hint(r.err), Source: src.name})
				continue
			}
			return &stage.Error{Exit: stage.CodeFailed, Word: gitrepo.Code(r.err), Hint: gitrepo.Hint(r.err), Err: r.err}
		}
		if err := write(s, src, r); err != nil {
			return err
		}
	}
	if failed == len(sources) {
		return errors.New("none of the sources could be fetched")
	}
	return nil
}

// fetchAll fetches the sources side by side and hands each result out on its own channel.
func fetchAll(ctx context.Context, sources []origin, fetch func(context.Context, origin) result) []chan result {
	results := make([]chan result, len(sources))
	room := make(chan struct{}, sideBySide)
	for i, src := range sources {
		results[i] = make(chan result, 1)
		go func() {
			room <- struct{}{}
			defer func() { <-room }()
			results[i] <- fetch(ctx, src)
		}()
	}
	return results
}

// write writes the records of one source.
func write(s *stage.IO, src origin, r result) error {
	if err := s.Write(r.source); err != nil {
		return err
	}
	objects := 0
	for _, f := range r.Found {
		if f.Fault != nil {
			s.Incomplete(src.name)
			s.Fail(jsonl.Error{Code: f.Code, Message: f.Fault.Message, Hint: f.Fault.Hint, Source: src.name, File: f.File, Line: f.Fault.Line})
			continue
		}
		record, err := jsonl.NewManifest(jsonl.Place{Source: src.name, File: f.File, Doc: f.Object.Doc, Item: f.Object.Item, Line: f.Object.Line}, f.Object.JSON)
		if err != nil {
			return fmt.Errorf("%s: %s:%d: %w", src.name, f.File, f.Object.Line, err)
		}
		if err := s.Write(record); err != nil {
			return err
		}
		objects++
	}
	s.Count(src.name, objects, 0)
	s.Total("manifests", objects)
	s.Debugf("%s: %s at %.12s on %s: %d objects in %d files", src.name, src.url, r.source.Revision, r.source.Branch, objects, r.Files)
	if len(r.Charts) > 0 {
		s.Debugf("%s: charts left out: %s", src.name, r.Charts)
	}
	if objects == 0 && len(r.Found) == 0 {
		s.Warn("%s holds no manifest%s", src.name, below(src.paths))
	}
	return nil
}

func below(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	return " at or below " + strings.Join(paths, ", ")
}
