package gitrepo

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// A branch for review is made, reset to the base whatever it held, and never touched in a race.
func TestReviewBranch(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	base, _ := repo.Tip("")
	r := newClient(t).open(s.HTTP() + "/r.git")
	if was, err := r.FetchReview(t.Context(), "bot/updates", "main", base); was != nil || err != nil {
		t.Fatalf("%v, %v", was, err)
	}
	one := commit(t, fetch(t, r, "main"), map[string]string{"a": "2"})
	if err := r.PushReview(t.Context(), one, Review{Branch: "bot/updates", Base: "main"}); err != nil {
		t.Fatal(err)
	}
	// Made by somebody else in the meantime: not ours to move.
	two := commit(t, fetch(t, r, "main"), map[string]string{"a": "3"})
	err := r.PushReview(t.Context(), two, Review{Branch: "bot/updates", Base: "main"})
	if !errors.Is(err, ErrMoved) || !strings.Contains(err.Error(), "bot/updates is there now, at "+one.Revision) {
		t.Errorf("got %v", err)
	}
	reviewer := s.MustCommit(repo, gitserver.Change{Branch: "bot/updates", Files: map[string]string{"b": "by a reviewer"}})
	two = commit(t, fetch(t, r, "main"), map[string]string{"a": "3"})
	err = r.PushReview(t.Context(), two, Review{Branch: "bot/updates", Was: one.Revision, Base: "main"})
	if tip, _ := repo.Tip("bot/updates"); !errors.Is(err, ErrMoved) || tip != reviewer {
		t.Errorf("got %v, the branch is at %s", err, tip)
	}
	// Read anew it is reset.
	was, err := r.FetchReview(t.Context(), "bot/updates", "main", base)
	if err != nil || was.Revision != reviewer {
		t.Fatalf("%v, %v", was, err)
	}
	if parents, err := was.Parents(); err != nil || len(parents) != 1 || parents[0] != one.Revision {
		t.Errorf("parents %v, %v", parents, err)
	}
	two = commit(t, fetch(t, r, "main"), map[string]string{"a": "3"})
	if err := r.PushReview(t.Context(), two, Review{Branch: "bot/updates", Was: reviewer, Base: "main"}); err != nil {
		t.Fatal(err)
	}
	tip, _ := repo.Tip("bot/updates")
	parent, _ := repo.Git("rev-parse", "bot/updates^")
	if tip != two.Revision || parent != base {
		t.Errorf("the branch is at %s on %s, want %s on %s", tip, parent, two.Revision, base)
	}
	// The base has moved: what was to be reviewed is not what would be merged.
	three := commit(t, fetch(t, r, "main"), map[string]string{"a": "4"})
	s.MustCommit(repo, gitserver.Change{Files: map[string]string{"c": "by somebody else"}})
	if err := r.PushReview(t.Context(), three, Review{Branch: "bot/updates", Was: tip, Base: "main"}); !errors.Is(err, ErrMoved) {
		t.Errorf("got %v", err)
	}
	if _, err := r.FetchReview(t.Context(), "bot/updates", "main", base); !errors.Is(err, ErrMoved) {
		t.Errorf("got %v", err)
	}
	if now, _ := repo.Tip("bot/updates"); now != tip {
		t.Errorf("the branch is at %s", now)
	}
	fsck(t, r.Dir())
}

// SAFETY 14: no way leads to a forced push onto what is deployed.
func TestSafety14ReviewNeverOntoTheBase(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	s.MustCommit(repo, gitserver.Change{Branch: "deploy", From: "main", Files: map[string]string{"a": "2"}})
	before, _ := repo.Tip("")
	r := newClient(t).open(s.HTTP() + "/r.git")
	c := commit(t, fetch(t, r, "deploy"), map[string]string{"a": "3"})
	for _, to := range []Review{{Branch: "deploy", Was: c.Parent, Base: "deploy"}, {Branch: "deploy", Was: c.Parent}} {
		if err := r.PushReview(t.Context(), c, to); err == nil || !strings.Contains(err.Error(), "onto the branch that is deployed") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := r.FetchReview(t.Context(), "main", "deploy", c.Parent); err == nil || !strings.Contains(err.Error(), "main is the repository's own branch") {
		t.Errorf("got %v", err)
	}
	if now, _ := repo.Tip(""); now != before {
		t.Errorf("main is at %s", now)
	}
}

func TestCheckBranch(t *testing.T) {
	for name, ok := range map[string]bool{
		"bot/updates": true, "x": true, "": false, "a..b": false, "a b": false, "-f": false, "a/": false, "refs/heads/x": false,
		"a~1": false, "a.lock": false, "a\x00": false, "@{u}": false, "/a": false,
	} {
		if err := CheckBranch(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What was not pushed does not stay in the mirror, and what was is one pack there.
func TestCommitLeavesNothingBehind(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": "1", "dir/b": "1"})
	r := newClient(t).open(s.HTTP() + "/r.git")
	snap := fetch(t, r, "main")
	before := tree(t, r.Dir())
	s.RejectPushes("no")
	c := commit(t, snap, map[string]string{"a": "2", "dir/b": "2"})
	if err := r.Push(t.Context(), c, "main"); !errors.Is(err, ErrRejected) {
		t.Fatal(err)
	}
	if got := tree(t, r.Dir()); got != before {
		t.Errorf("the mirror holds\n%s\nand held\n%s", got, before)
	}
	// The same commit made twice is one, and dropping the second leaves it.
	s.RejectPushes("")
	c = commit(t, snap, map[string]string{"a": "2", "dir/b": "2"})
	if err := r.Push(t.Context(), c, "main"); err != nil {
		t.Fatal(err)
	}
	commit(t, snap, map[string]string{"a": "2", "dir/b": "2"}).Drop()
	if read(t, fetch(t, r, "main"), "a") != "2" {
		t.Error("the commit is gone")
	}
	fsck(t, r.Dir())
}
