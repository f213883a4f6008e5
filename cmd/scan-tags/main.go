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
and only of the tags that match. A registry that fails makes its images not whole, which pick-tag
leaves as they are; the others go on.`

var app = &stage.App{
	Name:   "scan-tags",
	Usage:  "find the container images of manifests, and the tags in their registries",
	Manual: manual,
	Reads:  true,
	Run:    run,
	Flags: []cli.Flag{
		&cli.Float64Flag{Name: "rps", Value: 200, Usage: "ask each host at most `N` times a second"},
		&cli.IntFlag{Name: "burst", Value: 125, Usage: "ask each host up to `N` times at once before --rps counts"},
		&cli.StringSliceFlag{Name: "insecure-host", Usage: "speak plain http, or TLS with any certificate, to `HOST`[:port]; may be repeated"},
		&cli.StringFlag{Name: "docker-config", Usage: "log in as the docker config.json in `FILE` says; default anonymously"},
		&cli.StringSliceFlag{Name: "token-host", Usage: "let the token service on `HOST`[:port] have the credentials of registries outside its domain; may be repeated"},
		&cli.StringFlag{Name: "platform", Value: "linux/amd64", Usage: "of an image for several platforms, take the creation time of `OS/ARCH[/VARIANT]`"},
		&cli.DurationFlag{Name: "request-timeout", Value: 30 * time.Second, Usage: "give a request up after `DURATION`"},
	},
}

func main() { stage.Main(app) }
