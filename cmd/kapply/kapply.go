package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// options are the flags.
type options struct {
	prune, dryRun, exitCode, wait   bool
	assumeWhole, allowFewer, replay bool
	inventory, inventoryNamespace   string
	defaultNamespace                string
	skip                            []kube.GroupKind
	drop                            []string
	concurrency                     int
	target                          kube.Target
}

func readOptions(c *cli.Context) (options, error) {
	o := options{
		prune: c.Bool("prune"), dryRun: c.Bool("dry-run"), exitCode: c.Bool("exit-code"), wait: c.Bool("wait"),
		assumeWhole: c.Bool("assume-whole"), allowFewer: c.Bool("allow-fewer"), replay: c.Bool("replay"),
		inventory: c.String("inventory"), inventoryNamespace: c.String("inventory-namespace"),
		defaultNamespace: c.String("default-namespace"), drop: c.StringSlice("drop-source"),
		concurrency: c.Int("concurrency"),
		target:      kube.Target{Kubeconfig: c.String("kubeconfig"), Context: c.String("context")},
	}
	for _, name := range c.StringSlice("skip") {
		kind := kube.ParseGroupKind(name)
		if kind.Kind == "" {
			return o, stage.Usagef("--skip takes KIND.group, for example HelmRelease.helm.fluxcd.io, not %q", name)
		}
		o.skip = append(o.skip, kind)
	}
	for flag, given := range map[string]bool{
		"--assume-whole": o.assumeWhole, "--allow-fewer": o.allowFewer, "--drop-source": len(o.drop) > 0,
	} {
		if given && !o.prune {
			return o, stage.Usagef("%s is about what may be deleted; it needs --prune, without which nothing is", flag)
		}
	}
	switch {
	case o.exitCode && !o.dryRun:
		return o, stage.Usagef("--exit-code says whether there are changes to make; it needs --dry-run, which makes none")
	case o.wait && o.dryRun:
		return o, stage.Usagef("--wait waits for what was applied; --dry-run applies nothing")
	case o.concurrency < 1:
		return o, stage.Usagef("--concurrency is a number of requests from 1, not %d", o.concurrency)
	}
	return o, nil
}

func run(ctx context.Context, s *stage.IO, c *cli.Context, load func(kube.Target, string) (*kube.Config, error)) error {
	o, err := readOptions(c)
	if err != nil {
		return err
	}
	in := &input{s: s}
	if err := s.Read(in.take); err != nil {
		return err
	}
	if n := s.Tally().Planned(); n > 0 && !o.dryRun {
		return stage.WithHint(stage.Refused(fmt.Errorf("%d manifests in the stream are only planned: a dry run wrote them", n)),
			"give --dry-run here too, or leave it out in the stages before")
	}
	sources := in.sources(o)
	if slices.ContainsFunc(sources, func(source kube.Source) bool { return slices.Contains(o.drop, source.Name) }) {
		return stage.Usagef("--drop-source names a source that is in this stream")
	}
	out := newReport(s, o, in)
	// An input without sources asks for nothing.
	if len(sources) > 0 || len(o.drop) > 0 {
		config, loaded := load(o.target, "kapply")
		if err = loaded; err == nil {
			err = reconcile(ctx, s, o, config, in, sources, out)
		}
	}
	err = out.failure(err)
	out.close(sources)
	return err
}

// reconcile has the cluster made to match.
func reconcile(ctx context.Context, s *stage.IO, o options, config *kube.Config, in *input, sources []kube.Source, out *report) error {
	client, err := kube.NewClient(config, func(text string) { s.Warn("the API server says: %s", text) })
	if err != nil {
		return err
	}
	defer func() { s.Debugf("%d requests to the API server", client.Requests()) }()
	if o.inventoryNamespace == "" {
		o.inventoryNamespace = config.Namespace
	}
	if o.defaultNamespace == "" {
		o.defaultNamespace = config.Namespace
	}
	store, err := kube.NewStore(client, "kapply", o.inventoryNamespace, o.inventory)
	if err != nil {
		return stage.Usage(fmt.Errorf("--inventory: %w", err))
	}
	lease := store.Lease()
	lease.Now, lease.Holder = s.Now, holder(s)
	job := kube.Sync{
		Client: client, Store: store, Lease: lease,
		Objects: in.objects, Sources: sources, Dropped: o.drop,
		Prune: o.prune, DryRun: o.dryRun, Replay: o.replay, AllowFewer: o.allowFewer, Wait: o.wait,
		Skip: o.skip, DefaultNamespace: o.defaultNamespace, Concurrency: o.concurrency,
		Report:   out.take,
		Stop:     func() bool { return s.OutErr() != nil },
		Progress: s.Progress,
	}
	return job.Run(ctx)
}

// holder names this run in the lease.
func holder(s *stage.IO) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + rand.Text()
}

// failure gives an error of the whole run its exit code.
func (r *report) failure(err error) error {
	var locked *kube.LockedError
	var refused *kube.RefusedError
	var known *stage.Error
	r.failed = err != nil
	if err == nil || errors.As(err, &known) {
		return err
	}
	code, hint := kube.Explain(err)
	switch {
	case errors.As(err, &locked):
		return stage.WithHint(stage.Locked(fmt.Errorf("another run is at work, nothing was changed: %w", err)), "run again when it is done")
	case errors.As(err, &refused), errors.Is(err, kube.ErrLostLease), code == "lost-lease":
		return &stage.Error{Exit: stage.CodeRefused, Word: code, Hint: hint, Err: err}
	case r.s.OutErr() != nil:
		return r.s.OutErr()
	}
	return &stage.Error{Exit: stage.CodeFailed, Word: code, Hint: hint, Err: err}
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

// sources are the sources of the stream, each with the word on whether all of it is here.
func (in *input) sources(o options) []kube.Source {
	var skips []string
	for _, kind := range o.skip {
		skips = append(skips, kind.String())
	}
	slices.Sort(skips)
	var sources []kube.Source
	for _, state := range in.s.Tally().States() {
		if state.NotWhole != nil && o.assumeWhole {
			in.s.Warn("--assume-whole takes what is here for all: %v", state.NotWhole)
		}
		sources = append(sources, kube.Source{
			Name: state.Source.Name, Whole: state.NotWhole == nil || o.assumeWhole,
			State: kube.SourceState{
				Fetched: state.Fetched, Revision: state.Source.Revision, Paths: state.Source.Paths,
				Tool: state.Tool, Skips: skips, Manifests: state.Manifests,
			},
		})
	}
	return sources
}
