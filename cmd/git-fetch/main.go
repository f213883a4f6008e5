package main

import (
	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/stage"
)

const manual = `Fetches git repositories into a local mirror and writes the Kubernetes manifests in them as a
stream. Only what is new is fetched. It reads nothing from standard input.

   git-fetch --path deploy https://git.example/team/config.git | kapply --prune

What is in there, as a table:

   git-fetch https://git.example/team/config.git --output table

A URL is https, http, ssh://user@host/path or user@host:path. A token belongs into --token-file, never
into the URL. Charts (folders with a Chart.yaml) and YAML files that are no manifests are left out.`

var app = &stage.App{
	Name:      "git-fetch",
	Usage:     "read manifests out of git repositories",
	ArgsUsage: "URL...",
	Manual:    manual,
	Run:       run,
	Commands:  []*stage.App{mark},
	Flags: append([]cli.Flag{
		&cli.StringFlag{Name: "branch", Usage: "read `BRANCH`; default the one that the remote's HEAD names"},
		&cli.StringSliceFlag{Name: "path", Usage: "read the folder or file `PATH` only; may be repeated"},
		&cli.StringFlag{Name: "name", Usage: "call the source `NAME`; default the last element of the URL without .git"},
		&cli.StringFlag{Name: "sources", Usage: "read URLs, names, branches, paths and credentials from the YAML `FILE`"},
		&cli.StringFlag{Name: "mirror", Usage: "keep the mirrors in `DIR`; default sluice/git in the cache folder"},
	}, loginFlags()...),
}

// loginFlags say how to log in to a git server.
func loginFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "ssh-key", Usage: "log in with the private key in `FILE`; default the ssh agent"},
		&cli.StringFlag{Name: "known-hosts", Usage: "trust the ssh host keys in `FILE`; default ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts"},
		&cli.StringFlag{Name: "token-file", Usage: "log in to https with the token in `FILE`"},
	}
}

func loginOptions(c *cli.Context) gitrepo.Auth {
	return gitrepo.Auth{SSHKey: c.String("ssh-key"), KnownHosts: c.String("known-hosts"), TokenFile: c.String("token-file")}
}

func main() { stage.Main(app) }
