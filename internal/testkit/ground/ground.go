// Package ground is what a whole chain stands on: a control plane, a registry and a git server
// on loopback, and the six programs, for tests, the demo and the conformance run.
package ground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
)

// Ground is a running cluster with a registry and a git server.
type Ground struct {
	Cluster  *kubetest.Cluster
	Registry *registrytest.Registry
	Git      *gitserver.Server
	// Dir holds keys, mirrors and repositories.
	Dir string

	web  *http.Server
	reg  string
	lent bool // the cluster is somebody else's
}

// Options say how a ground is laid.
type Options struct {
	// Dir is a folder that exists; the ground does not remove it.
	Dir string
	// Cluster is one that runs already; nil starts one, which Close stops.
	Cluster *kubetest.Cluster
	// Log is told what takes long.
	Log io.Writer
}

// Lay starts what is missing. The cluster, which takes longest, starts while the rest does.
func Lay(ctx context.Context, o Options) (*Ground, error) {
	g := &Ground{Dir: o.Dir, Cluster: o.Cluster, lent: o.Cluster != nil}
	var clusterErr error
	var starting sync.WaitGroup
	if g.Cluster == nil {
		starting.Go(func() {
			g.Cluster, clusterErr = kubetest.Start(ctx, kubetest.Options{Dir: filepath.Join(o.Dir, "cluster"), Log: o.Log})
		})
	}
	err := errors.Join(g.startRegistry(), g.startGit())
	starting.Wait()
	if err = errors.Join(err, clusterErr); err != nil {
		g.Close()
		return nil, fmt.Errorf("laying the ground: %w", err)
	}
	return g, nil
}

func (g *Ground) startRegistry() error {
	registry, err := registrytest.New()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	g.Registry, g.reg = registry, listener.Addr().String()
	g.web = &http.Server{Handler: registry}
	go g.web.Serve(listener)
	return nil
}

func (g *Ground) startGit() error {
	server, err := gitserver.New(filepath.Join(g.Dir, "git"))
	if err != nil {
		return err
	}
	g.Git = server
	key, text, err := gitserver.NewKey()
	if err != nil {
		return err
	}
	server.Authorized = append(server.Authorized, key.PublicKey())
	if err := errors.Join(server.StartSSH(""), server.StartHTTP("")); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(g.Key(), text, 0o600),
		os.WriteFile(g.KnownHosts(), []byte(server.KnownHosts()+"\n"), 0o600))
}

// Key is the file of an ssh key that the git server lets in.
func (g *Ground) Key() string { return filepath.Join(g.Dir, "deploy-key") }

// KnownHosts is the file with the git server's host key.
func (g *Ground) KnownHosts() string { return filepath.Join(g.Dir, "known_hosts") }

// RegistryHost is the registry's host:port; it speaks plain HTTP.
func (g *Ground) RegistryHost() string { return g.reg }

// Env is what the shipped scripts need to work on this ground, over ssh, with programs from bin.
func (g *Ground) Env(bin string) []string {
	return []string{
		"HOME=" + g.Dir,
		"PATH=" + os.Getenv("PATH"),
		"KUBECONFIG=" + g.Cluster.Kubeconfig,
		"SLUICE_BIN=" + bin,
		"SLUICE_MIRROR=" + filepath.Join(g.Dir, "mirrors"),
		"SLUICE_SSH_KEY=" + g.Key(),
		"SLUICE_KNOWN_HOSTS=" + g.KnownHosts(),
		"SCAN_TAGS_FLAGS=--insecure-host " + g.reg,
		"GIT_CONFIG_NOSYSTEM=1",
	}
}

// Close stops everything that Lay started, but a cluster that was there before.
func (g *Ground) Close() error {
	var errs []error
	if g.web != nil {
		errs = append(errs, g.web.Close())
	}
	if g.Registry != nil {
		g.Registry.Close()
	}
	if g.Git != nil {
		g.Git.Close()
	}
	if g.Cluster != nil && !g.lent {
		errs = append(errs, g.Cluster.Stop())
	}
	return errors.Join(errs...)
}

// Build builds the six programs into a folder, as make build does.
func Build(ctx context.Context, dir string) error {
	command := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags", "-s -w", "-o", dir+string(filepath.Separator), "github.com/sluice-gitops/sluice/cmd/...")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building the programs: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
