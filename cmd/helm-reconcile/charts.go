package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/helmrel"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// chartFlags are those about where charts come from, besides the ones for git.
var chartFlags = []cli.Flag{
	&cli.StringFlag{Name: "chart-cache", Usage: "keep charts and indexes in `DIR`; default sluice/charts in the user's cache folder"},
	&cli.StringFlag{Name: "repository-config", Usage: "log in to Helm repositories as Helm's repositories.yaml in `FILE` says, and take its names for aliases"},
	&cli.StringFlag{Name: "docker-config", Usage: "log in to registries as the docker config.json in `FILE` says; default that in $DOCKER_CONFIG or ~/.docker"},
	&cli.StringSliceFlag{Name: "token-host", Usage: "let the token service on `HOST`[:port] have the credentials of registries outside its domain; may be repeated"},
	&cli.StringFlag{Name: "ca-file", Usage: "trust the authorities in the PEM `FILE` too"},
	&cli.StringFlag{Name: "client-cert", Usage: "show the certificate in the PEM `FILE` to repositories and registries that ask for one; with --client-key"},
	&cli.StringFlag{Name: "client-key", Usage: "the key of --client-cert, in the PEM `FILE`"},
	&cli.BoolFlag{Name: "verify", Usage: "take charts of repositories and registries only with a good signature; with --keyring"},
	&cli.StringFlag{Name: "keyring", Usage: "with --verify: the OpenPGP public keys of those who may sign charts, in `FILE`"},
}

// readCharts reads those flags.
func readCharts(s *stage.IO, c *cli.Context) (*helmrel.Sources, error) {
	charts := &helmrel.Sources{TokenHosts: c.StringSlice("token-host")}
	switch {
	case (c.String("client-cert") == "") != (c.String("client-key") == ""):
		return nil, stage.Usagef("--client-cert and --client-key need each other")
	case c.Bool("verify") != (c.String("keyring") != ""):
		return nil, stage.Usagef("--verify and --keyring need each other")
	}
	if err := checkHosts("--token-host", charts.TokenHosts); err != nil {
		return nil, err
	}
	var err error
	if charts.TLS, err = helmrel.LoadTLS(c.String("ca-file"), c.String("client-cert"), c.String("client-key")); err != nil {
		return nil, stage.WithHint(err, "--ca-file, --client-cert and --client-key want PEM files")
	}
	if file := c.String("repository-config"); file != "" {
		if charts.Repositories, err = helmrel.ReadRepositories(file); err != nil {
			return nil, stage.WithHint(err, "--repository-config wants a file as helm repo add writes it")
		}
	}
	if file := c.String("keyring"); file != "" {
		if charts.Keyring, err = helmrel.ReadKeyring(file, s.Now); err != nil {
			return nil, stage.WithHint(err, "--keyring wants public keys as gpg --export writes them")
		}
	}
	if charts.Logins, err = dockerConfig(s, c.String("docker-config")); err != nil {
		return nil, err
	}
	charts.Cache, err = chartCache(s, c.String("chart-cache"))
	return charts, err
}

// dockerConfig reads the file that was named, or the usual one. Only the former must be there.
func dockerConfig(s *stage.IO, file string) (helmrel.Logins, error) {
	if file != "" {
		logins, err := helmrel.ReadDockerConfig(file)
		if err != nil {
			err = stage.WithHint(err, "--docker-config wants a file as docker login writes it")
		}
		return logins, err
	}
	dir := s.Getenv("DOCKER_CONFIG")
	if dir == "" && s.Getenv("HOME") != "" {
		dir = filepath.Join(s.Getenv("HOME"), ".docker")
	}
	if dir == "" {
		return nil, nil
	}
	logins, err := helmrel.ReadDockerConfig(filepath.Join(dir, "config.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		s.Warn("%v; it is left out", err)
	}
	return logins, nil
}

// chartCache opens the folder that was named, or the usual one. Only without the former it is an error.
func chartCache(s *stage.IO, dir string) (*helmrel.Cache, error) {
	if dir != "" {
		cache, err := helmrel.OpenCache(dir)
		if err != nil {
			err = stage.WithHint(err, "a cache belongs to one user; name a folder of its own with --chart-cache DIR")
		}
		return cache, err
	}
	base := s.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) {
		if s.Getenv("HOME") == "" {
			return nil, nil
		}
		base = filepath.Join(s.Getenv("HOME"), ".cache")
	}
	cache, err := helmrel.OpenCache(filepath.Join(base, "sluice", "charts"))
	if err != nil {
		s.Warn("%v; charts are fetched anew each time, unless --chart-cache names another folder", err)
		return nil, nil
	}
	return cache, nil
}
