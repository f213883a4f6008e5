package main

import (
	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/stage"
)

const manual = `Reads a stream and writes one pick for each image: the tag that it should have by its policy, and
why. It never goes down in the policy's order, and never chooses from a list that is not whole.

   git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml

Policies are annotations of the workload, fluxcd.io/tag.CONTAINER: glob:dev-* and regexp:^v\d+$ take
the newest image by its creation time, semver:~1.2 the highest version, alphabetical: and numerical:
an expression such as ^build-([0-9]+)- the tag that is last by what its group captures.

Why it chose as it did, tag by tag:

   git-fetch https://git.example/team/config.git | scan-tags | pick-tag --explain --output table

Alone it chooses from tags on standard input, one a line:

   printf '%s\n' 1.2.0 1.2.9 1.10.0 | pick-tag --lines --policy 'semver:~1.2'`

var app = &stage.App{
	Name:   "pick-tag",
	Usage:  "decide which tag each container image should have",
	Manual: manual,
	Reads:  true,
	Plain:  func(c *cli.Context) bool { return c.Bool("lines") },
	Run:    run,
	Flags: []cli.Flag{
		&cli.BoolFlag{Name: "allow-downgrade", Usage: "take the best match even where it stands below the current tag"},
		&cli.BoolFlag{Name: "explain", Usage: "say of each tag what became of it"},
		&cli.DurationFlag{Name: "min-age", DefaultText: "any age", Usage: "take nothing younger than `DURATION`, such as 24h, where the stream says nothing of an age"},
		&cli.BoolFlag{Name: "strict-semver", Usage: "versions are MAJOR.MINOR.PATCH: no dates, no bare numbers"},
		&cli.BoolFlag{Name: "lines", Usage: "read tags, one a line, not a stream; write the chosen one"},
		&cli.StringFlag{Name: "policy", Usage: "with --lines: choose by `POLICY`"},
		&cli.StringFlag{Name: "current", Usage: "with --lines: `TAG` is in use"},
	},
}

func main() { stage.Main(app) }
