package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// site is where one benchmark takes place: a folder, which goes away with it, and the servers.
type site struct {
	o      options
	dir    string
	git    *gitserver.Server // the folder of the served repositories; it serves nothing itself
	server *server
	// cluster is nil where the benchmark needs none.
	cluster *cluster
}

func newSite(ctx context.Context, o options) (*site, error) {
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	s := &site{o: o, dir: dir}
	if s.git, err = gitserver.New(filepath.Join(dir, "git")); err == nil {
		s.server, err = startServer(ctx, s.git.Dir)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *site) close() {
	if s.server != nil {
		s.server.stop()
	}
	if s.cluster != nil {
		_ = s.cluster.Stop()
	}
	_ = os.RemoveAll(s.dir)
}

// startCluster starts the control plane of this site.
func (s *site) startCluster(ctx context.Context) (err error) {
	s.cluster, err = startCluster(ctx, s.dir)
	return err
}

// env is the environment of every command: nothing of the user's.
func (s *site) env() []string {
	return []string{
		"PATH=" + strings.Join([]string{s.o.bin, s.o.tools, os.Getenv("PATH")}, string(os.PathListSeparator)),
		"HOME=" + filepath.Join(s.dir, "home"), "LC_ALL=C", "TMPDIR=" + s.dir,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Bench", "GIT_AUTHOR_EMAIL=bench@example.com",
		"GIT_COMMITTER_NAME=Bench", "GIT_COMMITTER_EMAIL=bench@example.com",
	}
}

// program is the path of one of ours, tool that of a peer or a helper.
func (s *site) program(name string) string { return filepath.Join(s.o.bin, name) }
func (s *site) tool(name string) string    { return filepath.Join(s.o.tools, name) }

// path is where a file of the site's folder is.
func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// write puts a file into the site's folder and returns its path.
func (s *site) write(name, text string) (string, error) {
	file := filepath.Join(s.dir, name)
	return file, errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644))
}

// stage runs one of ours without measuring it, from one file into another.
func (s *site) stage(ctx context.Context, in, out string, args ...string) error {
	return s.run(ctx, contender{stdin: in}, args, out)
}

// stream is what git-fetch says of a repository that holds these files.
func (s *site) stream(ctx context.Context, files map[string]string) (file string, err error) {
	if _, err := s.git.Create("config.git", files); err != nil {
		return "", err
	}
	file = filepath.Join(s.dir, "stream.jsonl")
	return file, s.fetch(ctx, "config.git", file)
}

// fetch puts what git-fetch says of a repository into a file.
func (s *site) fetch(ctx context.Context, repository, file string) error {
	return s.stage(ctx, "", file, s.program("git-fetch"), "--mirror", filepath.Join(s.dir, "mirror"), s.server.Git+"/"+repository)
}
