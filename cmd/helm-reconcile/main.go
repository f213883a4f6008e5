package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

const manual = `Reads a stream, installs and upgrades the Helm releases that its HelmRelease objects ask for, and with
--prune uninstalls those whose HelmRelease is gone from a whole source. Where nothing differs it
writes nothing and starts no Helm.

   git-fetch https://git.example/team/config.git | kapply | helm-reconcile --prune

What would change, without changing it:

   git-fetch https://git.example/team/config.git | helm-reconcile --prune --dry-run --output table

Charts come from git, from Helm repositories and from registries (oci://). The cluster is the one that kubectl would take.`

var app = &stage.App{
	Name:   program,
	Usage:  "make Helm releases match the HelmReleases of a stream",
	Manual: manual,
	Reads:  true,
	Writes: true,
	Alone:  fromCluster,
	Run:    run,

	Commands: speech.Commands(kube.Load),
	Flags: append(append(speech.Flags("render and ask the API server, and change nothing"), slices.Concat(chartFlags, clusterFlags, changeFlags)...),
		&cli.BoolFlag{Name: "adopt", Usage: "take over releases of the same name that somebody made by hand"},
		&cli.BoolFlag{Name: "retry-failed", Usage: "try once more what failed with the same chart and values"},
		&cli.BoolFlag{Name: "events", Value: true, Usage: "write Kubernetes Events about HelmReleases that the cluster holds; --events=false writes none"},
		&cli.IntFlag{Name: "workers", Value: 4, Usage: "work on at most `N` releases at a time"},
		&cli.StringFlag{Name: "mirror", Usage: "keep mirrors of chart repositories in `DIR`; default sluice/git in the user's cache folder"},
		&cli.StringFlag{Name: "ssh-key", Usage: "log in to git with the private key in `FILE`; default the ssh agent"},
		&cli.StringFlag{Name: "known-hosts", Usage: "trust the ssh host keys in `FILE`; default ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts"},
		&cli.StringFlag{Name: "token-file", Usage: "log in to git over https with the token in `FILE`"},
		&cli.StringSliceFlag{Name: "chart-host", Usage: "offer key and token to the git server `HOST` too, besides those of the sources; may be repeated"},
		&cli.StringSliceFlag{Name: "allow-values-url", Usage: "take the values of externalSourceRef from what is at or below `URL`; may be repeated"},
		&cli.StringSliceFlag{Name: "insecure-host", Usage: "fetch charts and values from `HOST`[:port] without TLS; may be repeated"},
	),
}

func main() { stage.Main(app) }
