// Package reconcile is what the two programs that make a cluster match a stream share: their
// flags, the sources of a stream and what may be deleted of them, and how a run ends.
package reconcile

import (
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// Words are how a program speaks of what it does.
type Words struct {
	Program string // "kapply"
	Things  string // what it makes: "objects"
	Delete  string // how it removes them: "delete"
	Deleted string // "deleted"
}

// Options are the flags of both programs.
type Options struct {
	Prune, DryRun, ExitCode         bool
	AssumeWhole, AllowFewer, Replay bool
	// Drop are sources whose things are deleted although they are not in the stream.
	Drop        []string
	Brake       kube.Brake
	LockTimeout time.Duration
	Inventory   string
	// InventoryNamespace and DefaultNamespace are empty until Settle.
	InventoryNamespace, DefaultNamespace string
	Target                               kube.Target
}

// Flags are the flags that [ReadOptions] reads. How a dry run is made each program says itself.
func (w Words) Flags(dryRun string) []cli.Flag {
	return append(w.inventoryFlags(), []cli.Flag{
		&cli.BoolFlag{Name: "prune", Usage: fmt.Sprintf("%s %s that are gone from a whole source", w.Delete, w.Things)},
		&cli.BoolFlag{Name: "dry-run", Usage: dryRun},
		&cli.BoolFlag{Name: "exit-code", Usage: "with --dry-run: exit with 3 where there are changes"},
		&cli.StringFlag{Name: "default-namespace", Usage: "take what names no namespace as of `NAMESPACE`; default the context's"},
		&cli.BoolFlag{Name: "assume-whole", Usage: "with --prune: take what is here of each source for all of it"},
		&cli.BoolFlag{Name: "allow-fewer", Usage: fmt.Sprintf("with --prune: %s also where the same commit brought more before", w.Delete)},
		&cli.BoolFlag{Name: "replay", Usage: "take a recorded stream although a later one was taken before"},
		&cli.StringSliceFlag{Name: "drop-source", Usage: fmt.Sprintf("with --prune: %s all that is remembered of the source `NAME`; may be repeated", w.Delete)},
		&cli.StringFlag{Name: "max-prune", Usage: fmt.Sprintf("with --prune: %s nothing where it would be more than `LIMIT`, a number or a percentage of the %s in the inventory; default 25%%, and 10 in any case", w.Delete, w.Things)},
		&cli.StringFlag{Name: "confirm-prune", Usage: fmt.Sprintf("with --prune: %s more than --max-prune if the plan is the one of this `DIGEST`, which a run that was held back prints", w.Delete)},
		lockTimeout(),
	}...)
}

func lockTimeout() cli.Flag {
	return &cli.DurationFlag{Name: "lock-timeout", Usage: "wait `DURATION` for another run that is at work on the inventory"}
}

// inventoryFlags say which inventory of which cluster.
func (w Words) inventoryFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "inventory", Value: "default", Usage: fmt.Sprintf("remember the %s under `NAME`", w.Things)},
		&cli.StringFlag{Name: "inventory-namespace", Usage: "keep the inventory in `NAMESPACE`; default the context's"},
		&cli.StringFlag{Name: "kubeconfig", Usage: "read the kubeconfig `FILE`; default as kubectl"},
		&cli.StringFlag{Name: "context", Usage: "use this `CONTEXT` of the kubeconfig"},
		&cli.StringFlag{Name: "as", Usage: "do everything in the name of `USER`, and with no other rights; system:serviceaccount:NAMESPACE:NAME for a service account"},
		&cli.StringSliceFlag{Name: "as-group", Usage: "with --as: as a member of `GROUP`; may be repeated"},
	}
}

