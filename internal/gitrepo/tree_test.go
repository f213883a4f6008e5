package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// craft puts a tree with any entries into a repository, as no git program would write it, and
// makes it a branch.
func craft(t *testing.T, repo *gitserver.Repo, branch string, entries ...string) {
	t.Helper()
	git := func(in []byte, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Stdin = repo.Dir, bytes.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	blob := git([]byte("kind: A\n"), "hash-object", "-w", "--stdin")
	h, _ := parseHash(blob)
	var tree []byte
	for _, e := range entries {
		tree = fmt.Appendf(tree, "%s\x00", e)
		tree = append(tree, h[:]...)
	}
	id := git(tree, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
	commit := git([]byte("tree "+id+"\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nx\n"), "hash-object", "-w", "-t", "commit", "--literally", "--stdin")
	git(nil, "update-ref", "refs/heads/"+branch, commit)
}

// SAFETY 24: names and links that lead elsewhere are refused one by one; their neighbours are read.
func TestSafety24TreeTricks(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"dir/real.yaml": "real", "top.yaml": "top"})
	s.MustCommit(repo, gitserver.Change{Links: map[string]string{
		"abs.yaml": "/etc/passwd", "out.yaml": "../../etc/passwd", "dir/out2.yaml": "../../x", "dangling.yaml": "nowhere",
		"loop.yaml": "loop2.yaml", "loop2.yaml": "loop.yaml", "dir/in.yaml": "../top.yaml", "chain.yaml": "dir/in.yaml",
		"folder": "dir", "through.yaml": "folder/real.yaml", "outside.yaml": "dir/../../r/top.yaml", "root": ".",
	}})
	r := newClient(t).open(s.HTTP() + "/r.git")
	files, err := fetch(t, r, "main").Files()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"abs.yaml": "!leads out of the repository", "out.yaml": "!leads out of the repository", "dir/out2.yaml": "!leads out of the repository",
		"dangling.yaml": "!leads nowhere", "loop.yaml": "!leads in a circle", "loop2.yaml": "!leads in a circle", "outside.yaml": "!leads out",
		"dir/in.yaml": "top", "chain.yaml": "top", "through.yaml": "real", "dir/real.yaml": "real", "top.yaml": "top",
		"folder": "/", "root": "/",
	}
	if len(files) != len(want) {
		t.Errorf("got %s", paths(files))
	}
	for _, f := range files {
		if f.Folder {
			if want[f.Path] != "/" || !f.Symlink {
				t.Errorf("%s: a link to a folder that leads to %q", f.Path, f.Link)
			}
			continue
		}
		text, err := fetch(t, r, "main").Read(f, 100)
		if say, bad := strings.CutPrefix(want[f.Path], "!"); bad {
			if err == nil || f.Fault == nil || !strings.Contains(f.Fault.Error(), say) {
				t.Errorf("%s: got %v", f.Path, f.Fault)
			}
		} else if err != nil || string(text) != want[f.Path] {
			t.Errorf("%s: got %q, %v", f.Path, text, err)
		}
	}
	if _, err := fetch(t, r, "main").Files("folder"); err == nil || !strings.Contains(err.Error(), "symbolic link to a folder") {
		t.Errorf("got %v", err)
	}

	for name, entries := range map[string][]string{
		"dots":  {"100644 ..", "100644 ok.yaml"},
		"dot":   {"100644 .", "100644 ok.yaml"},
		"git":   {"100644 .git", "100644 ok.yaml"},
		"GIT":   {"100644 .GiT", "100644 ok.yaml"},
		"slash": {"100644 a/../../b.yaml", "100644 ok.yaml"},
		"abs":   {"100644 /etc/x.yaml", "100644 ok.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			craft(t, repo, name, entries...)
			snap := fetch(t, r, name)
			files, err := snap.Files()
			if err != nil {
				t.Fatal(err)
			}
			faults, good := 0, 0
			for _, f := range files {
				if f.Fault != nil {
					faults++
				} else if text, err := snap.Read(f, 100); err == nil && string(text) == "kind: A\n" {
					good++
				}
			}
			if faults != 1 || good != 1 {
				t.Errorf("got %d faults and %d files of %v", faults, good, files)
			}
		})
	}
	craft(t, repo, "twice", "100644 ok.yaml", "100644 ok.yaml")
	if _, err := fetch(t, r, "twice").Files(); err == nil || !strings.Contains(err.Error(), `two named "ok.yaml"`) {
		t.Errorf("got %v", err)
	}
	for _, p := range []string{"/etc", "../x", "a/../../x"} {
		if _, err := fetch(t, r, "main").Files(p); err == nil {
			t.Errorf("path %s was taken", p)
		}
		if _, err := fetch(t, r, "main").ReadFile(p, 10); err == nil {
			t.Errorf("path %s was read", p)
		}
	}
}

