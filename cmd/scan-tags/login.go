package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/registry"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// loginFlags are those about logins and certificates.
var loginFlags = []cli.Flag{
	&cli.StringFlag{Name: "docker-config", Usage: "log in as the docker config.json in `FILE` says; default that in $DOCKER_CONFIG or ~/.docker"},
	&cli.BoolFlag{Name: "pull-secrets", Usage: "log in with the pull secrets of each workload and of its service account, read from the cluster"},
	&cli.StringFlag{Name: "kubeconfig", Usage: "with --pull-secrets: read the kubeconfig `FILE`; default as kubectl"},
	&cli.StringFlag{Name: "context", Usage: "with --pull-secrets: use this `CONTEXT` of the kubeconfig"},
	&cli.StringSliceFlag{Name: "token-host", Usage: "let the token service on `HOST`[:port] have the credentials of registries outside its domain; may be repeated"},
	&cli.StringSliceFlag{Name: "ecr-region", Usage: "of Amazon's registries, scan those of `REGION` only; may be repeated"},
	&cli.StringSliceFlag{Name: "ecr-include-id", Usage: "of Amazon's registries, scan those of the account `ID` only; may be repeated"},
	&cli.StringSliceFlag{Name: "ecr-exclude-id", Value: cli.NewStringSlice(registry.SystemAccounts...), Usage: "never scan registries of Amazon's account `ID`; may be repeated"},
	&cli.StringFlag{Name: "ca-file", Usage: "trust the authorities in the PEM `FILE` too"},
	&cli.StringFlag{Name: "client-cert", Usage: "show the certificate in the PEM `FILE` to registries that ask for one; with --client-key"},
	&cli.StringFlag{Name: "client-key", Usage: "the key of --client-cert, in the PEM `FILE`"},
}

// readLogin puts what those flags say into the options.
func readLogin(s *stage.IO, c *cli.Context, o *registry.Options) (*registry.ECR, error) {
	var err error
	if o.Credentials, err = dockerConfig(s, c.String("docker-config")); err != nil {
		return nil, err
	}
	if (c.String("client-cert") == "") != (c.String("client-key") == "") {
		return nil, stage.Usagef("--client-cert and --client-key need each other")
	}
	if o.TLS, err = registry.LoadTLS(c.String("ca-file"), c.String("client-cert"), c.String("client-key")); err != nil {
		return nil, stage.WithHint(err, "--ca-file, --client-cert and --client-key want PEM files")
	}
	for _, name := range []string{"kubeconfig", "context"} {
		if c.IsSet(name) && !c.Bool("pull-secrets") {
			return nil, stage.Usagef("--%s says where pull secrets are read from; it needs --pull-secrets", name)
		}
	}
	ecr, err := readECR(c)
	o.Keychains = []registry.Keychain{ecr, &registry.Google{}}
	return ecr, err
}

// dockerConfig reads the file that was named, or the usual one. Only the former must be there.
func dockerConfig(s *stage.IO, file string) (registry.Credentials, error) {
	if file != "" {
		credentials, err := registry.ReadDockerConfig(file)
		if err != nil {
			err = stage.WithHint(err, "--docker-config wants a file as docker login writes it")
		}
		return credentials, err
	}
	dir := s.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return registry.Credentials{}, nil
		}
		dir = filepath.Join(home, ".docker")
	}
	credentials, err := registry.ReadDockerConfig(filepath.Join(dir, "config.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Warn("%v; it is left out", err)
	}
	return credentials, nil
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func readECR(c *cli.Context) (*registry.ECR, error) {
	ecr := &registry.ECR{Regions: c.StringSlice("ecr-region"), Accounts: c.StringSlice("ecr-include-id"), Not: c.StringSlice("ecr-exclude-id")}
	for _, id := range slices.Concat(ecr.Accounts, ecr.Not) {
		if !accountID.MatchString(id) {
			return nil, stage.Usage(fmt.Errorf("an account ID of Amazon's has 12 digits: %q", id))
		}
	}
	return ecr, nil
}