// ReadOptions reads the flags, and refuses those that contradict one another.
func (w Words) ReadOptions(c *cli.Context) (Options, error) {
	o := Options{
		Prune: c.Bool("prune"), DryRun: c.Bool("dry-run"), ExitCode: c.Bool("exit-code"),
		AssumeWhole: c.Bool("assume-whole"), AllowFewer: c.Bool("allow-fewer"), Replay: c.Bool("replay"),
		Drop: c.StringSlice("drop-source"), LockTimeout: c.Duration("lock-timeout"), Inventory: c.String("inventory"),
		InventoryNamespace: c.String("inventory-namespace"), DefaultNamespace: c.String("default-namespace"),
	}
	var err error
	if o.Target, err = target(c); err != nil {
		return o, err
	}
	for _, f := range []struct {
		name  string
		given bool
	}{{"--assume-whole", o.AssumeWhole}, {"--allow-fewer", o.AllowFewer}, {"--drop-source", len(o.Drop) > 0},
		{"--max-prune", c.IsSet("max-prune")}, {"--confirm-prune", c.IsSet("confirm-prune")}} {
		if f.given && !o.Prune {
			return o, stage.Usagef("%s is about what may be %s; it needs --prune, without which nothing is", f.name, w.Deleted)
		}
	}
	if o.ExitCode && !o.DryRun {
		return o, stage.Usagef("--exit-code says whether there are changes to make; it needs --dry-run, which makes none")
	}
	if o.LockTimeout < 0 {
		return o, stage.Usagef("--lock-timeout is a duration, not %s", o.LockTimeout)
	}
	return o, o.readBrake(c)
}

// target is the cluster, and who we are there. An empty name, of a variable that is not set perhaps, must
// not stand for all the rights of whoever runs the program.
func target(c *cli.Context) (kube.Target, error) {
	switch groups := c.StringSlice("as-group"); {
	case c.IsSet("as") && c.String("as") == "", slices.Contains(groups, ""):
		return kube.Target{}, stage.Usagef("--as and --as-group take a name, not nothing")
	case len(groups) > 0 && !c.IsSet("as"):
		return kube.Target{}, stage.Usagef("--as-group adds a group to a user; it needs --as")
	}
	return kube.Target{Kubeconfig: c.String("kubeconfig"), Context: c.String("context"), As: c.String("as"), AsGroups: c.StringSlice("as-group")}, nil
}

func (o *Options) readBrake(c *cli.Context) error {
	if text := c.String("max-prune"); text != "" {
		limit, err := kube.ParsePruneLimit(text)
		if err != nil {
			return stage.Usage(fmt.Errorf("--max-prune: %w", err))
		}
		o.Brake.Limit = &limit
	}
	if o.Brake.Confirm = c.String("confirm-prune"); o.Brake.Confirm != "" {
		if err := kube.CheckPlanDigest(o.Brake.Confirm); err != nil {
			return stage.Usage(fmt.Errorf("--confirm-prune: %w", err))
		}
	}
	return nil
}

// Settle gives the namespaces that no flag named their defaults.
func (o *Options) Settle(context string) {
	if o.InventoryNamespace == "" {
		o.InventoryNamespace = context
	}
	if o.DefaultNamespace == "" {
		o.DefaultNamespace = context
	}
}

// Sources are the sources of the stream that was read, each with the word on whether all of it is
// here. A stream that must not be acted on is an error: one that a dry run upstream wrote, say.
func (o Options) Sources(s *stage.IO) ([]kube.Source, error) {
	if err := s.RefusePlanned(o.DryRun); err != nil {
		return nil, err
	}
	var sources []kube.Source
	for _, state := range s.Tally().States() {
		if slices.Contains(o.Drop, state.Source.Name) {
			return nil, stage.Usagef("--drop-source names a source that is in this stream: %s", state.Source.Name)
		}
		if state.NotWhole != nil && o.AssumeWhole {
			s.Warn("--assume-whole takes what is here for all: %v", state.NotWhole)
		}
		sources = append(sources, kube.Source{
			Name: state.Source.Name, Whole: state.NotWhole == nil || o.AssumeWhole,
			State: kube.SourceState{
				Fetched: state.Fetched, Revision: state.Source.Revision, Paths: state.Source.Paths,
				Tool: state.Tool, Manifests: state.Manifests,
			},
		})
	}
	return sources, nil
}

// Lease is that of the inventory, for this run.
func (o Options) Lease(s *stage.IO, store *kube.Store) *kube.Lease {
	lease := store.Lease()
	lease.Now, lease.Holder, lease.Patience = s.Now, holder(), o.LockTimeout
	lease.Waiting = func(locked *kube.LockedError) { s.Infof("waiting for another run: %v", locked) }
	return lease
}

// holder names this run in the lease.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + rand.Text()
}
