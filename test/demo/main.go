// Command demo shows sluice's main job on a real control plane, registry and git server, all on
// loopback: a configuration repository, a pushed image, a commit, a changed cluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/ground"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the six programs")
	keep := flag.Bool("keep", false, "leave everything running at the end, until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo: error:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, bin string, keep bool) (err error) {
	started := time.Now()
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println("Starting a Kubernetes control plane, a registry and a git server on loopback …")
	g, err := ground.Lay(ctx, ground.Options{Dir: dir, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := g.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := tell(ctx, g, bin); err != nil {
		return err
	}
	fmt.Printf("\nDone in %s.\n", time.Since(started).Round(time.Second))
	if !keep {
		return nil
	}
	lookAround(g, bin)
	<-ctx.Done()
	return nil
}