func TestMissingPathAndLimit(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": strings.Repeat("x", 100), "dir/b": "b"})
	snap := fetch(t, newClient(t).open(s.HTTP()+"/r.git"), "")
	if _, err := snap.Files("none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := snap.Files("a/b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := snap.ReadFile("a", 99); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if _, err := snap.ReadFile("dir", 99); err == nil {
		t.Error("a folder was read")
	}
	if f, err := snap.Stat("dir"); err != nil || !f.Folder {
		t.Errorf("got %+v, %v", f, err)
	}
	if _, err := snap.ReadFile("a", 100); err != nil {
		t.Error(err)
	}
}

func TestSubtree(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"charts/podinfo/Chart.yaml": "name: podinfo", "charts/podinfo/templates/a": "a", "x": "1"})
	r := newClient(t).open(s.HTTP() + "/r.git")
	one, err := fetch(t, r, "").Subtree("charts/podinfo/")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := repo.Git("rev-parse", "HEAD:charts/podinfo")
	files, err := one.Files()
	if err != nil || one.Tree != want || paths(files) != "Chart.yaml templates/a" || read(t, one, "Chart.yaml") != "name: podinfo" {
		t.Errorf("got %s, want %s, files %s, %v", one.Tree, want, paths(files), err)
	}
	s.MustCommit(repo, gitserver.Change{Files: map[string]string{"x": "2"}})
	two, err := fetch(t, r, "").Subtree("charts/podinfo")
	if err != nil || two.Tree != one.Tree || two.Revision == one.Revision {
		t.Errorf("got %+v, %v", two, err)
	}
	for _, p := range []string{"none", "x", "../x"} {
		if _, err := two.Subtree(p); err == nil {
			t.Errorf("%s was taken", p)
		}
	}
	if _, err := two.ReadFile("../../x", 10); err == nil {
		t.Error("left the subtree")
	}
	if _, err := two.Commit(t.Context(), map[string][]byte{"a": nil}, how); err == nil {
		t.Error("committed to a subtree")
	}
}

