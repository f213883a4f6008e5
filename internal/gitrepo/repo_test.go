package gitrepo

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// client opens repositories of one server with one mirror folder.
type client struct {
	t      *testing.T
	mirror string
	auth   Auth
	env    map[string]string
}

func newClient(t *testing.T) *client {
	return &client{t: t, mirror: filepath.Join(t.TempDir(), "m"), env: map[string]string{}}
}

func (c *client) try(url string) (*Repo, error) {
	getenv := func(k string) string { return c.env[k] }
	rewrites, err := LoadRewrites(func(k string) string {
		if k == "GIT_CONFIG_NOSYSTEM" {
			return "1"
		}
		return c.env[k]
	})
	if err != nil {
		return nil, err
	}
	return Open(Options{URL: url, Mirror: c.mirror, Auth: c.auth, Rewrites: rewrites, Getenv: getenv})
}

func (c *client) open(url string) *Repo {
	c.t.Helper()
	r, err := c.try(url)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { r.Close() })
	return r
}

// ssh gives the client a key and the server's host key.
func (c *client) ssh(s *gitserver.Fixture) *client {
	c.t.Helper()
	_, pem, err := gitserver.NewKey()
	if err != nil {
		c.t.Fatal(err)
	}
	dir := c.t.TempDir()
	c.auth = Auth{SSHKey: filepath.Join(dir, "key"), KnownHosts: filepath.Join(dir, "known_hosts")}
	write(c.t, c.auth.SSHKey, string(pem))
	write(c.t, c.auth.KnownHosts, s.KnownHosts())
	return c
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, r *Repo, branch string) *Snapshot {
	t.Helper()
	snap, err := r.FetchBranch(t.Context(), branch)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func read(t *testing.T, s *Snapshot, name string) string {
	t.Helper()
	text, err := s.ReadFile(name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func paths(files []File) string {
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	return strings.Join(names, " ")
}

// fsck has git itself check the store.
func fsck(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("git", "--git-dir", dir, "fsck", "--full", "--strict").CombinedOutput()
	if err != nil || strings.Contains(string(out), "missing") || strings.Contains(string(out), "broken") {
		t.Errorf("git fsck: %v\n%s", err, out)
	}
}

func TestFetchOverHTTPAndSSH(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("team/config.git", map[string]string{"a.yaml": "a\n", "deploy/b.yaml": "b\n", "deploy/c/d.yaml": "d\n"})
	for name, test := range map[string]struct {
		url    string
		client *client
	}{
		"http": {s.HTTP() + "/team/config.git", newClient(t)},
		"ssh":  {s.SSH() + "/team/config.git", newClient(t).ssh(s)},
	} {
		t.Run(name, func(t *testing.T) {
			r := test.client.open(test.url)
			snap := fetch(t, r, "")
			tip, _ := repo.Tip("")
			if snap.Revision != tip || snap.Branch != "main" || snap.Store != r.Dir() || len(snap.Tree) != 40 {
				t.Fatalf("got %+v, want tip %s", snap, tip)
			}
			files, err := snap.Files()
			if err != nil || paths(files) != "a.yaml deploy/b.yaml deploy/c/d.yaml" {
				t.Fatalf("got %s, %v", paths(files), err)
			}
			if files, err = snap.Files("deploy/c", "deploy/", "./a.yaml"); err != nil || paths(files) != "a.yaml deploy/b.yaml deploy/c/d.yaml" {
				t.Fatalf("got %s, %v", paths(files), err)
			}
			if got := read(t, snap, "deploy/c/d.yaml"); got != "d\n" {
				t.Errorf("got %q", got)
			}
			fsck(t, r.Dir())

			// Another process finds it in the store, without the server.
			st, err := OpenStore(snap.Store)
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			again, err := st.Snapshot(snap.Revision)
			if err != nil || again.Tree != snap.Tree || read(t, again, "a.yaml") != "a\n" {
				t.Errorf("got %+v, %v", again, err)
			}
		})
	}
}

func TestNothingNewCostsOneListing(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	for name, test := range map[string]struct {
		url    string
		client *client
	}{
		"http": {s.HTTP() + "/r.git", newClient(t)},
		"ssh":  {s.SSH() + "/r.git", newClient(t).ssh(s)},
	} {
		t.Run(name, func(t *testing.T) {
			s.ResetCounts()
			fetch(t, test.client.open(test.url), "main")
			if got := s.Counts(); got != (gitserver.Counts{Refs: 1, Packs: 1}) {
				t.Errorf("first fetch: %+v", got)
			}
			s.ResetCounts()
			fetch(t, test.client.open(test.url), "main")
			if got := s.Counts(); got != (gitserver.Counts{Refs: 1}) {
				t.Errorf("nothing new: %+v", got)
			}
			s.MustCommit(repo, gitserver.Change{Files: map[string]string{"a": name}})
			s.ResetCounts()
			snap := fetch(t, test.client.open(test.url), "main")
			if got := s.Counts(); got != (gitserver.Counts{Refs: 1, Packs: 1}) || read(t, snap, "a") != name {
				t.Errorf("one new commit: %+v", got)
			}
			fsck(t, snap.Store)
		})
	}
}

// A branch that was moved back, and a branch a that gave way to a/b: go-git's own mirror loses
// objects in the first case and cannot note the ref in the second.
func TestForcedAndRenamedBranches(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1", "x/y": "1"})
	first, _ := repo.Tip("")
	s.MustCommit(repo, gitserver.Change{Files: map[string]string{"a": "2"}})
	c := newClient(t)
	url := s.HTTP() + "/r.git"
	fetch(t, c.open(url), "main")

	if _, err := repo.Git("update-ref", "refs/heads/main", first); err != nil {
		t.Fatal(err)
	}
	s.MustCommit(repo, gitserver.Change{Message: "other", Files: map[string]string{"x/y": "3", "b": "3"}})
	snap := fetch(t, c.open(url), "main")
	files, err := snap.Files()
	if err != nil || paths(files) != "a b x/y" || read(t, snap, "a") != "1" || read(t, snap, "x/y") != "3" {
		t.Errorf("got %s, %v", paths(files), err)
	}

	s.MustCommit(repo, gitserver.Change{Branch: "f", From: "main", Files: map[string]string{"f": "1"}})
	fetch(t, c.open(url), "f")
	if _, err := repo.Git("branch", "-D", "f"); err != nil {
		t.Fatal(err)
	}
	s.MustCommit(repo, gitserver.Change{Branch: "f/g", From: "main", Files: map[string]string{"f": "2"}})
	if got := read(t, fetch(t, c.open(url), "f/g"), "f"); got != "2" {
		t.Errorf("got %q", got)
	}
	fsck(t, snap.Store)
}

func TestFetchRef(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	first, _ := repo.Tip("")
	if _, err := repo.Git("-c", "user.name=T", "-c", "user.email=t@example.com", "tag", "-a", "-m", "one", "v1", first); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Git("tag", "light", first); err != nil {
		t.Fatal(err)
	}
	second := s.MustCommit(repo, gitserver.Change{Files: map[string]string{"a": "2"}})
	third := s.MustCommit(repo, gitserver.Change{Files: map[string]string{"a": "3"}})
	side := s.MustCommit(repo, gitserver.Change{Branch: "side", From: "main", Files: map[string]string{"a": "4"}})
	for ref, want := range map[string]string{
		"": third, "main": third, "side": side, "refs/heads/side": side, "v1": first, "refs/tags/v1": first, "light": first,
		first: first, second: second, second[:9]: second, side: side,
	} {
		t.Run("ref "+ref, func(t *testing.T) {
			r := newClient(t).open(s.HTTP() + "/r.git")
			for range 2 { // the second time all is in the mirror
				snap, err := r.FetchRef(t.Context(), ref)
				if err != nil || snap.Revision != want {
					t.Fatalf("got %+v, %v, want %s", snap, err, want)
				}
			}
		})
	}
	for _, ref := range []string{"v2", "nothing", strings.Repeat("1", 40), "1111111"} {
		t.Run("missing "+ref, func(t *testing.T) {
			_, err := newClient(t).open(s.HTTP()+"/r.git").FetchRef(t.Context(), ref)
			if !errors.Is(err, ErrNotFound) || Code(err) != CodeNotFound {
				t.Errorf("got %v (%s)", err, Code(err))
			}
		})
	}
}

func TestFetchFailures(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": "1"})
	s.MustCreate("empty.git", nil)
	other := gitserver.Start(t)
	key := newClient(t).ssh(s)
	stranger := newClient(t).ssh(other)
	stranger.auth.KnownHosts = key.auth.KnownHosts
	stranger.auth.SSHKey = key.auth.SSHKey
	changed := newClient(t).ssh(s)
	write(t, changed.auth.KnownHosts, strings.Replace(other.KnownHosts(), strings.TrimPrefix(other.SSH(), "ssh://git@127.0.0.1:"),
		strings.TrimPrefix(s.SSH(), "ssh://git@127.0.0.1:"), 1))
	private := gitserver.Start(t)
	private.SetToken("sesame")
	private.MustCreate("r.git", map[string]string{"a": "1"})
	locked := gitserver.Start(t)
	signer, _, _ := gitserver.NewKey()
	locked.Authorized = append(locked.Authorized, signer.PublicKey())
	locked.MustCreate("r.git", map[string]string{"a": "1"})
	for name, test := range map[string]struct {
		c                           *client
		url, branch, code, say, tip string
	}{
		"no such repository":     {newClient(t), s.HTTP() + "/none.git", "", CodeNotFound, "no such repository", "token"},
		"no such repository ssh": {key, s.SSH() + "/none.git", "", CodeNotFound, "no such repository", "key"},
		"empty":                  {newClient(t), s.HTTP() + "/empty.git", "", CodeEmpty, "the repository is empty", ""},
		"no such branch":         {newClient(t), s.HTTP() + "/r.git", "prod", CodeNotFound, "there is no branch prod", "branches are: main"},
		"nobody there":           {newClient(t), "http://127.0.0.1:1/r.git", "", CodeUnreachable, "connection refused", "check that the server runs"},
		"nobody there ssh":       {key, "ssh://git@127.0.0.1:1/r.git", "", CodeUnreachable, "connection refused", ""},
		"unknown host":           {stranger, other.SSH() + "/r.git", "", CodeHostKey, "the key of host 127.0.0.1 is unknown", "ssh-keyscan -p "},
		"changed host":           {changed, s.SSH() + "/r.git", "", CodeHostKey, "is not the one in the known hosts", "in between"},
		"no token":               {newClient(t), private.HTTP() + "/r.git", "", CodeAuth, "wants a credential", "--token-file"},
		"refused key":            {newClient(t).ssh(locked), locked.SSH() + "/r.git", "", CodeAuth, "refused the ssh key", "deploy keys"},
	} {
		t.Run(name, func(t *testing.T) {
			test.c.t = t
			_, err := test.c.open(test.url).FetchBranch(t.Context(), test.branch)
			if err == nil || Code(err) != test.code || !strings.Contains(err.Error(), test.say) || !strings.Contains(Hint(err), test.tip) {
				t.Errorf("got %v\ncode %s\nhint %s", err, Code(err), Hint(err))
			}
			if err != nil && !strings.HasPrefix(err.Error(), "fetching "+test.url+": ") {
				t.Errorf("the URL is not named: %v", err)
			}
		})
	}
}

// A connection that breaks in the middle of a pack leaves nothing behind that a reader could
// take for a repository, and the next fetch makes it good.
func TestCutConnection(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": strings.Repeat("sluice ", 5000), "b": "b"})
	c := newClient(t)
	for _, n := range []int64{1, 50, 150, 250} {
		s.CutPacks(n)
		r := c.open(s.HTTP() + "/r.git")
		if _, err := r.FetchBranch(t.Context(), ""); err == nil {
			t.Fatalf("a pack cut after %d bytes was taken in", n)
		}
		left, _ := filepath.Glob(filepath.Join(r.Dir(), "objects", "pack", "*"))
		if more, _ := filepath.Glob(filepath.Join(r.Dir(), "incoming-*")); len(left)+len(more) > 0 {
			t.Fatalf("left behind after %d bytes: %v %v", n, left, more)
		}
	}
	s.CutPacks(0)
	snap := fetch(t, c.open(s.HTTP()+"/r.git"), "")
	if files, err := snap.Files(); err != nil || paths(files) != "a b" {
		t.Errorf("got %s, %v", paths(files), err)
	}
}

// SAFETY 30, as far as this package goes: a silent server ends with the context, over ssh too,
// whose library ignores contexts.
func TestSafety30SilentServer(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": "1"})
	s.Silence(true)
	for name, test := range map[string]struct {
		url    string
		client *client
	}{
		"http": {s.HTTP() + "/r.git", newClient(t)},
		"ssh":  {s.SSH() + "/r.git", newClient(t).ssh(s)},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			started := time.Now()
			_, err := test.client.open(test.url).FetchBranch(ctx, "")
			if !errors.Is(err, context.DeadlineExceeded) || Code(err) != CodeTimeout {
				t.Errorf("got %v", err)
			}
			if took := time.Since(started); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestOldAndNewProcessShareAMirror(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	c := newClient(t)
	old := c.open(s.HTTP() + "/r.git")
	before := fetch(t, old, "")
	s.MustCommit(repo, gitserver.Change{Files: map[string]string{"a": "2"}})
	after := fetch(t, c.open(s.HTTP()+"/r.git"), "")
	if read(t, before, "a") != "1" || read(t, after, "a") != "2" {
		t.Error("the snapshots don't stand by their revisions")
	}
	s.ResetCounts()
	if snap := fetch(t, old, ""); snap.Revision != after.Revision || s.Counts().Packs != 0 {
		t.Errorf("fetched again what another process had brought: %+v", s.Counts())
	}
}

func TestLockedMirror(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": "1"})
	r := newClient(t).open(s.HTTP() + "/r.git")
	end, err := r.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.begin(ctx); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	end(nil)
	fetch(t, r, "")
	// Who waited for a mirror that its maker removed makes it anew.
	if err := os.RemoveAll(r.Dir()); err != nil {
		t.Fatal(err)
	}
	if end, err = r.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		end, err := (&Store{dir: r.Dir()}).begin(context.Background())
		if err == nil {
			end(nil)
		}
		done <- err
	}()
	time.Sleep(50 * time.Millisecond)
	end(errors.New("failed"))
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(r.Dir(), "objects", "pack")); err != nil {
		t.Error(err)
	}
}

// tree lists what a folder holds, but for locks.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(name) != ".lock" {
			names = append(names, strings.TrimPrefix(name, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}
