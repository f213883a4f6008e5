// Command bench measures the programs beside the tools that a user would pick instead: whole
// processes, side by side, in one run.
//
//	bench [flags] [NAME...]
//
// A name selects the benchmarks that contain it: edit, lists, times, tags, startup, apply, releases. The rounds of a
// benchmark are interleaved (ours, peer, ours, peer …) after one that does not count; what the table
// shows are medians, and of the ratios ours/peer the median of the rounds. Servers run in a process
// of their own, so that their memory is nobody's. What does not depend on the machine is checked:
// requests, writes, changed lines and peak memory; bench exits 1 where they are off. Times are only shown.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// benchmarks in the order of the table.
var benchmarks = []benchmark{
	{name: "edit", lay: layEdit},
	{name: "lists", lay: layLists},
	{name: "times", lay: layTimes},
	{name: "times-30ms", lay: layFarTimes},
	{name: "tags", lay: layTags},
	{name: "startup", lay: layStartup},
	{name: "apply-cold", lay: layCold(1000, false, 3, aims{floor.name: 1.15}, kapply, kubectlServer, kubectlClient, kapp, flux, floor)},
	{name: "apply-cold-20ms", lay: layCold(1000, true, 1, aims{kubectlServer.name: 0.25}, kapply, kubectlServer, floor)},
	{name: "apply-quiet", lay: layQuiet(1000, false, 60e6, 3, quietAims, kapply, kubectlServer, kubectlClient, kapp, flux, floor)},
	{name: "apply-quiet-20ms", lay: layQuiet(1000, true, 60e6, 1, aims{kapp.name: 0.1, flux.name: 0.05},
		kapply, kubectlServer, kubectlClient, kapp, flux, floor)},
	{name: "apply-changed", lay: layChanged(1000, 1, kapply, kubectlServer, kubectlClient, kapp, flux)},
	{name: "apply-quiet-5000", lay: layQuiet(5000, false, 150e6, 1, nil, kapply, kubectlServer, kapp, flux, floor)},
	{name: "releases-cold", lay: layReleases(50, 3, helmReconcile, helm(1, 0), helm(8, 1.0/3))},
	{name: "releases-quiet", lay: layQuietReleases(50, 3, helmReconcile, helm(1, 0), helm(8, 0.05))},
	{name: "releases-quiet-500", lay: layQuietReleases(500, 0, helmReconcile)},
}

var quietAims = aims{kubectlServer.name: 0.1, kubectlClient.name: 0.2, kapp.name: 0.1, flux.name: 1.0 / 7, floor.name: 2.5}

// benchmark is one job that several contenders do.
type benchmark struct {
	name string
	// lay makes what the job needs below the folder of the site.
	lay func(ctx context.Context, s *site) (job, error)
}

// job is what is measured.
type job struct {
	title string
	// apart: the contenders do not do the same, so there are no ratios.
	apart      bool
	contenders []contender
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench: serve: error:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder of the six programs")
	flag.StringVar(&o.tools, "tools", ".cache/bench", "folder of the peers, meter and bareclient")
	flag.IntVar(&o.rounds, "rounds", 9, "rounds that count")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		stop()
		os.Exit(1)
	}
}

// options are the settings of a run.
type options struct {
	bin, tools string
	rounds     int
}

func run(ctx context.Context, o options, names []string) (err error) {
	for _, name := range names {
		if !slices.ContainsFunc(benchmarks, func(b benchmark) bool { return strings.Contains(b.name, name) }) {
			return fmt.Errorf("no benchmark is called %s", name)
		}
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	if o.tools, err = filepath.Abs(o.tools); err != nil {
		return err
	}
	fmt.Printf("%d processors, %s/%s; medians of %d rounds\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, o.rounds)
	var errs []error
	for _, b := range benchmarks {
		if len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(b.name, n) }) {
			continue
		}
		if err := b.measure(ctx, o); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", b.name, err))
		}
	}
	return errors.Join(errs...)
}

// measure lays one benchmark, runs its contenders in turn, and prints their rows.
func (b benchmark) measure(ctx context.Context, o options) error {
	s, err := newSite(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	j, err := b.lay(ctx, s)
	if err != nil {
		return fmt.Errorf("laying: %w", err)
	}
	samples, err := s.rounds(ctx, j.contenders)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s: %s\n", b.name, j.title)
	return errors.Join(show(os.Stdout, j, samples), verify(j.contenders, samples))
}
