package gitrepo

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// A mirror that is fetched into all the time keeps few packs, and loses nothing that the server has.
// Somebody who is reading in it goes on reading.
func TestPacksArePutTogether(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "0"})
	c := newClient(t)
	r := c.open(s.HTTP() + "/r.git")
	first := fetch(t, r, "main")
	s.MustCommit(repo, gitserver.Change{Branch: "other", From: "main", Files: map[string]string{"o": "other"}})
	s.MustCommit(repo, gitserver.Change{Branch: "gone", From: "main", Files: map[string]string{"g": "gone"}})
	other, gone := fetch(t, r, "other"), fetch(t, r, "gone")
	if _, err := repo.Git("update-ref", "-d", "refs/heads/gone"); err != nil {
		t.Fatal(err)
	}
	var reader *Store
	most := 0
	for n := 1; n <= maxPacks+5; n++ {
		s.MustCommit(repo, gitserver.Change{Files: map[string]string{"a": fmt.Sprint(n)}})
		if n == maxPacks-5 {
			var err error
			if reader, err = OpenStore(r.Dir()); err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			if _, err := reader.Snapshot(other.Revision); err != nil {
				t.Fatal(err)
			}
		}
		s.ResetCounts()
		if snap := fetch(t, r, "main"); read(t, snap, "a") != fmt.Sprint(n) {
			t.Fatal("an old state")
		}
		if got := s.Counts(); got != (gitserver.Counts{Refs: 1, Packs: 1}) {
			t.Fatalf("fetch %d: %+v", n, got)
		}
		packs, _ := r.listPacks()
		most = max(most, len(packs))
	}
	packs, _ := r.listPacks()
	if most != maxPacks+1 || len(packs) > 10 {
		t.Errorf("%d packs at most, %d in the end", most, len(packs))
	}
	for name, store := range map[string]*Store{"the same": r.Store, "an open one": reader} {
		for _, revision := range []string{first.Revision, other.Revision} {
			snap, err := store.Snapshot(revision)
			if err != nil || read(t, snap, "a") != "0" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if r.has(gone.tree) || strings.Contains(strings.Join(r.tips(), " "), gone.Revision) {
		t.Error("a branch that the server no longer has is still noted")
	}
	fsck(t, r.Dir())
}

// What could not be fetched leaves no folder behind.
func TestFailedFirstFetchLeavesNothing(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": strings.Repeat("text ", 5000)})
	for name, fail := range map[string]func(c *client) string{
		"no such repository": func(*client) string { return s.HTTP() + "/nowhere.git" },
		"no such branch":     func(*client) string { return s.HTTP() + "/r.git" },
		"cut":                func(*client) string { s.CutPacks(60); return s.HTTP() + "/r.git" },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			r := c.open(fail(c))
			defer s.CutPacks(0)
			branch := "main"
			if name == "no such branch" {
				branch = "nowhere"
			}
			if _, err := r.FetchBranch(t.Context(), branch); err == nil {
				t.Fatal("it went through")
			}
			if _, err := os.Lstat(r.Dir()); !os.IsNotExist(err) {
				t.Errorf("the mirror is there: %v", err)
			}
			s.CutPacks(0)
			if name == "cut" && read(t, fetch(t, r, "main"), "a") == "" {
				t.Error("the next fetch brought nothing")
			}
		})
	}
}
