package main

import (
	"context"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// options are the flags.
type options struct {
	dryRun, exitCode bool
	author           gitrepo.Person
	auth             gitrepo.Auth
	// diff is where a dry run shows its edits; nil leaves it to the voice on stderr.
	diff io.Writer
}

func readOptions(s *stage.IO, c *cli.Context) (options, error) {
	o := options{
		dryRun: c.Bool("dry-run"), exitCode: c.Bool("exit-code"),
		author: gitrepo.Person{Name: c.String("user"), Email: c.String("email"), When: s.Now()},
		auth:   gitrepo.Auth{SSHKey: c.String("ssh-key"), KnownHosts: c.String("known-hosts"), TokenFile: c.String("token-file")},
	}
	if c.String("log-format") == "text" {
		o.diff = c.App.ErrWriter
	}
	switch {
	case o.exitCode && !o.dryRun:
		return o, stage.Usagef("--exit-code says whether there are edits to make; it needs --dry-run, which makes none")
	case strings.TrimSpace(o.author.Name) == "" || strings.TrimSpace(o.author.Email) == "":
		return o, stage.Usagef("--user and --email must not be empty: git wants both")
	}
	return o, nil
}

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	o, err := readOptions(s, c)
	if err != nil {
		return err
	}
	var in stream
	if err := s.Read(in.take); err != nil {
		return err
	}
	outcomes, err := bump(ctx, s, o, &in)
	// Also where it ended early: what was pushed by then is in the stream, the rest as it came.
	passed := in.pass(s, outcomes)
	for _, e := range in.faults {
		s.Fail(e)
	}
	report(s, o, outcomes)
	if passed != nil {
		return passed
	}
	return err
}

// bump works through the sources that have changed picks, in the order of the stream.
func bump(ctx context.Context, s *stage.IO, o options, in *stream) ([]outcome, error) {
	if len(in.picks) == 0 {
		return nil, nil
	}
	if err := s.RefusePlanned(o.dryRun); err != nil {
		return nil, err
	}
	var outcomes []outcome
	for _, source := range in.bySource() {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		j := job{s: s, o: o, in: in, source: source.record, picks: source.picks, fault: source.fault}
		outcomes = append(outcomes, j.run(ctx))
		if last := outcomes[len(outcomes)-1]; ctx.Err() != nil && len(last.errors) > 0 {
			return outcomes, ctx.Err()
		}
	}
	return outcomes, nil
}

// report writes the stage's own records, in the order of the sources and their picks.
func report(s *stage.IO, o options, outcomes []outcome) {
	for _, out := range outcomes {
		for _, e := range out.errors {
			s.Fail(e)
		}
		if out.incomplete {
			s.Incomplete(out.source)
		}
		if out.wrote+out.took > 0 {
			s.Count(out.source, out.wrote, out.took)
		}
		if out.commit == nil {
			continue
		}
		_ = s.Write(*out.commit) // a broken stdout is seen at the end of the run
		switch {
		case o.dryRun:
			s.Total("planned", len(out.commit.Edits))
		case out.commit.Pushed:
			s.Total("edited", len(out.commit.Edits))
		}
		if o.exitCode {
			s.PendingChanges()
		}
	}
}

// outcome is what became of one source.
type outcome struct {
	source string
	// errors are about the source's picks, in their order, or about all of it.
	errors []jsonl.Error
	commit *jsonl.Commit // nil where there was nothing to commit
	// replace holds, for a line of the stream, the records that take its place; none drops it.
	replace     map[*jsonl.Line][]any
	wrote, took int // manifests
	incomplete  bool
}
