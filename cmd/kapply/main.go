package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

const manual = `Reads a stream, applies its manifests to a cluster, and with --prune deletes what it applied
before and is no longer in a whole source. Where nothing differs it writes nothing.

   git-fetch https://git.example/team/config.git | kapply --prune --wait

What would change, without changing it:

   git-fetch https://git.example/team/config.git | kapply --prune --dry-run --output table

The cluster is the one that kubectl would take: KUBECONFIG, ~/.kube/config, or, in a pod, the one
around it.`

// newApp is the program on the clusters that load finds.
func newApp(load func(kube.Target, string) (*kube.Config, error)) *stage.App {
	return &stage.App{
		Name:   "kapply",
		Usage:  "make a cluster match the manifests of a stream",
		Manual: manual,
		Reads:  true,
		Writes: true,
		Run:    func(ctx context.Context, s *stage.IO, c *cli.Context) error { return run(ctx, s, c, load) },
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "prune", Usage: "delete what was applied before and is gone from a whole source"},
			&cli.BoolFlag{Name: "dry-run", Usage: "ask the API server what would happen, and change nothing"},
			&cli.BoolFlag{Name: "exit-code", Usage: "with --dry-run: exit with 3 where there are changes"},
			&cli.BoolFlag{Name: "wait", Usage: "wait until the objects are ready; --timeout limits it"},
			&cli.StringFlag{Name: "inventory", Value: "default", Usage: "remember what was applied under `NAME`"},
			&cli.StringFlag{Name: "inventory-namespace", Usage: "keep the inventory in `NAMESPACE`; default the context's"},
			&cli.StringSliceFlag{Name: "skip", Usage: "leave objects of `KIND.group` alone; may be repeated"},
			&cli.StringFlag{Name: "default-namespace", Usage: "put objects that name no namespace into `NAMESPACE`; default the context's"},
			&cli.BoolFlag{Name: "assume-whole", Usage: "with --prune: take what is here of each source for all of it"},
			&cli.BoolFlag{Name: "allow-fewer", Usage: "with --prune: delete also where the same commit brought more objects before"},
			&cli.BoolFlag{Name: "replay", Usage: "apply a recorded stream although a later one has been applied"},
			&cli.StringSliceFlag{Name: "drop-source", Usage: "with --prune: delete all that was applied of the source `NAME`; may be repeated"},
			&cli.IntFlag{Name: "concurrency", Value: 16, Usage: "send at most `N` requests at a time"},
			&cli.StringFlag{Name: "kubeconfig", Usage: "read the kubeconfig `FILE`; default as kubectl"},
			&cli.StringFlag{Name: "context", Usage: "use this `CONTEXT` of the kubeconfig"},
		},
	}
}

var app = newApp(kube.Load)

func main() { stage.Main(app) }
