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
file and line; the others go ahead.`

var app = &stage.App{
	Name:   "bump-yaml",
	Usage:  "write picked images into the manifests in git, byte for byte",
	Manual: manual,
	Reads:  true,
	Writes: true,
	Run:    run,
	Flags: []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "commit and push nothing; show the edits as a diff on standard error"},
		&cli.BoolFlag{Name: "exit-code", Usage: "with --dry-run: exit with 3 where there are edits"},
		&cli.StringFlag{Name: "user", Value: "sluice", Usage: "commit as `NAME`"},
		&cli.StringFlag{Name: "email", Value: "sluice@localhost", Usage: "commit with this `ADDRESS`"},
		&cli.StringFlag{Name: "ssh-key", Usage: "log in with the private key in `FILE`; default the ssh agent"},
		&cli.StringFlag{Name: "known-hosts", Usage: "trust the ssh host keys in `FILE`; default ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts"},
		&cli.StringFlag{Name: "token-file", Usage: "log in to https with the token in `FILE`"},
	},
}

func main() { stage.Main(app) }
