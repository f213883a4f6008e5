package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// tries is how often a commit is made and pushed before the remote is taken to be too lively.
const tries = 60

// pause is the time before another try. Of several who push at once one gets through each time, so
// nobody waits for long.
const pause = 50 * time.Millisecond

// job is the work on one source.
type job struct {
	s      *stage.IO
	o      options
	in     *stream
	source jsonl.Source
	wishes []wish
	fault  string // why nothing can be done

	first *gitrepo.Snapshot // the source as the stream names it
	news  *reading          // what the source holds now, where the remote has moved
	out   outcome
}

func (j *job) run(ctx context.Context) outcome {
	j.out.source = j.source.Name
	if j.fault == "" && j.source.Branch == "" {
		j.fault = "it was not fetched from a branch, so there is none to commit to"
	}
	if j.fault != "" {
		j.fail("bad-source", "cannot edit the source: "+j.fault, "")
		return j.out
	}
	// The store is git-fetch's: one that is missing is not made here.
	store, err := gitrepo.OpenStore(j.source.Store)
	if err != nil {
		j.failGit(err)
		return j.out
	}
	defer store.Close()
	snap, err := store.Snapshot(j.source.Revision)
	if err != nil {
		j.failGit(err)
		return j.out
	}
	p := j.plan(snap, j.wishes)
	switch {
	case len(p.files) == 0:
	case j.o.dryRun:
		j.dryRun(snap, p)
	default:
		j.commit(ctx, p)
	}
	return j.out
}

// plan makes a plan and says what it cannot do.
func (j *job) plan(snap *gitrepo.Snapshot, wishes []wish) plan {
	p := makePlan(snap, wishes)
	j.out.errors = append(j.out.errors, p.errors()...)
	for _, pick := range p.picks {
		if pick.done {
			j.s.Debugf("%s: %s: %s is written there already", pick.pick.File, pick.pick.ID, pick.pick.what())
		}
		if len(pick.shared) > 0 {
			j.s.Warn("%s:%d: %s shares its text through the YAML anchor %q: all users of the anchor change",
				pick.pick.File, pick.edits[0].Line, pick.pick.ID, pick.shared[0])
		}
	}
	return p
}

// record is the commit that a plan makes.
func (j *job) record(parent string, p plan) (*jsonl.Commit, error) {
	branch, base := j.source.Branch, ""
	if j.o.review != "" {
		branch, base = j.o.review, j.source.Branch
	}
	about := p.tell(j.source.Name, branch, base)
	message, err := j.o.message(about)
	if err != nil {
		return nil, fmt.Errorf("writing the commit's message: %w", err)
	}
	return &jsonl.Commit{Type: jsonl.TypeCommit, Source: j.source.Name, Branch: branch, Base: base,
		Parent: parent, Message: message, Edits: about.Edits}, nil
}

func (j *job) dryRun(snap *gitrepo.Snapshot, p plan) {
	record, err := j.record(snap.Revision, p)
	if err != nil {
		j.fail("bad-message", err.Error(), "")
		return
	}
	j.out.commit = record
	j.out.commit.Planned = true
	j.show(p)
	if j.o.review == "" { // what awaits review is not deployed
		j.replaceEdited(p, true)
	}
}

// commit commits and pushes, on top of whatever the remote's branch holds by then.
func (j *job) commit(ctx context.Context, p plan) {
	repo, err := j.open()
	if err != nil {
		j.failGit(err)
		return
	}
	defer repo.Close()
	snap := j.first
	for try := 1; ; try++ {
		commit, err := j.push(ctx, repo, snap, p)
		switch {
		case err == nil:
			j.pushed(commit, p)
			return
		case errors.Is(err, gitrepo.ErrMoved) && try == tries:
			j.fail(gitrepo.CodeMoved, fmt.Sprintf("gave up after %d tries: %v", tries, err), "somebody else pushes all the time; run again")
			return
		case errors.Is(err, gitrepo.ErrMoved):
			snap, p, err = j.catchUp(ctx, repo, p)
		}
		if err != nil {
			j.failGit(err)
			return
		}
		if len(p.files) == 0 {
			j.out.commit = nil // what was to be done is done, or told of
			return
		}
	}
}

// open opens the repository for pushing, and reads the source's commit through it.
func (j *job) open() (*gitrepo.Repo, error) {
	rewrites, err := gitrepo.LoadRewrites(j.s.Getenv)
	if err != nil {
		return nil, err
	}
	repo, err := gitrepo.Open(gitrepo.Options{URL: j.source.URL, Store: j.source.Store, Auth: j.o.auth, Rewrites: rewrites, Getenv: j.s.Getenv})
	if err != nil {
		return nil, err
	}
	if j.first, err = repo.Snapshot(j.source.Revision); err != nil {
		_ = repo.Close()
		return nil, err
	}
	j.out.asked, j.out.bySSH = true, repo.SSH()
	return repo, nil
}

