package gitserver

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Repo is one bare repository of the server.
type Repo struct {
	// Dir is where it is, Name its path below the server's folder.
	Dir, Name string
}

// Change is what one commit changes.
type Change struct {
	// Branch is "main" when empty. A branch that is not there yet starts at From, or with nothing.
	Branch, From string
	// Message is "change" when empty.
	Message string
	// Files are contents by path.
	Files map[string]string
	// Links are symbolic links: targets by path.
	Links map[string]string
	// Modes are file modes by path where not 100644.
	Modes map[string]string
	// Delete are files and folders to remove.
	Delete []string
}

// Create makes a bare repository; with files, main gets a first commit.
func (s *Server) Create(name string, files map[string]string) (*Repo, error) {
	r := &Repo{Dir: filepath.Join(s.Dir, filepath.FromSlash(name)), Name: name}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"init", "-q", "--bare", "--initial-branch=main", "."},
		{"config", "http.receivepack", "true"},
		{"config", "receive.advertisePushOptions", "false"},
		{"config", "gc.auto", "0"},
	} {
		if _, err := r.Git(args...); err != nil {
			return nil, err
		}
	}
	hook := "#!/bin/sh\n[ -z \"$GITSERVER_REJECT\" ] && exit 0\necho \"$GITSERVER_REJECT\" >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(r.Dir, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return r, nil
	}
	_, err := r.Commit(Change{Message: "first", Files: files})
	return r, err
}

// Repo returns a repository that is there already.
func (s *Server) Repo(name string) (*Repo, error) {
	dir, err := s.folder(name)
	return &Repo{Dir: dir, Name: name}, err
}

// Git runs the git program in the repository and returns its output without the last newline.
func (r *Repo) Git(args ...string) (string, error) { return r.git(nil, args...) }

func (r *Repo) git(in []byte, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = r.Dir, gitEnv(r.Dir)
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// Tip returns the commit that a branch ("" for main) is at.
func (r *Repo) Tip(branch string) (string, error) {
	if branch == "" {
		branch = "main"
	}
	return r.Git("rev-parse", "--verify", "refs/heads/"+branch)
}

// Commit adds a commit to a branch and returns it. Author and times are fixed, so the same
// commits in the same order have the same ids everywhere: commit n is from minute n of 2026.
func (r *Repo) Commit(c Change) (string, error) {
	if c.Branch == "" {
		c.Branch = "main"
	}
	if c.Message == "" {
		c.Message = "change"
	}
	n, err := r.Git("rev-list", "--count", "--all")
	if err != nil {
		return "", err
	}
	minutes, err := strconv.Atoi(n)
	if err != nil {
		return "", err
	}
	who := fmt.Sprintf("Test <test@example.com> %d +0000", 1767225600+60*minutes)
	var in bytes.Buffer
	fmt.Fprintf(&in, "commit refs/heads/%s\nauthor %s\ncommitter %s\n", c.Branch, who, who)
	data(&in, c.Message)
	switch tip, err := r.Tip(c.Branch); {
	case err == nil:
		fmt.Fprintf(&in, "from %s\n", tip)
	case c.From != "":
		from, err := r.Git("rev-parse", "--verify", c.From+"^{commit}")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&in, "from %s\n", from)
	}
	for _, name := range c.Delete {
		fmt.Fprintf(&in, "D %s\n", quote(name))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		mode := c.Modes[name]
		if mode == "" {
			mode = "100644"
		}
		fmt.Fprintf(&in, "M %s inline %s\n", mode, quote(name))
		data(&in, c.Files[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Links)) {
		fmt.Fprintf(&in, "M 120000 inline %s\n", quote(name))
		data(&in, c.Links[name])
	}
	if _, err := r.git(in.Bytes(), "fast-import", "--quiet", "--date-format=raw"); err != nil {
		return "", err
	}
	return r.Tip(c.Branch)
}

// CommitDir commits all files of a folder on disk, dot folders of git left out.
func (r *Repo) CommitDir(branch, message, dir string) (string, error) {
	c := Change{Branch: branch, Message: message, Files: map[string]string{}, Links: map[string]string{}, Modes: map[string]string{}}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			c.Links[rel], err = os.Readlink(name)
			return err
		case info.Mode()&0o100 != 0:
			c.Modes[rel] = "100755"
		}
		text, err := os.ReadFile(name)
		c.Files[rel] = string(text)
		return err
	})
	if err != nil {
		return "", err
	}
	if len(c.Files)+len(c.Links) == 0 {
		return "", errors.New("the folder has no files")
	}
	return r.Commit(c)
}

func data(in *bytes.Buffer, text string) { fmt.Fprintf(in, "data %d\n%s\n", len(text), text) }

// quote is a path as fast-import reads it.
func quote(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name) + `"`
}
