package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/helmrel"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/reconcile"
	"github.com/sluice-gitops/sluice/internal/stage"
)

const program = "helm-reconcile"

// speech is how helm-reconcile speaks of what it does.
var speech = reconcile.Words{Program: program, Things: "releases", Delete: "uninstall", Deleted: "uninstalled"}

// options are the flags.
type options struct {
	reconcile.Options
	clusterOptions
	adopt, again, events      bool
	workers                   int
	mirror                    string
	auth                      gitrepo.Auth
	chartHosts, insecureHosts []string
	valuesURLs                []string
	changes                   changes
	charts                    *helmrel.Sources // where charts come from, besides git
}

func readOptions(c *cli.Context) (options, error) {
	common, err := speech.ReadOptions(c)
	o := options{
		Options: common, adopt: c.Bool("adopt"), again: c.Bool("retry-failed"), events: c.Bool("events"), workers: c.Int("workers"),
		mirror:     c.String("mirror"),
		auth:       gitrepo.Auth{SSHKey: c.String("ssh-key"), KnownHosts: c.String("known-hosts"), TokenFile: c.String("token-file")},
		chartHosts: c.StringSlice("chart-host"), insecureHosts: c.StringSlice("insecure-host"),
		valuesURLs: c.StringSlice("allow-values-url"),
	}
	if err == nil {
		o.clusterOptions, err = readClusterOptions(c)
	}
	if err == nil && o.workers < 1 {
		err = stage.Usagef("--workers is a number of releases from 1, not %d", o.workers)
	}
	if err == nil {
		err = errors.Join(checkHosts("--chart-host", o.chartHosts), checkHosts("--insecure-host", o.insecureHosts))
	}
	if _, bad := helmrel.NewExternal(&helmrel.Guard{}, o.valuesURLs); err == nil && bad != nil {
		err = stage.Usage(fmt.Errorf("--allow-values-url: %w", bad))
	}
	return o, err
}

// checkHosts refuses what can be no host, a URL in particular: it would silently match none.
func checkHosts(flag string, hosts []string) error {
	for _, host := range hosts {
		if strings.ContainsAny(host, "/@") {
			return stage.Usagef("%s takes a host, for example charts.example.com, not %q", flag, host)
		}
	}
	return nil
}

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	o, err := readOptions(c)
	if err != nil {
		return err
	}
	if o.charts, err = readCharts(s, c); err != nil {
		return err
	}
	if o.changes, err = readChanges(c); err != nil {
		return err
	}
	helmrel.Quiet()
	in := &input{s: s, counts: map[string]int{}, unread: map[string]bool{}}
	if !o.fromCluster {
		if err := s.Read(in.take); err != nil {
			return err
		}
	}
	from, err := in.from(o)
	if err != nil {
		return err
	}
	out := &report{s: s, o: o, in: in, held: map[string][]string{}, totals: map[helmrel.Action]int{}}
	err = reconcile.Failure(s, release(ctx, s, o, in, from, out))
	out.close(from, err)
	return err
}

// release has the releases made to match. An input without sources asks for nothing.
func release(ctx context.Context, s *stage.IO, o options, in *input, from []kube.Source, out *report) error {
	if len(from) == 0 && len(o.Drop) == 0 {
		return nil
	}
	config, err := kube.Load(o.Target, program)
	if err != nil {
		return err
	}
	client, err := kube.NewClient(config, func(text string) { s.Warn("the API server says: %s", text) })
	if err != nil {
		return err
	}
	note := func(text string) { s.Debugf("%s", text) }
	client.Note = note
	cluster, err := helmrel.NewCluster(config.REST)
	if err != nil {
		return err
	}
	o.Settle(config.Namespace)
	store, err := kube.NewStore(client, program, o.InventoryNamespace, o.Inventory)
	if err != nil {
		return stage.Usage(fmt.Errorf("--inventory: %w", err))
	}
	if o.fromCluster {
		if err := in.takeCluster(ctx, cluster, &o); err != nil {
			return err
		}
	}
	charts, err := sources(ctx, s, o, cluster)
	if err != nil {
		return err
	}
	if cluster.External, err = helmrel.NewExternal(charts.Guard, o.valuesURLs); err != nil {
		return err
	}
	job := helmrel.Run{
		Cluster: cluster, Sources: charts, Store: store, Lease: o.Lease(s, store),
		Inventory: helmrel.ID{Namespace: o.InventoryNamespace, Name: o.Inventory},
		Wanted:    in.wanted(o.DefaultNamespace), From: from, Dropped: o.Drop,
		Objects: in.objects, Namespaces: o.namespaces,
		Prune: o.Prune, Brake: o.Brake, ID: s.Getenv("SLUICE_RUN"), DryRun: o.DryRun, Replay: o.Replay, AllowFewer: o.AllowFewer, Adopt: o.adopt, Again: o.again,
		Workers:  o.workers,
		Report:   out.take,
		Unheld:   reconcile.Unheld(s),
		Stop:     func() bool { return s.OutErr() != nil },
		Note:     note,
		Progress: func(done, total int) { s.Progress("releases", done, total) },
	}
	if o.events {
		job.Events = kube.NewNotices(client, program, s.Now())
	}
	o.changes.apply(&job)
	return job.Do(ctx)
}

// sources is where charts may come from. Key and token are for the hosts that the stream itself came
// from: a chart's URL is in a manifest, and whoever writes that must not choose who gets them.
func sources(ctx context.Context, s *stage.IO, o options, cluster *helmrel.Cluster) (*helmrel.Sources, error) {
	rewrites, err := gitrepo.LoadRewrites(s.Getenv)
	if err != nil {
		return nil, err
	}
	charts := o.charts
	charts.Guard = &helmrel.Guard{InsecureHosts: o.insecureHosts, Forbidden: cluster.Addresses(ctx)}
	charts.Mirror, charts.Auth, charts.TrustedHosts, charts.Rewrites = o.mirror, o.auth, o.chartHosts, rewrites
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