// A missing or damaged object is an error, never a shorter list: what is not listed gets deleted.
func TestMissingObjectsAreErrors(t *testing.T) {
	s := gitserver.Start(t)
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("d%d/f%d.yaml", i%5, i)] = fmt.Sprint("n: ", i)
	}
	s.MustCreate("r.git", files)
	r := newClient(t).open(s.HTTP() + "/r.git")
	snap := fetch(t, r, "")
	listed, err := snap.Files()
	if err != nil {
		t.Fatal(err)
	}
	// Unpacked, each object is a file that can be taken away or changed.
	pack, _ := filepath.Glob(filepath.Join(r.Dir(), "objects", "pack", "*.pack"))
	text, err := os.ReadFile(pack[0])
	if err != nil {
		t.Fatal(err)
	}
	loose := filepath.Join(t.TempDir(), "loose.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", loose).CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	cmd := exec.Command("git", "--git-dir", loose, "unpack-objects", "-q")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	if err := os.Chmod(loose, 0o700); err != nil {
		t.Fatal(err)
	}
	objects, _ := filepath.Glob(filepath.Join(loose, "objects", "??", "*"))
	if len(objects) < 20 {
		t.Fatalf("%d objects", len(objects))
	}
	all := func() error {
		st, err := OpenStore(loose)
		if err != nil {
			return err
		}
		defer st.Close()
		snap, err := st.Snapshot(snap.Revision)
		if err != nil {
			return err
		}
		files, err := snap.Files()
		if err != nil {
			return err
		}
		for _, f := range files {
			if _, err := snap.Read(f, 1000); err != nil {
				return err
			}
		}
		if len(files) != len(listed) {
			t.Errorf("%d of %d files and no error", len(files), len(listed))
		}
		return nil
	}
	if err := all(); err != nil {
		t.Fatal(err)
	}
	for i, object := range objects {
		if err := os.Rename(object, object+".away"); err != nil {
			t.Fatal(err)
		}
		if err := all(); err == nil || Code(err) != CodeMirror {
			t.Errorf("without %s: %v", object, err)
		}
		// Another object's bytes under this name.
		other, err := os.ReadFile(objects[(i+1)%len(objects)])
		if err != nil {
			t.Fatal(err)
		}
		write(t, object, string(other))
		if err := all(); err == nil {
			t.Errorf("with foreign bytes in %s: no error", object)
		}
		if err := os.Rename(object+".away", object); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPoisonedMirrorIsRefused(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": "1"})
	for name, poison := range map[string]func(dir string) error{
		"open to others": func(dir string) error { return os.Chmod(dir, 0o755) },
		"alternates": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "objects/info/alternates"), []byte("/x\n"), 0o600)
		},
		"shallow": func(dir string) error { return os.WriteFile(filepath.Join(dir, "shallow"), nil, 0o600) },
		"a link": func(dir string) error {
			if err := os.Rename(dir, dir+"2"); err != nil {
				return err
			}
			return os.Symlink(dir+"2", dir)
		},
		"objects elsewhere": func(dir string) error {
			objects := filepath.Join(dir, "objects")
			if err := os.Rename(objects, dir+"-objects"); err != nil {
				return err
			}
			return os.Symlink(dir+"-objects", objects)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			dir := fetch(t, c.open(s.HTTP()+"/r.git"), "").Store
			if err := poison(dir); err != nil {
				t.Fatal(err)
			}
			_, err := c.try(s.HTTP() + "/r.git")
			if err == nil || Code(err) != CodeMirror || !strings.Contains(err.Error(), "refusing the mirror") {
				t.Errorf("Open: %v", err)
			}
			if _, err := OpenStore(dir); err == nil {
				t.Error("OpenStore took it")
			}
		})
	}
	if _, err := OpenStore(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// The mirror's own configuration and hooks do nothing.
func TestMirrorConfigurationIsNotRead(t *testing.T) {
	s := gitserver.Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	c := newClient(t)
	dir := fetch(t, c.open(s.HTTP()+"/r.git"), "").Store
	write(t, filepath.Join(dir, "config"), "[url \"http://127.0.0.1:1/\"]\n\tinsteadOf = http://\n[core]\n\tbroken")
	want := s.MustCommit(repo, gitserver.Change{Files: map[string]string{"a": "2"}})
	if snap := fetch(t, c.open(s.HTTP()+"/r.git"), ""); snap.Revision != want {
		t.Errorf("got %s", snap.Revision)
	}
}

func TestHashOf(t *testing.T) {
	if got := hashOf(plumbing.BlobObject, nil).String(); got != "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" {
		t.Errorf("got %s", got)
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte("100644 a\x00aaaaaaaaaaaaaaaaaaaa40000 b\x00bbbbbbbbbbbbbbbbbbbb"))
	f.Add([]byte("100644 \x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parseTree(text)
		if err != nil {
			return
		}
		again, err := parseTree(formatTree(entries))
		if err != nil || len(again) != len(entries) {
			t.Errorf("%d entries became %d: %v", len(entries), len(again), err)
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"https://u:p@h/r", "git@h:r", "ssh://[::1]:22/r", "ext::x", "a:b", "https://h/r?x#y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := parseAddress(raw)
		if err != nil {
			return
		}
		if a.host == "" || a.path == "" || a.scheme != "ssh" && !a.http() {
			t.Errorf("%q: %+v", raw, a)
		}
		_ = Name(raw)
	})
}
