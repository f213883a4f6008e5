package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// kept is what kapply's rounds need said: that Namespaces and definitions may go, and all at once.
const kept = "KAPPLY_FLAGS=--wait --max-prune 100% --prune-kinds Namespace --prune-kinds CustomResourceDefinition.apiextensions.k8s.io"

// folders of the corpus that are applied as they are, each a repository of its own.
var folders = map[string]string{
	"flux-get-started": "flux-get-started",
	"namespaces":       filepath.Join("gitops-helm", "namespaces"),
	"sealed-secrets":   filepath.Join("charts", "sealed-secrets", "crds"),
}

// objects applies, prunes and applies again what the corpus holds besides Helm's releases.
func (t *town) objects(ctx context.Context, corpus string) error {
	env := t.env
	t.env = append(t.env[:len(t.env):len(t.env)], kept)
	defer func() { t.env = env }()
	repos := map[string]*gitserver.Repo{}
	args := []string{"--inventory", "corpus", "--prune", "--branch", "main"}
	for name, folder := range folders {
		repo, err := t.Git.Create(name, nil)
		if err != nil {
			return err
		}
		if _, err := repo.CommitDir("main", "as it is in public", filepath.Join(corpus, folder)); err != nil {
			return err
		}
		repos[name] = repo
		args = append(args, t.Git.SSH()+"/"+name)
	}
	var first int
	for _, round := range []struct {
		title string
		want  jsonl.ApplyAction
		turn  func(name string, repo *gitserver.Repo) error
	}{
		{"The objects of the corpus", jsonl.Created, nil},
		{"The same again", jsonl.Unchanged, nil},
		{"Gone from git", jsonl.Pruned, func(_ string, repo *gitserver.Repo) error { return empty(repo) }},
		{"Back in git", jsonl.Created, func(name string, repo *gitserver.Repo) error {
			_, err := repo.CommitDir("main", "back", filepath.Join(corpus, folders[name]))
			return err
		}},
		{"Gone again", jsonl.Pruned, func(_ string, repo *gitserver.Repo) error { return empty(repo) }},
	} {
		for name, repo := range repos {
			if round.turn == nil {
				continue
			}
			if err := round.turn(name, repo); err != nil {
				return err
			}
		}
		fmt.Printf("\n%s:\n", round.title)
		o, err := t.script(ctx, "sync.sh", args...)
		if err != nil {
			return err
		}
		n, err := o.all(round.want)
		if err != nil {
			return err
		}
		if first == 0 {
			first = n
		}
		if n != first {
			return fmt.Errorf("%s: %d objects %s, want %d", strings.ToLower(round.title), n, round.want, first)
		}
	}
	return t.nothingLeft(ctx)
}

// empty takes all files out of a repository.
func empty(repo *gitserver.Repo) error {
	files, err := repo.Git("ls-tree", "-r", "--name-only", "main")
	if err != nil {
		return err
	}
	_, err = repo.Commit(gitserver.Change{Branch: "main", Message: "gone", Delete: strings.Split(strings.TrimSpace(files), "\n"),
		Files: map[string]string{"README.md": "Nothing is here.\n"}})
	return err
}

// all counts the objects, which must have come to the same end, but for those that no current API server
// serves.
func (o *outcome) all(want jsonl.ApplyAction) (n int, err error) {
	var errs []error
	for _, apply := range o.applied {
		switch {
		case apply.Action == want:
			n++
		case apply.Action == jsonl.Failed && strings.Contains(apply.Message, "autoscaling/v2beta1"):
		default:
			errs = append(errs, fmt.Errorf("%s: %s: %s", apply.ID, apply.Action, apply.Message))
		}
	}
	for _, e := range o.errors {
		if !strings.Contains(e.Message, "autoscaling/v2beta1") {
			errs = append(errs, fmt.Errorf("%s: %s %s", e.Stage, e.ID, e.Message))
		}
	}
	return n, errors.Join(errs...)
}

// nothingLeft looks for what carries the inventory's label.
func (t *town) nothingLeft(ctx context.Context) error {
	for _, path := range []string{"/api/v1/namespaces", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/apis/apps/v1/deployments", "/api/v1/services"} {
		list, err := t.Cluster.Do(ctx, "GET", path+"?labelSelector=sluice.dev/inventory%3Ddefault.corpus", "")
		if err != nil {
			return err
		}
		if items, _ := list.At("items").([]any); len(items) > 0 {
			return fmt.Errorf("%s: %d objects are left", path, len(items))
		}
	}
	return nil
}
