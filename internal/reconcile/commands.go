package reconcile

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// Loader finds a cluster, as [kube.Load] does.
type Loader func(kube.Target, string) (*kube.Config, error)

// Commands are those that both programs have: status and confirm.
func (w Words) Commands(load Loader) []*stage.App {
	plain := func(*cli.Context) bool { return true }
	return []*stage.App{{
		Name:  "status",
		Usage: "print what the inventory holds",
		Manual: fmt.Sprintf(`Prints what is kept of the runs so far: for each source the revision that was applied last, when its
fetch began, and how many %s it holds; the last run that changed something; and the plan that was
confirmed and is not carried out yet. It reads the inventory and nothing else.

   %s status
   %[2]s status --output json

With --output json that is one line with one object; it is no stream.`, w.Things, w.Program),
		Flags: w.inventoryFlags(),
		Plain: plain,
		Run:   func(ctx context.Context, s *stage.IO, c *cli.Context) error { return w.status(ctx, s, c, load) },
	}, {
		Name:      "confirm",
		Usage:     fmt.Sprintf("let the next run %s what a run has held back", w.Delete),
		ArgsUsage: "DIGEST",
		Manual: fmt.Sprintf(`A run that would %s more than --max-prune allows does all else, prints the digest of its plan, and
exits with 4. This command keeps that digest in the inventory: a later run, of a CronJob for one, that
comes to the very same plan carries it out, and the confirmation is used up. For any other plan it
means nothing.

   %s confirm 0123456789abcdef0123`, w.Delete, w.Program),
		Flags:  append(w.inventoryFlags(), lockTimeout()),
		Writes: true,
		Plain:  plain,
		Run:    func(ctx context.Context, s *stage.IO, c *cli.Context) error { return w.confirm(ctx, s, c, load) },
	}}
}

// open gives the inventory that the flags name.
func (w Words) open(s *stage.IO, c *cli.Context, load Loader) (Options, *kube.Store, error) {
	o := Options{
		Inventory: c.String("inventory"), InventoryNamespace: c.String("inventory-namespace"), LockTimeout: c.Duration("lock-timeout"),
	}
	var err error
	if o.Target, err = target(c); err != nil {
		return o, nil, err
	}
	kube.Quiet()
	config, err := load(o.Target, w.Program)
	if err != nil {
		return o, nil, err
	}
	client, err := kube.NewClient(config, func(text string) { s.Warn("the API server says: %s", text) })
	if err != nil {
		return o, nil, err
	}
	o.Settle(config.Namespace)
	store, err := kube.NewStore(client, w.Program, o.InventoryNamespace, o.Inventory)
	if err != nil {
		return o, nil, stage.Usage(fmt.Errorf("--inventory: %w", err))
	}
	return o, store, nil
}

func (w Words) confirm(ctx context.Context, s *stage.IO, c *cli.Context, load Loader) error {
	if c.NArg() != 1 {
		return stage.Usagef("confirm takes one digest, that of a plan that was held back")
	}
	digest := c.Args().First()
	if err := kube.CheckPlanDigest(digest); err != nil {
		return stage.Usage(err)
	}
	o, store, err := w.open(s, c, load)
	if err == nil {
		err = store.Confirm(ctx, o.Lease(s, store), digest)
	}
	if err == nil {
		s.Infof("the next run that comes to plan %s carries it out", digest)
	}
	return Failure(s, err)
}
