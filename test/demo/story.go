package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/ground"
	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// config is the configuration repository, REGISTRY and REPOSITORY standing for addresses.
//
//go:embed config
var config embed.FS

// kapplyFlags leave the HelmReleases to helm-reconcile: this cluster has no such kind.
const kapplyFlags = "KAPPLY_FLAGS=--wait --skip HelmRelease.helm.fluxcd.io"

// story is a demo under way.
type story struct {
	*ground.Ground
	bin  string
	repo *gitserver.Repo
	url  string
}

// tell makes the repository and runs the chain three times.
func tell(ctx context.Context, g *ground.Ground, bin string) error {
	s := &story{Ground: g, bin: bin, url: g.Git.SSH() + "/demo/config.git"}
	if err := s.prepare(); err != nil {
		return err
	}

	chapter("1. A first run: everything is new")
	if err := s.gitops(ctx); err != nil {
		return err
	}

	chapter("2. Somebody pushes podinfo:dev-b2 and podinfo:0.4.11, and podinfo:0.5.0, which no policy asks for")
	later := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	if err := s.push("demo/podinfo", later, "dev-b2", "0.4.11", "0.5.0"); err != nil {
		return err
	}
	if err := s.gitops(ctx); err != nil {
		return err
	}
	diff, err := s.repo.Git("show", "--format=commit %h  %an%n%n    %s%n%w(0,4,4)%b", "--unified=1", "main")
	if err != nil {
		return err
	}
	chapter("   What was committed")
	fmt.Println(diff)
	chapter("   What Helm remembers")
	if err := s.history(ctx); err != nil {
		return err
	}

	chapter("3. A third run: nothing is new")
	return s.quiet(ctx)
}

func chapter(title string) { fmt.Printf("\n\x1b[1m%s\x1b[0m\n\n", title) }

func (s *story) prepare() error {
	created := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	if err := s.push("demo/podinfo", created, "dev-a1", "stg-a1", "0.4.10"); err != nil {
		return err
	}
	if err := s.push("demo/web", created, "1.0.0", "2.0.0"); err != nil {
		return err
	}
	files := map[string]string{}
	err := fs.WalkDir(config, "config", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := config.ReadFile(path)
		files[strings.TrimPrefix(path, "config/")] = strings.NewReplacer("REGISTRY", s.RegistryHost(), "REPOSITORY", s.url).Replace(string(content))
		return err
	})
	if err != nil {
		return err
	}
	s.repo, err = s.Git.Create("demo/config.git", files)
	return err
}

// push puts images under tags, each a minute younger than the one before.
func (s *story) push(repository string, created time.Time, tags ...string) error {
	for i, tag := range tags {
		if _, err := s.Registry.Push(repository, tag, created.Add(time.Duration(i)*time.Minute)); err != nil {
			return err
		}
	}
	return nil
}

// gitops runs the shipped script and shows what the programs show at a terminal.
func (s *story) gitops(ctx context.Context) error {
	script := filepath.Join("pipelines", "gitops.sh")
	fmt.Printf("$ gitops.sh --prune %s\n\n", s.url)
	command := exec.CommandContext(ctx, script, "--prune", "--output", "table", s.url)
	command.Env = append(s.Env(s.bin), kapplyFlags)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Run(); err != nil {
		return fmt.Errorf("running gitops.sh: %w", err)
	}
	return nil
}

// history lists the revisions of the releases by the Secrets in which Helm keeps them.
func (s *story) history(ctx context.Context) error {
	list, err := s.Cluster.Do(ctx, "GET", "/api/v1/secrets?labelSelector=owner%3Dhelm", "")
	if err != nil {
		return err
	}
	var rows []string
	for _, item := range list["items"].([]any) {
		secret := kubetest.Object(item.(map[string]any))
		label := func(name string) any { return secret.At("metadata", "labels", name) }
		rows = append(rows, fmt.Sprintf("   %-14s revision %v  %v", label("name"), label("version"), label("status")))
	}
	sort.Strings(rows)
	fmt.Println(strings.Join(rows, "\n"))
	return nil
}

// quiet runs the chain once more and counts what it asked for.
func (s *story) quiet(ctx context.Context) error {
	tip, err := s.repo.Tip("")
	if err != nil {
		return err
	}
	mark, err := s.Cluster.Mark(ctx)
	if err != nil {
		return err
	}
	s.Git.ResetCounts()
	s.Registry.Reset()
	if err := s.gitops(ctx); err != nil {
		return err
	}
	requests, err := s.Cluster.Since(ctx, mark, "sluice")
	if err != nil {
		return err
	}
	after, err := s.repo.Tip("")
	if err != nil {
		return err
	}
	git, writes := s.Git.Counts(), len(kubetest.Writes(requests))
	fmt.Printf("\n   git:         %d listing of refs, %d downloads, %d pushes\n", git.Refs, git.Packs, git.Pushes)
	fmt.Printf("   registry:    %d requests\n", len(s.Registry.Requests()))
	fmt.Printf("   API server:  %d reads, %d writes\n", len(requests)-writes, writes)
	if after != tip || writes > 0 || git.Packs > 0 || git.Pushes > 0 {
		return fmt.Errorf("the third run was not quiet: %v", kubetest.Writes(requests))
	}
	return nil
}

// lookAround says how to go on by hand.
func lookAround(g *ground.Ground, bin string) {
	fmt.Println("\nStill running. In another shell:")
	fmt.Println()
	for _, setting := range append(g.Env(bin), kapplyFlags) {
		name, value, _ := strings.Cut(setting, "=")
		if name != "HOME" && name != "PATH" {
			fmt.Printf("   export %s='%s'\n", name, value)
		}
	}
	fmt.Printf(`
   %[1]s/git-fetch --ssh-key $SLUICE_SSH_KEY --known-hosts $SLUICE_KNOWN_HOSTS --mirror $SLUICE_MIRROR %[2]s/demo/config.git
   GIT_SSH_COMMAND="ssh -i $SLUICE_SSH_KEY -o UserKnownHostsFile=$SLUICE_KNOWN_HOSTS" git clone %[2]s/demo/config.git
   pipelines/preview.sh --output table %[2]s/demo/config.git

Ctrl-C ends it all.
`, bin, g.Git.SSH())
}
