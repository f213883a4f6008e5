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

A run that would delete more than --max-prune allows deletes nothing, and prints the digest of its plan:

   kapply confirm 0123456789abcdef0123

The cluster is the one that kubectl would take: KUBECONFIG, ~/.kube/config, or, in a pod, the one
around it.`

// newApp is the program on the clusters that load finds.
func newApp(load func(kube.Target, string) (*kube.Config, error)) *stage.App {
	return &stage.App{
		Name:     "kapply",
		Usage:    "make a cluster match the manifests of a stream",
		Manual:   manual,
		Reads:    true,
		Writes:   true,
		Run:      func(ctx context.Context, s *stage.IO, c *cli.Context) error { return run(ctx, s, c, load) },
		Commands: words.Commands(load),
		Flags: append(words.Flags("ask the API server what would happen, and change nothing"),
			&cli.BoolFlag{Name: "wait", Usage: "wait until the objects are ready, --timeout limits it; without effect under --dry-run"},
			&cli.StringSliceFlag{Name: "prune-kinds", Usage: "with --prune: delete objects of `KIND.group` too; Namespaces, CustomResourceDefinitions, PersistentVolumes and PersistentVolumeClaims are kept unless named; may be repeated"},
			&cli.StringFlag{Name: "cascade", Value: "background", Usage: "with --prune: delete what an object owns after it (background), or before it (foreground)"},
			&cli.StringSliceFlag{Name: "allow-namespace", Usage: "apply and delete nothing outside of `NAMESPACE`, and nothing cluster-scoped but that Namespace itself; may be repeated"},
			&cli.StringSliceFlag{Name: "skip", Usage: "leave objects of `KIND.group` alone; may be repeated"},
			&cli.StringSliceFlag{Name: "force-conflicts", Usage: "take fields from the field manager `NAME` where they conflict with git; all stands for everybody; may be repeated"},
			&cli.StringFlag{Name: "verify", Value: "digests", Usage: "know what is unchanged by `HOW`: digests, from one listing of each kind, or dry-run, the API server's word on every object"},
			&cli.BoolFlag{Name: "diff", Usage: "show on standard error what changes of each object; without the values of Secrets"},
			&cli.BoolFlag{Name: "events", Value: true, Usage: "write Kubernetes Events, about objects that fail and on the inventory about a run that changed something; default yes, --events=false writes none"},
			&cli.IntFlag{Name: "concurrency", Value: 16, Usage: "send at most `N` requests at a time"},
		),
	}
}

var app = newApp(kube.Load)

func main() { stage.Main(app) }
