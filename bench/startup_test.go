// Package bench measures the programs beside the tools that a user would pick instead.
package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// programs are built by make build.
var programs = []string{"git-fetch", "scan-tags", "pick-tag", "bump-yaml", "kapply", "helm-reconcile"}

// BenchmarkStartup starts each program 20 times, and the git program beside them: milliseconds
// (the median), resident megabytes (the largest), megabytes on disk.
func BenchmarkStartup(b *testing.B) {
	for _, name := range programs {
		b.Run(name, func(b *testing.B) { startup(b, filepath.Join("..", "bin", name), "--version") })
	}
	if git, err := exec.LookPath("git"); err == nil {
		b.Run("peer=git", func(b *testing.B) { startup(b, git, "--version") })
	}
}

func startup(b *testing.B, program, arg string) {
	info, err := os.Stat(program)
	if err != nil {
		b.Fatalf("%v: run make build first", err)
	}
	const runs = 20
	var times []time.Duration
	var resident int64
	for range b.N {
		for range runs {
			command := exec.Command(program, arg)
			began := time.Now()
			if err := command.Run(); err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(began))
			if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
				resident = max(resident, usage.Maxrss)
			}
		}
	}
	b.ReportMetric(float64(median(times).Microseconds())/1000, "ms/start")
	b.ReportMetric(float64(resident)/1024, "MB-resident")
	b.ReportMetric(float64(info.Size())/1e6, "MB-on-disk")
	b.ReportMetric(0, "ns/op")
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
