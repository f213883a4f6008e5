package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// applier is one way to make a cluster match manifests. Each works on a set of objects of its own.
type applier struct {
	name string
	ours bool
	// command applies a set.
	command func(s *site, set string) []string
	// quiet, where not nil, is the command where nothing is to change.
	quiet func(s *site, set string) []string
}

var (
	kapply = applier{name: "kapply", ours: true, command: func(s *site, set string) []string {
		return []string{s.program("kapply"), "--prune", "--inventory", set}
	}}
	kubectlServer = applier{name: "kubectl apply --server-side", command: func(s *site, set string) []string {
		return []string{s.tool("kubectl"), "apply", "--server-side", "-f", s.path(set + ".yaml")}
	}}
	kubectlClient = applier{name: "kubectl apply", command: func(s *site, set string) []string {
		return []string{s.tool("kubectl"), "apply", "--openapi-patch=false", "-f", s.path(set + ".yaml")}
	}}
	kapp = applier{name: "kapp deploy", command: func(s *site, set string) []string {
		return []string{s.tool("kapp"), "deploy", "--yes", "--wait=false", "--app", set, "--file", s.path(set + ".yaml")}
	}}
	flux = applier{name: "Flux's pkg/ssa", command: func(s *site, set string) []string {
		return []string{s.tool("ssa"), set, s.path(set + ".yaml")}
	}}
	floor = applier{name: "bare client, 16 connections",
		command: func(s *site, set string) []string {
			return []string{s.tool("bareapply"), "apply", s.path(set + ".jsonl")}
		},
		quiet: func(s *site, set string) []string {
			return []string{s.tool("bareapply"), "list", "bench=" + set, s.path(set + ".jsonl")}
		}}
)

// sets keeps what each set of objects holds.
type sets struct {
	s       *site
	objects int
}

// lay writes a set in every form that an applier takes.
func (a sets) lay(ctx context.Context, set string, version int) error {
	files := objectSet(set, a.objects, version)
	all := join(files)
	objects, err := jsonLines(all)
	if err != nil {
		return err
	}
	_, yamlErr := a.s.write(set+".yaml", all)
	_, jsonErr := a.s.write(set+".jsonl", objects)
	if err = errors.Join(yamlErr, jsonErr); err != nil {
		return err
	}
	name := set + ".git"
	if repo, missing := a.s.git.Repo(name); missing != nil {
		_, err = a.s.git.Create(name, files)
	} else {
		_, err = repo.Commit(gitserver.Change{Files: files})
	}
	if err != nil {
		return err
	}
	return a.s.fetch(ctx, name, a.s.path(set+".stream"))
}

// contender is an applier in a job. What it runs on is a set of its own; prepare may be nil.
func (a sets) contender(p applier, set func(round int) string, quiet bool) contender {
	command := p.command
	if quiet && p.quiet != nil {
		command = p.quiet
	}
	return contender{
		name: p.name, ours: p.ours, requests: -1, metadata: -1, writes: -1, cluster: true,
		env:     []string{"KUBECONFIG=" + a.s.cluster.near, "KAPP_NAMESPACE=default"},
		command: func(round int) []string { return command(a.s, set(round)) },
	}
}

// fixed is the one set of an applier.
func fixed(i int) func(int) string { return func(int) string { return "set-" + strconv.Itoa(i) } }

