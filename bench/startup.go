package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// layStartup measures what it costs to start each program, and its size; git is there to compare.
func layStartup(_ context.Context, s *site) (job, error) {
	j := job{apart: true, title: "20 starts one after another of --version, MB on disk"}
	programs := []string{"git-fetch", "scan-tags", "pick-tag", "bump-yaml", "kapply", "helm-reconcile"}
	paths := make([]string, 0, len(programs)+1)
	for _, name := range programs {
		paths = append(paths, s.program(name))
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return j, err
	}
	for i, path := range append(paths, git) {
		info, err := os.Stat(path)
		if err != nil {
			return j, err
		}
		c := contender{name: info.Name(), ours: i < len(programs)}
		if c.ours {
			c.peak = peakAllowed
		}
		c.command = func(int) []string {
			return []string{"sh", "-c", "i=0; while [ $i -lt 20 ]; do " + path + " --version; i=$((i+1)); done"}
		}
		c.check = func(int, string) (string, error) { return fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), nil }
		j.contenders = append(j.contenders, c)
	}
	return j, nil
}
