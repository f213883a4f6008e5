package gitserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// git runs the user's git program against the server.
func git(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(gitEnv(dir), "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com",
		"GIT_SSH_COMMAND=ssh -i "+dir+"/key -o UserKnownHostsFile="+dir+"/known_hosts -o IdentitiesOnly=yes -o BatchMode=yes -F none")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The server is as good as its best client thinks: git itself clones, shallow too, pushes, and is
// told no.
func TestGitClient(t *testing.T) {
	s := Start(t)
	dir := t.TempDir()
	_, key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"key": string(key), "known_hosts": s.KnownHosts()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	urls := map[string]string{"http": s.HTTP()}
	if _, err := exec.LookPath("ssh"); err == nil {
		urls["ssh"] = s.SSH()
	}
	for name, base := range urls {
		t.Run(name, func(t *testing.T) {
			repo := s.MustCreate(name+"/r.git", map[string]string{"a": "1", "b c/\"d\"": "x"})
			s.MustCommit(repo, Change{Files: map[string]string{"a": "2"}, Links: map[string]string{"l": "a"}, Delete: []string{"b c"}})
			clone := filepath.Join(dir, name)
			if out, err := git(t, dir, "clone", "-q", "--depth", "1", base+"/"+name+"/r.git", clone); err != nil {
				t.Fatal(out)
			}
			if out, _ := git(t, dir, "-C", clone, "rev-list", "--count", "HEAD"); strings.TrimSpace(out) != "1" {
				t.Errorf("the clone is not shallow: %s commits", out)
			}
			if err := os.WriteFile(filepath.Join(clone, "a"), []byte("3"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := git(t, dir, "-C", clone, "commit", "-q", "-a", "-m", "three"); err != nil {
				t.Fatal(out)
			}
			s.RejectPushes("not on Fridays")
			if out, err := git(t, dir, "-C", clone, "push", "-q"); err == nil || !strings.Contains(out, "not on Fridays") {
				t.Errorf("got %v: %s", err, out)
			}
			s.RejectPushes("")
			pushed := ""
			s.BeforePush(func(repo string) { pushed = repo })
			if out, err := git(t, dir, "-C", clone, "push", "-q"); err != nil || pushed != name+"/r.git" {
				t.Errorf("got %v: %s (hook saw %q)", err, out, pushed)
			}
			s.BeforePush(nil)
			if text, err := repo.Git("show", "main:a"); err != nil || text != "3" {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
}

// The same commits have the same ids everywhere: goldens hold them.
func TestIdsAreStable(t *testing.T) {
	s := Start(t)
	repo := s.MustCreate("r.git", map[string]string{"a": "1"})
	if tip, err := repo.Tip(""); err != nil || tip != "5fd57ed21dca08e215933d5a2ae3aa5b84c07289" {
		t.Errorf("got %s, %v", tip, err)
	}
}
