package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/reconcile"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// words are how kapply speaks of what it does.
var words = reconcile.Words{Program: "kapply", Things: "objects", Delete: "delete", Deleted: "deleted"}

// options are the flags.
type options struct {
	reconcile.Options
	wait        bool
	skip        []kube.GroupKind
	allow       []string // namespaces; nil for all
	pruneKinds  []kube.GroupKind
	foreground  bool
	force       []string // managers; "all" stands for every one
	verify      bool
	diff        bool
	events      string // see kube.Sync
	concurrency int
}

func readOptions(c *cli.Context) (options, error) {
	common, err := words.ReadOptions(c)
	o := options{Options: common, wait: c.Bool("wait"), force: c.StringSlice("force-conflicts"), diff: c.Bool("diff"), concurrency: c.Int("concurrency")}
	if err != nil {
		return o, err
	}
	for _, name := range c.StringSlice("skip") {
		kind := kube.ParseGroupKind(name)
		if kind.Kind == "" {
			return o, stage.Usagef("--skip takes KIND.group, for example HelmRelease.helm.fluxcd.io, not %q", name)
		}
		o.skip = append(o.skip, kind)
	}
	if o.allow = c.StringSlice("allow-namespace"); slices.Contains(o.allow, "") {
		return o, stage.Usagef("--allow-namespace takes a name, not nothing")
	}
	if !c.IsSet("allow-namespace") {
		o.allow = nil
	}
	if err := o.readPrune(c); err != nil {
		return o, err
	}
	if c.Bool("events") {
		o.events = "kapply"
	}
	switch how := c.String("verify"); how {
	case "digests", "dry-run":
		o.verify = how == "dry-run"
	default:
		return o, stage.Usagef("--verify is digests or dry-run, not %s", how)
	}
	if o.concurrency < 1 {
		return o, stage.Usagef("--concurrency is a number of requests from 1, not %d", o.concurrency)
	}
	return o, nil
}

// readPrune reads the flags about how objects are deleted.
func (o *options) readPrune(c *cli.Context) error {
	for _, name := range c.StringSlice("prune-kinds") {
		kind := kube.ParseGroupKind(name)
		if !kube.Kept(kind) {
			return stage.Usagef("--prune-kinds is for Namespace, PersistentVolume, PersistentVolumeClaim and CustomResourceDefinition.apiextensions.k8s.io, which are kept otherwise, in this spelling; %q is none of them", name)
		}
		o.pruneKinds = append(o.pruneKinds, kind)
	}
	cascade := c.String("cascade")
	if cascade != "background" && cascade != "foreground" {
		return stage.Usagef("--cascade is background or foreground, not %q", cascade)
	}
	o.foreground = cascade == "foreground"
	if (len(o.pruneKinds) > 0 || c.IsSet("cascade")) && !o.Prune {
		return stage.Usagef("--prune-kinds and --cascade are about what is deleted; they need --prune, without which nothing is")
	}
	return nil
}

func run(ctx context.Context, s *stage.IO, c *cli.Context, load func(kube.Target, string) (*kube.Config, error)) error {
	o, err := readOptions(c)
	if err != nil {
		return err
	}
	kube.Quiet()
	in := &input{s: s}
	if err := s.Read(in.take); err != nil {
		return err
	}
	sources, err := in.sources(o)
	if err != nil {
		return err
	}
	in.warnOfSkips(o.skip)
	out := newReport(s, o, in)
	// An input without sources asks for nothing.
	if len(sources) > 0 || len(o.Drop) > 0 {
		config, loaded := load(o.Target, "kapply")
		if err = loaded; err == nil {
			err = apply(ctx, s, o, config, in, sources, out)
		}
	}
	err = reconcile.Failure(s, err)
	out.close(sources, err)
	return err
}

// apply has the cluster made to match.
func apply(ctx context.Context, s *stage.IO, o options, config *kube.Config, in *input, sources []kube.Source, out *report) error {
	client, err := kube.NewClient(config, func(text string) { s.Warn("the API server says: %s", text) })
	if err != nil {
		return err
	}
	client.Note = func(text string) { s.Debugf("%s", text) }
	defer func() { s.Debugf("%d requests to the API server", client.Requests()) }()
	o.Settle(config.Namespace)
	store, err := kube.NewStore(client, "kapply", o.InventoryNamespace, o.Inventory)
	if err != nil {
		return stage.Usage(fmt.Errorf("--inventory: %w", err))
	}
	job := kube.Sync{
		Client: client, Store: store, Lease: o.Lease(s, store),
		Objects: in.objects, Sources: sources, Dropped: o.Drop,
		Prune: o.Prune, DryRun: o.DryRun, Replay: o.Replay, AllowFewer: o.AllowFewer, Wait: o.wait,
		Brake: o.Brake, PruneKinds: o.pruneKinds, Foreground: o.foreground, ID: s.Getenv("SLUICE_RUN"),
		Skip: o.skip, AllowNamespaces: o.allow, DefaultNamespace: o.DefaultNamespace, Concurrency: o.concurrency,
		Verify: o.verify, Diff: o.diff, Events: o.events,
		Force: o.force, ForceAll: slices.Contains(o.force, "all"),
		Report:   out.take,
		Unheld:   reconcile.Unheld(s),
		Stop:     func() bool { return s.OutErr() != nil },
		Progress: s.Progress,
	}
	return job.Run(ctx)
}

// input is what was read of the stream.
type input struct {
	s         *stage.IO
	manifests []manifest
	objects   []*kube.Object // those of the manifests that can be applied
	index     []int          // of each object, the index of its manifest
}

// manifest is what is kept of a manifest record.
type manifest struct {
	place       jsonl.Place
	id          kube.ID
	label       string // the record's id
	transformed bool
	err         error // why its object cannot be applied
}

// take keeps what is needed of a line. Every line is passed on.
func (in *input) take(line *jsonl.Line) (pass bool, err error) {
	if line.Type == jsonl.TypeManifest {
		in.takeManifest(line)
	}
	return true, nil
}

func (in *input) takeManifest(line *jsonl.Line) {
	var record jsonl.Manifest
	if err := line.Decode(&record); err != nil {
		in.manifests = append(in.manifests, manifest{err: err})
		return
	}
	m := manifest{place: record.Place, label: record.ID}
	sum, err := jsonl.Sum(record.Object)
	m.transformed = err == nil && sum != record.Sum
	object, err := kube.ParseObject(record.Object, record.Source)
	if err != nil {
		m.err = err
	} else {
		m.id = object.ID
		in.objects = append(in.objects, object)
		in.index = append(in.index, len(in.manifests))
	}
	in.manifests = append(in.manifests, m)
}

// warnOfSkips warns of a --skip that skips nothing: most likely it is misspelt.
func (in *input) warnOfSkips(skip []kube.GroupKind) {
	for _, kind := range skip {
		if !slices.ContainsFunc(in.objects, func(o *kube.Object) bool { return o.ID.GroupKind() == kind }) {
			in.s.Warn("--skip %s: the stream holds no such object; the form is KIND.group, for example Deployment.apps", kind)
		}
	}
}

// sources are the sources of the stream. What is skipped is part of their state: a run that skips
// more than the last one brings fewer objects for a reason.
func (in *input) sources(o options) ([]kube.Source, error) {
	var skips []string
	for _, kind := range o.skip {
		skips = append(skips, kind.String())
	}
	slices.Sort(skips)
	sources, err := o.Sources(in.s)
	for i := range sources {
		sources[i].State.Skips = skips
	}
	return sources, err
}
