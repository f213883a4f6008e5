package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
)

const markManual = `Reads a stream that has been applied, and moves a tag of each of its repositories to the commit that
was: for those who want to see in git what the cluster stands at. kapply keeps that in the cluster
anyway (kapply status), and nothing of ours reads the tag.

   git-fetch https://git.example/team/config.git | kapply --prune | git-fetch mark

A source is marked when all of it was applied: it is whole in the stream, and the programs that applied
failed nowhere. The tag is a lightweight one. It may go anywhere, but only from where it was seen.`

// mark is the command that moves tags.
var mark = &stage.App{
	Name:   "mark",
	Usage:  "move a tag to the commit that was applied",
	Manual: markManual,
	Reads:  true,
	Writes: true,
	Run:    runMark,
	Flags:  append([]cli.Flag{&cli.StringFlag{Name: "tag", Value: "flux-sync", Usage: "move the tag `NAME`"}}, loginFlags()...),
}

func runMark(ctx context.Context, s *stage.IO, c *cli.Context) error {
	var in applied
	if err := s.Read(in.take); err != nil {
		return err
	}
	if err := s.RefusePlanned(false); err != nil {
		return err
	}
	if in.rehearsed {
		return stage.WithHint(stage.Refused(errors.New("this was a dry run: nothing is applied, and no tag is moved")), "mark a run without --dry-run")
	}
	switch {
	case len(in.sources) == 0:
		return nil
	case !in.ended:
		return stage.WithHint(stage.Refused(errors.New("nothing in this stream says that it was applied: no tag is moved")), "put kapply before it: git-fetch … | kapply | git-fetch mark")
	case in.failed != "":
		return stage.WithHint(stage.Refused(fmt.Errorf("%s failed somewhere: no tag is moved", in.failed)), "the tags move with the first run in which all is applied")
	}
	rewrites, err := gitrepo.LoadRewrites(s.Getenv)
	if err != nil {
		return err
	}
	for _, source := range in.sources {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		options := gitrepo.Options{URL: source.URL, Store: source.Store, Auth: loginOptions(c), Rewrites: rewrites, Getenv: s.Getenv}
		in.mark(ctx, s, source, options, c.String("tag"))
	}
	return nil
}

// applied is what a stream tells of its application.
type applied struct {
	sources   []jsonl.Source
	ended     bool   // a program that applies got to its end
	failed    string // one that failed somewhere
	rehearsed bool
}

// appliers are the programs that bring a source into a cluster.
var appliers = []string{"kapply", "helm-reconcile"}

func (in *applied) take(line *jsonl.Line) (pass bool, err error) {
	switch line.Type {
	case jsonl.TypeSource:
		var record jsonl.Source
		if err = line.Decode(&record); err == nil && !slices.ContainsFunc(in.sources, func(s jsonl.Source) bool { return s.Name == record.Name }) {
			in.sources = append(in.sources, record)
		}
	case jsonl.TypeApply:
		var record jsonl.Apply
		err = line.Decode(&record)
		in.rehearsed = in.rehearsed || record.DryRun
	case jsonl.TypeRelease:
		var record jsonl.Release
		err = line.Decode(&record)
		in.rehearsed = in.rehearsed || record.DryRun
	case jsonl.TypeEnd:
		var record jsonl.End
		err = line.Decode(&record)
		if slices.Contains(appliers, record.Stage) {
			in.ended = true
			if !record.OK {
				in.failed = record.Stage
			}
		}
	}
	if err != nil {
		return true, fmt.Errorf("line %d: %w", line.N, err)
	}
	return true, nil
}

// mark moves the tag of one source, or says why not.
func (in *applied) mark(ctx context.Context, s *stage.IO, source jsonl.Source, options gitrepo.Options, tag string) {
	fail := func(code, message, hint string) {
		s.Fail(jsonl.Error{Code: code, Message: message, Hint: hint, Source: source.Name})
	}
	if err := s.Tally().Whole(source.Name); err != nil {
		fail(stage.NotWhole, fmt.Sprintf("%s is not moved: %v", tag, err), "a stage before this one says why")
		return
	}
	repo, err := gitrepo.Open(options)
	if err != nil {
		fail(gitrepo.Code(err), err.Error(), gitrepo.Hint(err))
		return
	}
	defer repo.Close()
	changed, err := repo.MoveTag(ctx, tag, source.Revision)
	switch {
	case err != nil:
		fail(gitrepo.Code(err), err.Error(), gitrepo.Hint(err))
	case changed:
		s.Infof("%s: %s is at %.12s", source.Name, tag, source.Revision)
		s.Total("marked", 1)
	default:
		s.Total("unchanged", 1)
	}
}
