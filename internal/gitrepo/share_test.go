package gitrepo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// Several branches of one repository, fetched side by side into one store.
func TestSideBySide(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "main"})
	tips := map[string]string{}
	for i := range 8 {
		branch := fmt.Sprint("b", i)
		tips[branch] = s.MustCommit(repo, gitserver.Change{Branch: branch, From: "main", Files: map[string]string{"a": branch, branch: "x"}})
	}
	c := newClient(t)
	var all sync.WaitGroup
	for branch, tip := range tips {
		r := c.open(s.HTTP() + "/r.git")
		for range 2 {
			all.Go(func() {
				snap, err := r.FetchBranch(t.Context(), branch)
				if err != nil || snap.Revision != tip {
					t.Errorf("%s: %+v, %v", branch, snap, err)
					return
				}
				files, err := snap.Files()
				if err != nil || len(files) != 2 {
					t.Errorf("%s: %v, %v", branch, files, err)
				}
				if text, err := snap.ReadFile("a", 100); err != nil || string(text) != branch {
					t.Errorf("%s: %q, %v", branch, text, err)
				}
			})
		}
	}
	all.Wait()
	fsck(t, c.open(s.HTTP()+"/r.git").Dir())
}

// A server with keys of two types, of which known_hosts has one: not the one that a client would
// ask for first.
func TestOneOfTwoHostKeys(t *testing.T) {
	s, err := gitserver.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	known, _, err := gitserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.StartSSH("", known, other); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create("r.git", map[string]string{"a": "1"}); err != nil {
		t.Fatal(err)
	}
	c := newClient(t)
	fixture := gitserver.Fixture{Server: s}
	fetch(t, c.ssh(&fixture).open(s.SSH()+"/r.git"), "")
}