// catchUp reads the source anew where the remote has moved, and plans the edits on top of that.
func (j *job) catchUp(ctx context.Context, repo *gitrepo.Repo, p plan) (*gitrepo.Snapshot, plan, error) {
	select {
	case <-ctx.Done():
		return nil, p, ctx.Err()
	case <-time.After(pause):
	}
	snap, err := repo.FetchBranch(ctx, j.source.Branch)
	if err != nil {
		return nil, p, err
	}
	if j.source.Signature == jsonl.SignatureGood {
		return nil, p, fmt.Errorf("%s has moved to %.12s, whose signature nobody has checked; the next git-fetch does", j.source.Branch, snap.Revision)
	}
	j.s.Infof("%s: %s has moved to %.12s, reading it anew", j.source.Name, j.source.Branch, snap.Revision)
	if j.news, err = readSource(snap, j.source); err != nil {
		return nil, p, err
	}
	return snap, j.redo(snap, p), nil
}

// push makes the commit and pushes it.
func (j *job) push(ctx context.Context, repo *gitrepo.Repo, snap *gitrepo.Snapshot, p plan) (*gitrepo.Commit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := j.s.OutErr(); err != nil {
		return nil, fmt.Errorf("nothing was committed: %w", err)
	}
	record, err := j.record(snap.Revision, p)
	if err != nil {
		return nil, err
	}
	commit, err := snap.Commit(ctx, p.contents(), gitrepo.CommitOptions{Author: j.o.author, Committer: j.o.committer, Message: record.Message, Sign: j.o.sign})
	if err != nil {
		return nil, err
	}
	record.Revision = commit.Revision
	j.out.commit = record
	if j.o.review != "" {
		return commit, j.propose(ctx, repo, commit)
	}
	return commit, repo.Push(ctx, commit, j.source.Branch)
}

// propose pushes the commit to the branch for review. One that holds the same on the same base is
// left alone: whoever reviews it would see it change for nothing.
func (j *job) propose(ctx context.Context, repo *gitrepo.Repo, commit *gitrepo.Commit) error {
	was, err := repo.FetchReview(ctx, j.o.review, j.source.Branch, commit.Parent)
	if err != nil {
		commit.Drop()
		return err
	}
	to := gitrepo.Review{Branch: j.o.review, Base: j.source.Branch}
	if was != nil {
		to.Was = was.Revision
		parents, err := was.Parents()
		if err == nil && was.Tree == commit.Tree && slices.Equal(parents, []string{commit.Parent}) {
			if was.Revision != commit.Revision {
				commit.Drop()
			}
			j.out.waiting, j.out.commit.Revision = true, was.Revision
			return nil
		}
	}
	return repo.PushReview(ctx, commit, to)
}

// pushed replaces what the stream holds of the source by what was pushed.
func (j *job) pushed(commit *gitrepo.Commit, p plan) {
	j.out.commit.Pushed = true
	edits := "1 edit"
	if n := len(j.out.commit.Edits); n > 1 {
		edits = fmt.Sprintf("%d edits", n)
	}
	switch {
	case j.out.waiting:
		j.s.Debugf("%s: %s waits for review with the same content: %s", j.source.Name, j.o.review, edits)
	case j.o.review != "":
		j.s.Infof("%s: pushed %.12s to %s, for review onto %s: %s", j.source.Name, commit.Revision, j.o.review, j.source.Branch, edits)
	default:
		j.s.Infof("%s: pushed %.12s to %s: %s", j.source.Name, commit.Revision, j.source.Branch, edits)
	}
	if j.o.review != "" {
		return
	}
	if j.news == nil {
		j.replaceEdited(p, false)
		j.replaceSource(commit)
		return
	}
	if why := j.altered(); why != "" {
		j.fail("transformed", "the remote had moved, and the source cannot be replaced in the stream by its new state, because "+why+
			"; what follows sees it at "+j.source.Revision, "run again; put stages that change or drop manifests behind bump-yaml")
		return
	}
	j.replaceAll(commit, p)
}

func (j *job) fail(code, message, hint string) {
	j.out.errors = append(j.out.errors, jsonl.Error{Code: code, Message: message, Hint: hint, Source: j.source.Name})
}

func (j *job) failGit(err error) {
	j.fail(gitrepo.Code(err), err.Error(), gitrepo.Hint(err))
}

// show prints a plan's diff.
func (j *job) show(p plan) {
	for _, path := range p.paths() {
		e := p.files[path]
		text := unified(path, e.before, e.after, e.was, e.is)
		if j.o.diff == nil {
			j.s.Infof("%s", text)
			continue
		}
		_, _ = fmt.Fprint(j.o.diff, text)
	}
}
