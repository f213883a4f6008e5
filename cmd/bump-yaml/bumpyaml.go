package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
	"github.com/sluice-gitops/sluice/internal/yamledit"
)

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	write := autoRelease
	if text := c.String("message"); text != "" {
		var err error
		if write, err = byTemplate(text); err != nil {
			return err
		}
	}
	o, err := readOptions(s, c, write)
	if err != nil {
		return err
	}
	return edit(ctx, s, o, func(in *stream) (asked, error) {
		a := asked{faults: in.faults}
		for _, pick := range in.picks {
			if pick.Changed {
				a.wishes = append(a.wishes, wish{Pick: pick})
			}
		}
		a.wishes = in.filter(s, c.StringSlice("only"), a.wishes)
		return a, nil
	})
}

// wish is one change that is asked for: a container's image, or a workload's policies.
type wish struct {
	// Pick is the change of an image. Of policies it holds the place and the ID.
	jsonl.Pick
	// annotate gives the entries of an object's annotations that make its policies those that are
	// asked for; nil where an image changes.
	annotate func(object map[string]any) ([]yamledit.Entry, error)
}

// asked is all that is asked for, and what of it cannot be made sense of.
type asked struct {
	wishes []wish
	faults []jsonl.Error
}

// edit reads the stream, makes in git what is wished for, and passes the stream on with what has
// changed.
func edit(ctx context.Context, s *stage.IO, o options, find func(in *stream) (asked, error)) error {
	var in stream
	if err := s.Read(in.take); err != nil {
		return err
	}
	a, err := find(&in)
	var outcomes []outcome
	if err == nil {
		outcomes, err = bump(ctx, s, o, &in, a.wishes)
	}
	// Also where it ended early: what was pushed by then is in the stream, the rest as it came.
	passed := in.pass(s, outcomes)
	for _, e := range a.faults {
		s.Fail(e)
	}
	report(s, o, outcomes)
	if passed != nil {
		return passed
	}
	return err
}

// bump works through the sources of which something is wished, in the order of the stream.
func bump(ctx context.Context, s *stage.IO, o options, in *stream, wishes []wish) ([]outcome, error) {
	if len(wishes) == 0 {
		return nil, nil
	}
	if err := s.RefusePlanned(o.dryRun); err != nil {
		return nil, err
	}
	sources := in.bySource(wishes)
	for _, source := range sources {
		if o.review != "" && o.review == source.record.Branch {
			return nil, stage.WithHint(stage.Refused(fmt.Errorf("%s is deployed from its branch %s: that is no branch for a review, which is reset each time", source.record.Name, o.review)),
				"name another with --push-branch, or leave it out to push onto the deployed branch")
		}
	}
	var outcomes []outcome
	for _, source := range sources {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		j := job{s: s, o: o, in: in, source: source.record, wishes: source.wishes, fault: source.fault}
		outcomes = append(outcomes, j.run(ctx))
		if last := outcomes[len(outcomes)-1]; ctx.Err() != nil && len(last.errors) > 0 {
			return outcomes, ctx.Err()
		}
	}
	warnUnused(s, o, outcomes)
	return outcomes, nil
}

// warnUnused says that a credential was given for which no source had a use.
func warnUnused(s *stage.IO, o options, outcomes []outcome) {
	asked, bySSH := 0, 0
	for _, out := range outcomes {
		if out.asked {
			asked++
		}
		if out.asked && out.bySSH {
			bySSH++
		}
	}
	switch {
	case asked == 0:
	case bySSH == 0 && o.auth.SSHKey != "":
		s.Warn("--ssh-key has no effect: no source is fetched over ssh")
	case bySSH == asked && o.auth.TokenFile != "":
		s.Warn("--token-file has no effect: every source is fetched over ssh")
	}
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
		case out.waiting:
			s.Total("waiting", len(out.commit.Edits))
		case out.commit.Pushed && out.commit.Base != "":
			s.Total("proposed", len(out.commit.Edits))
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
	// waiting says that the branch for review held the commit's content on the same base already.
	waiting bool
	// asked says that the server was asked for something, bySSH that it was over ssh.
	asked, bySSH bool
	// replace holds, for a line of the stream, the records that take its place; none drops it.
	replace     map[*jsonl.Line][]any
	wrote, took int // manifests
	incomplete  bool
}
