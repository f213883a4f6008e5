// Command conformance applies, prunes and applies again public repositories as they are, then runs the
// whole chain on one of them, gitops-helm, and reports what became of each object and release.
//
// The repository and its charts are served under the addresses that its files name
// (git@github.com:…, docker.io/…), by git's insteadOf and an HTTP proxy; nothing in it is changed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/ground"
)

const (
	// repository is what the releases of gitops-helm name as the home of their chart.
	repository = "git@github.com:fluxcd/helm-operator-get-started"
	image      = "stefanprodan/podinfo"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the six programs")
	corpus := flag.String("corpus", "", "folder that holds gitops-helm, flux-get-started and charts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *corpus); err != nil {
		fmt.Fprintln(os.Stderr, "conformance: error:", err)
		stop()
		os.Exit(1)
	}
}

// town is the ground with the names of the wide world on it.
type town struct {
	*ground.Ground
	env  []string
	repo *gitserver.Repo
}

func run(ctx context.Context, bin, corpus string) (err error) {
	config := filepath.Join(corpus, "gitops-helm")
	if _, err := os.Stat(config); err != nil {
		fmt.Fprintf(os.Stderr, "conformance: skipped: there is no corpus (%v); CORPUS names the folder that holds it\n", err)
		return nil
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, err := ground.Lay(ctx, ground.Options{Dir: dir, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	t := &town{Ground: g}
	if err := t.prepare(bin, config); err != nil {
		return err
	}

	fmt.Println("The resource definition of HelmRelease:")
	if _, err := t.script(ctx, "sync.sh", "--inventory", "crds", "--branch", "main", g.Git.SSH()+"/crds"); err != nil {
		return err
	}
	if err := t.served(ctx); err != nil {
		return err
	}
	if err := t.objects(ctx, corpus); err != nil {
		return err
	}
	fmt.Println("\nThe repository as it is:")
	first, err := t.script(ctx, "gitops.sh", "--prune", "--branch", "master", repository)
	if err != nil {
		return err
	}
	if err := first.check("podinfo-dev", jsonl.ReleaseInstalled); err != nil {
		return err
	}
	fmt.Println("\nNewer images:")
	later := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	if err := t.push(later, "dev-newer", "stg-newer", "0.4.12", "1.0.0"); err != nil {
		return err
	}
	second, err := t.script(ctx, "gitops.sh", "--prune", "--branch", "master", repository)
	if err != nil {
		return err
	}
	if err := second.check("podinfo-dev", jsonl.ReleaseUpgraded); err != nil {
		return err
	}
	return t.arrived(ctx)
}

// served waits until the API server answers for the new kind: it lists one a moment before it does.
func (t *town) served(ctx context.Context) error {
	for range 100 {
		if list, err := t.Cluster.Do(ctx, "GET", "/apis/helm.fluxcd.io/v1/helmreleases", ""); err == nil && list != nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("HelmReleases are not served 10 s after their definition was applied")
}

func (t *town) prepare(bin, config string) error {
	crds, err := t.Git.Create("crds", nil)
	if err != nil {
		return err
	}
	if _, err := crds.CommitDir("main", "resource definitions", filepath.Join("deploy", "crds")); err != nil {
		return err
	}
	if t.repo, err = t.Git.Create("fluxcd/helm-operator-get-started", nil); err != nil {
		return err
	}
	if _, err := t.repo.CommitDir("master", "as it is in public", config); err != nil {
		return err
	}
	gitconfig := fmt.Sprintf("[url %q]\n\tinsteadOf = git@github.com:\n", t.Git.SSH()+"/")
	if err := os.WriteFile(filepath.Join(t.Dir, ".gitconfig"), []byte(gitconfig), 0o600); err != nil {
		return err
	}
	proxy := faultproxy.New()
	proxy.Handle("index.docker.io", t.Registry)
	address, err := proxy.Start()
	if err != nil {
		return err
	}
	t.env = append(t.Env(bin), "http_proxy="+address, "https_proxy="+address,
		"SCAN_TAGS_FLAGS=--insecure-host index.docker.io")
	return t.push(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), "dev-hdtwcel9", "stg-9ij63o4c", "0.4.11")
}

func (t *town) push(created time.Time, tags ...string) error {
	for i, tag := range tags {
		if _, err := t.Registry.Push(image, tag, created.Add(time.Duration(i)*time.Minute)); err != nil {
			return err
		}
	}
	return nil
}

// script runs a shipped script and reads its record. Releases that cannot install here fail, so
// its exit code may be 5.
func (t *town) script(ctx context.Context, name string, args ...string) (*outcome, error) {
	record := filepath.Join(t.Dir, "record.jsonl")
	command := exec.CommandContext(ctx, filepath.Join("pipelines", name), append([]string{"--output", "table", "--record", record}, args...)...)
	command.Env, command.Stdout, command.Stderr = t.env, os.Stdout, os.Stderr
	if err := command.Run(); err != nil && command.ProcessState.ExitCode() != 5 {
		return nil, fmt.Errorf("running %s: %w", name, err)
	}
	file, err := os.Open(record)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readOutcome(file)
}

// outcome is what a run said of objects, releases and failures.
type outcome struct {
	applied  []jsonl.Apply
	releases map[string]jsonl.Release
	errors   []jsonl.Error
}

func readOutcome(r io.Reader) (*outcome, error) {
	o := &outcome{releases: map[string]jsonl.Release{}}
	for reader := jsonl.NewReader(r); ; {
		line, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return o, nil
		case err != nil:
			return nil, err
		}
		switch line.Type {
		case jsonl.TypeApply:
			var record jsonl.Apply
			err = line.Decode(&record)
			o.applied = append(o.applied, record)
		case jsonl.TypeRelease:
			var record jsonl.Release
			err = line.Decode(&record)
			o.releases[record.Release] = record
		case jsonl.TypeError:
			var record jsonl.Error
			err = line.Decode(&record)
			o.errors = append(o.errors, record)
		}
		if err != nil {
			return nil, err
		}
	}
}

// excused are the failures that a current API server without the internet must show: charts that
// use APIs long gone, and repositories that cannot be reached.
var excused = regexp.MustCompile(`no matches for kind|kubernetes-charts\.storage\.googleapis\.com|resource mapping not found`)

func (o *outcome) check(release string, action jsonl.ReleaseAction) error {
	var errs []error
	for _, apply := range o.applied {
		if apply.Action == jsonl.Failed || apply.Action == jsonl.Skipped {
			errs = append(errs, fmt.Errorf("%s: %s: %s", apply.ID, apply.Action, apply.Message))
		}
	}
	for _, e := range o.errors {
		if !excused.MatchString(e.Message) {
			errs = append(errs, fmt.Errorf("%s: %s %s", e.Stage, e.ID, e.Message))
		}
	}
	for _, r := range o.releases {
		if r.Action == jsonl.ReleaseFailed && !excused.MatchString(r.Message) {
			errs = append(errs, fmt.Errorf("release %s failed: %s", r.Release, r.Message))
		}
	}
	if got := o.releases[release].Action; got != action {
		errs = append(errs, fmt.Errorf("release %s: %q, want %s", release, got, action))
	}
	return errors.Join(errs...)
}

// arrived checks that the newer images are in git and in the cluster.
func (t *town) arrived(ctx context.Context) error {
	for file, want := range map[string]string{
		"releases/dev/podinfo.yaml": "tag: dev-newer", "releases/stg/podinfo.yaml": "tag: stg-newer", "releases/prod/podinfo.yaml": "tag: 0.4.12",
	} {
		content, err := t.repo.Git("show", "master:"+file)
		if err != nil {
			return err
		}
		if !strings.Contains(content, want) {
			return fmt.Errorf("%s at the tip does not say %q:\n%s", file, want, content)
		}
	}
	deployments, err := t.Cluster.Do(ctx, "GET", "/apis/apps/v1/namespaces/dev/deployments", "")
	if err != nil {
		return err
	}
	if !strings.Contains(fmt.Sprint(deployments), image+":dev-newer") {
		return errors.New("the cluster does not run dev-newer")
	}
	fmt.Println("\nEvery object was applied, every release that can install is installed, the newer images are in git and in the cluster.")
	return nil
}