// applied starts a control plane in which each applier has brought about its set.
func applied(ctx context.Context, s *site, objects int, appliers []applier) (sets, error) {
	a := sets{s, objects}
	if err := s.startCluster(ctx); err != nil {
		return a, err
	}
	for i, p := range appliers {
		set := fixed(i)(0)
		if err := a.lay(ctx, set, 0); err != nil {
			return a, err
		}
		c := a.contender(p, fixed(i), false)
		c.stdin = a.stdin(p, set)
		if err := s.run(ctx, c, c.command(0), s.path("out")); err != nil {
			return a, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return a, s.cluster.settle(ctx)
}

func (a sets) stdin(p applier, set string) string {
	if p.ours {
		return a.s.path(set + ".stream")
	}
	return ""
}

// aims are the ratios ours/this that a job is to reach, by the appliers' names.
type aims map[string]float64

// layQuiet is objects that are there as they should be.
func layQuiet(objects int, far bool, peak int64, rounds int, aims aims, appliers ...applier) func(context.Context, *site) (job, error) {
	return func(ctx context.Context, s *site) (job, error) {
		a, err := applied(ctx, s, objects, appliers)
		if err != nil {
			return job{}, err
		}
		j := job{title: fmt.Sprintf("%d objects that are as they should be", objects)}
		for i, p := range appliers {
			c := a.contender(p, fixed(i), true)
			c.stdin, c.atMost, c.rounds = a.stdin(p, fixed(i)(0)), aims[p.name], rounds
			if p.ours {
				c.requests, c.writes, c.peak, c.check = applyKinds+6, 0, peak, acted("configured", 0)
			}
			if p.ours || p.quiet != nil {
				c.rounds = 0
			}
			j.contenders = append(j.contenders, far20(&j, s, c, far))
		}
		return j, nil
	}
}

// layCold is objects that are not there yet: a new set in each round.
func layCold(objects int, far bool, rounds int, aims aims, appliers ...applier) func(context.Context, *site) (job, error) {
	return func(ctx context.Context, s *site) (job, error) {
		if err := s.startCluster(ctx); err != nil {
			return job{}, err
		}
		a := sets{s, objects}
		j := job{title: fmt.Sprintf("%d objects that are not there yet", objects)}
		for i, p := range appliers {
			set := func(round int) string { return fmt.Sprintf("set-%d-%d", i, round) }
			c := a.contender(p, set, false)
			c.atMost, c.rounds = aims[p.name], rounds
			c.stdin = s.path(fmt.Sprintf("set-%d.stream", i))
			c.prepare = func(ctx context.Context, round int) error {
				err := a.lay(ctx, set(round), 0)
				if err == nil {
					err = os.Rename(s.path(set(round)+".stream"), c.stdin)
				}
				return errors.Join(err, s.cluster.settle(ctx))
			}
			if p.ours {
				c.requests, c.peak = (objects+applyNamespaces)*102/100+applyKinds+6+5, peakAllowed
				c.check = acted("created", objects+applyNamespaces)
			}
			j.contenders = append(j.contenders, far20(&j, s, c, far))
		}
		return j, nil
	}
}

// layChanged is a commit that changes ten objects.
func layChanged(objects int, rounds int, appliers ...applier) func(context.Context, *site) (job, error) {
	return func(ctx context.Context, s *site) (job, error) {
		a, err := applied(ctx, s, objects, appliers)
		if err != nil {
			return job{}, err
		}
		j := job{title: fmt.Sprintf("%d of %d objects changed", editable, objects)}
		for i, p := range appliers {
			set := fixed(i)
			c := a.contender(p, set, false)
			c.rounds, c.stdin = rounds, a.stdin(p, set(0))
			c.prepare = func(ctx context.Context, round int) error { return a.lay(ctx, set(0), round+1) }
			if p.ours {
				c.rounds = 0
				c.requests, c.writes, c.peak = applyKinds+6+editable+5, editable+5, 60e6
				c.check = acted("configured", editable)
			}
			j.contenders = append(j.contenders, c)
		}
		return j, nil
	}
}

// far20 takes a contender a round trip away.
func far20(j *job, s *site, c contender, far bool) contender {
	if far {
		if away := fmt.Sprintf(", %s away", clusterTrip); !strings.HasSuffix(j.title, away) {
			j.title += away
		}
		c.env = append([]string{"KUBECONFIG=" + s.cluster.far}, c.env[1:]...)
	}
	return c
}

// acted checks how many of kapply's records say so.
func acted(action string, want int) func(int, string) (string, error) {
	return func(_ int, out string) (string, error) { return "", occurs(out, `"action":"`+action+`"`, want) }
}
