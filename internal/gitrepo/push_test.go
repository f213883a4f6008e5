package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

var how = CommitOptions{
	Author:  Person{Name: "Sluice", Email: "sluice@example.com", When: time.Unix(1767225600, 0).UTC()},
	Message: "Auto-release app:2",
}

func commit(t *testing.T, s *Snapshot, files map[string]string) *Commit {
	t.Helper()
	texts := map[string][]byte{}
	for name, text := range files {
		texts[name] = []byte(text)
	}
	c, err := s.Commit(t.Context(), texts, how)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCommitAndPush(t *testing.T) {
	s := gitserver.Start(t)
	for name, test := range map[string]struct {
		url    string
		client *client
	}{
		"http": {s.HTTP(), newClient(t)},
		"ssh":  {s.SSH(), newClient(t).ssh(s)},
	} {
		t.Run(name, func(t *testing.T) {
			repo := s.MustCreate(name+".git", map[string]string{"a.yaml": "a: 1\n", "deploy/b.yaml": "b: 1\n", "deploy/c/d": "d", "z": "z"})
			if _, err := repo.Commit(gitserver.Change{Files: map[string]string{"run.sh": "#!/bin/sh\n"}, Modes: map[string]string{"run.sh": "100755"}}); err != nil {
				t.Fatal(err)
			}
			base, _ := repo.Tip("")
			r := test.client.open(test.url + "/" + name + ".git")
			c := commit(t, fetch(t, r, ""), map[string]string{"a.yaml": "a: 2\n", "deploy/b.yaml": "b: 1\n", "run.sh": "#!/bin/sh\nexit 1\n", "new/x/y": "y"})
			if got := strings.Join(c.Files, " "); got != "a.yaml new/x/y run.sh" || c.Parent != base {
				t.Errorf("changed %s on %s", got, c.Parent)
			}
			s.ResetCounts()
			if err := r.Push(t.Context(), c, "main"); err != nil {
				t.Fatal(err)
			}
			if got := s.Counts(); got != (gitserver.Counts{Refs: 2, Pushes: 1}) {
				t.Errorf("requests of a push: %+v", got)
			}
			tip, _ := repo.Tip("")
			diff, _ := repo.Git("diff-tree", "-r", "--name-status", "HEAD~1", "HEAD")
			if tip != c.Revision || diff != "M\ta.yaml\nA\tnew/x/y\nM\trun.sh" {
				t.Errorf("the server is at %s, want %s, which changes:\n%s", tip, c.Revision, diff)
			}
			if mode, _ := repo.Git("ls-tree", "HEAD", "run.sh"); !strings.HasPrefix(mode, "100755 ") {
				t.Errorf("the mode is lost: %s", mode)
			}
			text, _ := repo.Git("cat-file", "commit", "HEAD")
			if !strings.Contains(text, "author Sluice <sluice@example.com> 1767225600 +0000\ncommitter Sluice") || !strings.HasSuffix(text, "\n\nAuto-release app:2") {
				t.Errorf("the commit is\n%s", text)
			}
			if out, err := repo.Git("fsck", "--full", "--strict"); err != nil {
				t.Error(err, out)
			}

			// The mirror has it: another process reads it there, and a fetch is one listing.
			st, err := OpenStore(r.Dir())
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			if snap, err := st.Snapshot(c.Revision); err != nil || read(t, snap, "a.yaml") != "a: 2\n" {
				t.Error(err)
			}
			s.ResetCounts()
			if snap := fetch(t, test.client.open(r.URL()), "main"); snap.Revision != c.Revision || s.Counts().Packs != 0 {
				t.Errorf("fetched its own commit: %+v", s.Counts())
			}
			fsck(t, r.Dir())
		})
	}
}

func TestCommitRefusals(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1", "dir/b": "2"})
	s.MustCommit(repo, gitserver.Change{Links: map[string]string{"link": "a"}})
	snap := fetch(t, newClient(t).open(s.HTTP()+"/r.git"), "")
	for name, test := range map[string]struct {
		files map[string]string
		say   string
	}{
		"nothing":        {map[string]string{"a": "1", "dir/b": "2"}, "nothing to commit"},
		"through a link": {map[string]string{"link": "x"}, "link is a symbolic link"},
		"a folder":       {map[string]string{"dir": "x"}, "dir is not a file"},
		"below a file":   {map[string]string{"a/b": "x"}, "a is not a folder"},
		"both":           {map[string]string{"n": "x", "n/b": "x"}, "lies below another changed file"},
		"out":            {map[string]string{"../a": "x"}, "leads out"},
		"absolute":       {map[string]string{"/a": "x"}, "absolute"},
		"not plain":      {map[string]string{"dir/../a": "x"}, "not in its plain form"},
		"git":            {map[string]string{".git/config": "x"}, "no tree may hold it"},
	} {
		t.Run(name, func(t *testing.T) {
			texts := map[string][]byte{}
			for n, text := range test.files {
				texts[n] = []byte(text)
			}
			if _, err := snap.Commit(t.Context(), texts, how); err == nil || !strings.Contains(err.Error(), test.say) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := snap.Commit(t.Context(), map[string][]byte{"a": []byte("1")}, how); !errors.Is(err, ErrNothing) {
		t.Errorf("got %v", err)
	}
}

// SAFETY 13: whatever the repository looks like, a commit changes the planned files and no
// others. Git itself is asked what changed.
func TestSafety13CommitTouchesOnlyThePlannedFiles(t *testing.T) {
	s := gitserver.Start(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	name := func() string {
		// Names whose order in git differs from that of plain strings: a, a-, a.b, a/, a0.
		parts := []string{"a", "a-", "a.b", "a0", "b", "A", "é", "x y"}
		n := []string{parts[random.IntN(len(parts))]}
		for len(n) < 4 && random.IntN(2) == 0 {
			n = append(n, "d"+parts[random.IntN(len(parts))])
		}
		n[len(n)-1] += ".f"
		return strings.Join(n, "/")
	}
	for round := range 15 {
		files := map[string]string{}
		for range 1 + random.IntN(40) {
			files[name()] = fmt.Sprint(random.Uint32())
		}
		repo := s.MustCreate(fmt.Sprintf("r%d.git", round), files)
		r := newClient(t).open(s.HTTP() + "/" + repo.Name)
		planned, texts := []string{}, map[string][]byte{}
		for file := range files {
			if random.IntN(3) == 0 {
				planned, texts[file] = append(planned, file), []byte(fmt.Sprint("new", random.Uint32()))
			}
		}
		if len(planned) == 0 {
			continue
		}
		slices.Sort(planned)
		c, err := fetch(t, r, "").Commit(t.Context(), texts, how)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Push(t.Context(), c, "main"); err != nil {
			t.Fatal(err)
		}
		out, err := repo.Git("-c", "core.quotePath=false", "diff-tree", "-r", "--no-renames", "--name-only", "HEAD~1", "HEAD")
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(out, "\n")
		slices.Sort(got)
		if !slices.Equal(got, planned) {
			t.Fatalf("planned %q, changed %q", planned, got)
		}
		if out, err := repo.Git("fsck", "--full", "--strict"); err != nil {
			t.Fatal(err, out)
		}
	}
}

// SAFETY 13, the assertion itself: trees that differ in more, less or other ways than planned.
func TestSafety13ProofFindsStrayChanges(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1", "b": "1", "dir/c": "1", "dir/d": "1"})
	r := newClient(t).open(s.HTTP() + "/r.git")
	before := fetch(t, r, "").tree
	plan := map[string]plumbing.Hash{"a": hashOf(plumbing.BlobObject, []byte("2"))}
	for name, test := range map[string]struct {
		change gitserver.Change
		ok     bool
	}{
		"as planned":    {gitserver.Change{Files: map[string]string{"a": "2"}}, true},
		"another value": {gitserver.Change{Files: map[string]string{"a": "3"}}, false},
		"one more":      {gitserver.Change{Files: map[string]string{"a": "2", "dir/c": "2"}}, false},
		"one new":       {gitserver.Change{Files: map[string]string{"a": "2", "e/f": "2"}}, false},
		"one gone":      {gitserver.Change{Files: map[string]string{"a": "2"}, Delete: []string{"b"}}, false},
		"a folder gone": {gitserver.Change{Files: map[string]string{"a": "2"}, Delete: []string{"dir"}}, false},
		"another mode":  {gitserver.Change{Files: map[string]string{"a": "2"}, Modes: map[string]string{"a": "100755"}}, false},
		"a link":        {gitserver.Change{Links: map[string]string{"a": "2"}}, false},
		"not changed":   {gitserver.Change{Files: map[string]string{"a": "1"}}, false},
		"file, folder":  {gitserver.Change{Delete: []string{"a"}, Files: map[string]string{"a/x": "2"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			test.change.Branch, test.change.From = strings.ReplaceAll(name, " ", "-"), "main"
			if strings.HasSuffix(test.change.Branch, ",-folder") {
				test.change.Branch = "folder"
			}
			s.MustCommit(repo, test.change)
			after := fetch(t, r, test.change.Branch).tree
			if err := r.proveOnly(before, after, plan); (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// SAFETY 14: a foreign push between our fetch and our push is never lost, and is told apart.
func TestSafety14ConcurrentPush(t *testing.T) {
	s := gitserver.Start(t)
	for name, test := range map[string]struct {
		url    string
		client *client
	}{
		"http": {s.HTTP(), newClient(t)},
		"ssh":  {s.SSH(), newClient(t).ssh(s)},
	} {
		t.Run(name, func(t *testing.T) {
			repo := s.MustCreate(name+".git", map[string]string{"a": "1", "b": "1"})
			r := test.client.open(test.url + "/" + name + ".git")

			// Seen in the listing: nothing is sent.
			c := commit(t, fetch(t, r, ""), map[string]string{"a": "2"})
			foreign := s.MustCommit(repo, gitserver.Change{Files: map[string]string{"b": "2"}})
			s.ResetCounts()
			if err := r.Push(t.Context(), c, "main"); !errors.Is(err, ErrMoved) || Code(err) != CodeMoved || s.Counts().Pushes != 0 {
				t.Fatalf("got %v, %+v", err, s.Counts())
			}

			// After the listing: the server compares.
			c = commit(t, fetch(t, r, ""), map[string]string{"a": "2"})
			s.BeforePush(func(string) {
				s.BeforePush(nil)
				foreign = s.MustCommit(repo, gitserver.Change{Files: map[string]string{"b": "3"}})
			})
			if err := r.Push(t.Context(), c, "main"); !errors.Is(err, ErrMoved) {
				t.Fatalf("got %v", err)
			}
			if tip, _ := repo.Tip(""); tip != foreign {
				t.Fatalf("the foreign commit %s is lost: tip is %s", foreign, tip)
			}

			// Redone on top, it lands.
			c = commit(t, fetch(t, r, ""), map[string]string{"a": "2"})
			if err := r.Push(t.Context(), c, "main"); err != nil || c.Parent != foreign {
				t.Fatal(err)
			}
		})
	}
}

// SAFETY 15: what the server refuses is an error with the server's words; what it claims is read
// back.
func TestSafety15RejectedPush(t *testing.T) {
	s := gitserver.Start(t)
	for name, test := range map[string]struct {
		url    string
		client *client
	}{
		"http": {s.HTTP(), newClient(t)},
		"ssh":  {s.SSH(), newClient(t).ssh(s)},
	} {
		t.Run(name, func(t *testing.T) {
			repo := s.MustCreate(name+".git", map[string]string{"a": "1"})
			r := test.client.open(test.url + "/" + name + ".git")
			c := commit(t, fetch(t, r, ""), map[string]string{"a": "2"})
			s.RejectPushes("only on Tuesdays")
			err := r.Push(t.Context(), c, "main")
			if !errors.Is(err, ErrRejected) || errors.Is(err, ErrMoved) || !strings.Contains(err.Error(), "only on Tuesdays") {
				t.Errorf("got %v", err)
			}
			s.RejectPushes("")
			if tip, _ := repo.Tip(""); tip != c.Parent {
				t.Errorf("tip is %s", tip)
			}

			// Somebody pushes on top before we read back: that is still a success.
			if err := r.Push(t.Context(), c, "main"); err != nil {
				t.Fatal(err)
			}
			s.MustCommit(repo, gitserver.Change{Files: map[string]string{"b": "1"}})
			if err := r.readBack(t.Context(), c, step{ref: "refs/heads/main", from: c.Parent}, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// A push that has begun is finished where its context ends; one that has not is not begun.
func TestPushIsFinished(t *testing.T) {
	s := gitserver.Start(t)
	for name, test := range map[string]struct {
		url    string
		client *client
	}{
		"http": {s.HTTP(), newClient(t)},
		"ssh":  {s.SSH(), newClient(t).ssh(s)},
	} {
		t.Run(name, func(t *testing.T) {
			repo := s.MustCreate(name+".git", map[string]string{"a": "1"})
			r := test.client.open(test.url + "/" + name + ".git")
			c := commit(t, fetch(t, r, ""), map[string]string{"a": "2"})
			ctx, cancel := context.WithCancel(t.Context())
			s.BeforePush(func(string) {
				cancel()
				time.Sleep(50 * time.Millisecond)
			})
			if err := r.Push(ctx, c, "main"); err != nil {
				t.Error(err)
			}
			s.BeforePush(nil)
			if tip, _ := repo.Tip(""); tip != c.Revision {
				t.Errorf("tip is %s", tip)
			}

			c = commit(t, fetch(t, r, ""), map[string]string{"a": "3"})
			s.ResetCounts()
			if err := r.Push(ctx, c, "main"); Code(err) != CodeTimeout || s.Counts().Pushes != 0 {
				t.Errorf("got %v, %+v", err, s.Counts())
			}
			s.Silence(true)
			defer s.Silence(false)
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			if err := r.Push(ctx, c, "main"); Code(err) != CodeTimeout || time.Since(start) > 5*time.Second {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	}
}

// SAFETY 15: a server that says yes and does something else. Over HTTP its answer ends after its
// hooks, so that what they did is there to be seen.
func TestSafety15ServerThatLies(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	r := newClient(t).open(s.HTTP() + "/r.git")
	c := commit(t, fetch(t, r, ""), map[string]string{"a": "2"})
	hook := filepath.Join(repo.Dir, "hooks", "post-receive")
	write(t, hook, "#!/bin/sh\ngit update-ref refs/heads/main "+c.Parent+"\n")
	if err := os.Chmod(hook, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.Push(t.Context(), c, "main"); !errors.Is(err, ErrMoved) {
		t.Errorf("believed the server: %v", err)
	}
}

func TestPushWithoutRights(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	if _, err := repo.Git("config", "http.receivepack", "false"); err != nil {
		t.Fatal(err)
	}
	r := newClient(t).open(s.HTTP() + "/r.git")
	c := commit(t, fetch(t, r, ""), map[string]string{"a": "2"})
	s.RejectPushes("read only")
	if err := r.Push(t.Context(), c, "main"); err == nil {
		t.Error("pushed")
	}
}
