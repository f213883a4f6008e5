package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/stage"
)

const manual = `Reads a stream and writes one image record for each container image of each manifest: where it
stands, its policy, and, where the workload is automated, the tags that its registry holds.

   git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml

What is there to choose from:

   git-fetch https://git.example/team/config.git | scan-tags --output table

A repository is asked once. Creation times are read only for policies that go by them (glob, regexp),
only of the tags that match, and not again of images that the cache knows. A registry that fails makes
its images not whole, which pick-tag leaves as they are; the others go on.`

var app = &stage.App{
	Name:   "scan-tags",
	Usage:  "find the container images of manifests, and the tags in their registries",
	Manual: manual,
	Reads:  true,
	Run:    run,
	Flags: append([]cli.Flag{
		&cli.BoolFlag{Name: "all", Usage: "scan the images of all workloads but ignored ones, locked or not, asked for or not"},
		&cli.StringSliceFlag{Name: "include", Usage: "scan only repositories that match `GLOB`, such as index.docker.io/library/*; may be repeated"},
		&cli.StringSliceFlag{Name: "exclude", Usage: "do not scan repositories that match `GLOB`, whatever --include says; may be repeated"},
		&cli.DurationFlag{Name: "min-age", DefaultText: "none", Usage: "let nothing be chosen that is younger than `DURATION`, such as 24h; the annotation sluice.dev/min-age overrides it"},
		&cli.StringSliceFlag{Name: "use-labels", Value: cli.NewStringSlice("index.docker.io/weaveworks/*", "index.docker.io/fluxcd/*"),
			Usage: "take creation times from the labels of images in repositories that match `GLOB`; may be repeated"},
		&cli.StringFlag{Name: "cache", Usage: "keep what images are in `DIR`, at memcached://HOST:PORT, or not at all: off; default sluice/registry in the cache folder"},
		&cli.Float64Flag{Name: "rps", Value: 200, Usage: "ask each host at most `N` times a second"},
		&cli.IntFlag{Name: "burst", Value: 125, Usage: "ask each host up to `N` times at once before --rps counts"},
		&cli.StringSliceFlag{Name: "insecure-host", Usage: "speak plain http, or TLS with any certificate, to `HOST`[:port]; may be repeated"},
		&cli.StringFlag{Name: "platform", Value: "linux/amd64", Usage: "of an image for several platforms, take the creation time of `OS/ARCH[/VARIANT]`"},
		&cli.DurationFlag{Name: "request-timeout", Value: 30 * time.Second, Usage: "give a request up after `DURATION`"},
	}, loginFlags...),
}

func main() { stage.Main(app) }
