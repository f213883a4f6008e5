package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/helmrel"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

const program = "helm-reconcile"

// options are the flags.
type options struct {
	prune, dryRun, exitCode         bool
	adopt, again                    bool
	assumeWhole, allowFewer, replay bool
	inventory, inventoryNamespace   string
	defaultNamespace                string
	drop                            []string
	workers                         int
	target                          kube.Target
	mirror                          string
	auth                            gitrepo.Auth
	chartHosts, insecureHosts       []string
}

func readOptions(c *cli.Context) (options, error) {
	o := options{
		prune: c.Bool("prune"), dryRun: c.Bool("dry-run"), exitCode: c.Bool("exit-code"),
		adopt: c.Bool("adopt"), again: c.Bool("retry-failed"),
		assumeWhole: c.Bool("assume-whole"), allowFewer: c.Bool("allow-fewer"), replay: c.Bool("replay"),
		inventory: c.String("inventory"), inventoryNamespace: c.String("inventory-namespace"),
		defaultNamespace: c.String("default-namespace"), drop: c.StringSlice("drop-source"), workers: c.Int("workers"),
		target:     kube.Target{Kubeconfig: c.String("kubeconfig"), Context: c.String("context")},
		mirror:     c.String("mirror"),
		auth:       gitrepo.Auth{SSHKey: c.String("ssh-key"), KnownHosts: c.String("known-hosts"), TokenFile: c.String("token-file")},
		chartHosts: c.StringSlice("chart-host"), insecureHosts: c.StringSlice("insecure-host"),
	}
	for _, f := range []struct {
		name  string
		given bool
	}{{"--assume-whole", o.assumeWhole}, {"--allow-fewer", o.allowFewer}, {"--drop-source", len(o.drop) > 0}} {
		if f.given && !o.prune {
			return o, stage.Usagef("%s is about what may be uninstalled; it needs --prune, without which nothing is", f.name)
		}
	}
	switch {
	case o.exitCode && !o.dryRun:
		return o, stage.Usagef("--exit-code says whether there are changes to make; it needs --dry-run, which makes none")
	case o.workers < 1:
		return o, stage.Usagef("--workers is a number of releases from 1, not %d", o.workers)
	}
	return o, nil
}

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	o, err := readOptions(c)
	if err != nil {
		return err
	}
	helmrel.Quiet()
	in := &input{s: s, counts: map[string]int{}}
	if err := s.Read(in.take); err != nil {
		return err
	}
	if n := s.Tally().Planned(); n > 0 && !o.dryRun {
		return stage.WithHint(stage.Refused(fmt.Errorf("%d manifests in the stream are only planned: a dry run wrote them", n)),
			"give --dry-run here too, or leave it out in the stages before")
	}
	from := in.from(o)
	for _, f := range from {
		if slices.Contains(o.drop, f.Name) {
			return stage.Usagef("--drop-source names a source that is in this stream: %s", f.Name)
		}
	}
	out := &report{s: s, o: o, in: in, held: map[string][]string{}, totals: map[helmrel.Action]int{}}
	err = failure(s, reconcile(ctx, s, o, in, from, out))
	out.close(from, err)
	return err
}

// reconcile has the releases made to match. An input without sources asks for nothing.
func reconcile(ctx context.Context, s *stage.IO, o options, in *input, from []helmrel.From, out *report) error {
	if len(from) == 0 && len(o.drop) == 0 {
		return nil
	}
	config, err := kube.Load(o.target, program)
	if err != nil {
		return err
	}
	client, err := kube.NewClient(config, func(text string) { s.Warn("the API server says: %s", text) })
	if err != nil {
		return err
	}
	cluster, err := helmrel.NewCluster(config.REST)
	if err != nil {
		return err
	}
	if o.inventoryNamespace == "" {
		o.inventoryNamespace = config.Namespace
	}
	if o.defaultNamespace == "" {
		o.defaultNamespace = config.Namespace
	}
	store, err := kube.NewStore(client, program, o.inventoryNamespace, o.inventory)
	if err != nil {
		return stage.Usage(fmt.Errorf("--inventory: %w", err))
	}
	charts, err := sources(ctx, s, o, cluster)
	if err != nil {
		return err
	}
	lease := store.Lease()
	lease.Now, lease.Holder = s.Now, holder()
	job := helmrel.Run{
		Cluster: cluster, Sources: charts, Store: store, Lease: lease,
		Inventory: helmrel.ID{Namespace: o.inventoryNamespace, Name: o.inventory},
		Wanted:    in.wanted(o.defaultNamespace), From: from, Dropped: o.drop,
		Prune: o.prune, DryRun: o.dryRun, Replay: o.replay, AllowFewer: o.allowFewer, Adopt: o.adopt, Again: o.again,
		Workers:  o.workers,
		Report:   out.take,
		Stop:     func() bool { return s.OutErr() != nil },
		Progress: func(done, total int) { s.Progress("releases", done, total) },
	}
	return job.Do(ctx)
}

// sources is where charts may come from. Key and token are for the hosts that the stream itself came
// from: a chart's URL is in a manifest, and whoever writes that must not choose who gets them.
func sources(ctx context.Context, s *stage.IO, o options, cluster *helmrel.Cluster) (*helmrel.Sources, error) {
	rewrites, err := gitrepo.LoadRewrites(s.Getenv)
	if err != nil {
		return nil, err
	}
	charts := &helmrel.Sources{
		Guard:  &helmrel.Guard{InsecureHosts: o.insecureHosts, Forbidden: cluster.Addresses(ctx)},
		Mirror: o.mirror, Auth: o.auth, TrustedHosts: o.chartHosts, Rewrites: rewrites,
	}
	for _, state := range s.Tally().States() {
		source := state.Source
		if source.URL == "" {
			continue // its record is missing
		}
		charts.TrustedHosts = append(charts.TrustedHosts, helmrel.HostOf(source.URL))
		charts.Present = append(charts.Present, helmrel.Present{URL: source.URL, Branch: source.Branch, Revision: source.Revision, Store: source.Store})
	}
	return charts, nil
}

// holder names this run in the lease.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + rand.Text()
}

// failure gives an error of the whole run its exit code.
func failure(s *stage.IO, err error) error {
	var locked *kube.LockedError
	var refused *kube.RefusedError
	var known *stage.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	code, hint := kube.Explain(err)
	switch {
	case errors.As(err, &locked):
		return stage.WithHint(stage.Locked(fmt.Errorf("another run is at work, nothing was changed: %w", err)), "run again when it is done")
	case errors.As(err, &refused), errors.Is(err, kube.ErrLostLease), code == "lost-lease":
		return &stage.Error{Exit: stage.CodeRefused, Word: code, Hint: hint, Err: err}
	case s.OutErr() != nil:
		return s.OutErr()
	}
	return &stage.Error{Exit: stage.CodeFailed, Word: code, Hint: hint, Err: err}
}
