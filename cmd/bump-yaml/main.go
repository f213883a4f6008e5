package main

import (
	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/stage"
)

const manual = `Reads a stream, writes the images of its pick records into the manifests in git, one commit for
each source, and pushes it onto the branch that the source was fetched from. Nothing else in the
files changes. What follows in the pipe gets the manifests as they were committed.

   git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml | kapply

What would change, without changing it:

   git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml --dry-run >/dev/null

The push is compare-and-swap, never forced, and read back. Where the remote has moved, the source
is read anew and the edits are made again. A pick that cannot be applied safely is an error with
file and line; the others go ahead.

For review, on a branch that is reset each time, in place of the deployed branch:

   git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml --push-branch sluice/updates >/dev/null

A --message TEMPLATE knows .Edits (each with .File .Line .ID .Container .Annotation .Old .New), .Images,
.Source, .Branch and .Base. A GLOB of --only matches namespace/kind/name or namespace:kind/name, * being
any text. The passphrase of a signing key may stand in SLUICE_SIGNING_PASSPHRASE.`

var app = &stage.App{
	Name:     "bump-yaml",
	Usage:    "write picked images into the manifests in git, byte for byte",
	Manual:   manual,
	Reads:    true,
	Writes:   true,
	Run:      run,
	Commands: []*stage.App{policyCommand, releaseCommand},
	Flags: append([]cli.Flag{
		&cli.StringFlag{Name: "message", Usage: "write the commit's message after `TEMPLATE`, of Go's text/template"},
		&cli.StringSliceFlag{Name: "only", Usage: "take the picks of the workloads whose namespace/kind/name matches `GLOB` only; may be given several times"},
	}, commitFlags()...),
}

func main() { stage.Main(app) }
