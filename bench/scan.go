package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// peakAllowed is the memory that none of ours may need more of.
const peakAllowed = 100e6

// newYear is when the oldest image is from; the others follow by the minute.
var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// layLists is the tag lists of 50 repositories with 200 tags each, for a semver policy.
func layLists(ctx context.Context, s *site) (job, error) {
	const repositories, tags = 50, 200
	names := make([]string, repositories)
	images := make([]push, repositories)
	files := map[string]string{}
	for r := range repositories {
		names[r] = fmt.Sprintf("%s/team/app-%d", s.server.Registry, r)
		images[r] = push{fmt.Sprintf("team/app-%d", r), newYear, numbered("1.%d.0", tags)}
		files[fmt.Sprintf("app-%d.yaml", r)] = workload(fmt.Sprintf("app-%d", r), names[r]+":1.0.0", "semver:*")
	}
	stream, err := s.stream(ctx, files)
	if err = errors.Join(err, s.server.push(images...)); err != nil {
		return job{}, err
	}
	all := strings.Join(names, " ")
	return job{
		title: fmt.Sprintf("the tags of %d repositories with %d each, under a semver policy", repositories, tags),
		contenders: []contender{
			{ours: true, name: "scan-tags", stdin: stream, requests: 2 * repositories, metadata: 0, peak: peakAllowed,
				command: func(int) []string { return s.scan() },
				prepare: s.freshHome, check: tagged(repositories * tags)},
			{name: "crane ls, one after another", requests: -1, metadata: -1, atMost: 1,
				command: func(int) []string { return shell("for r in " + all + "; do crane ls $r || exit 1; done") },
				check:   lines(repositories * tags)},
			{name: "crane ls, xargs -P 8", requests: -1, metadata: -1, atMost: 1,
				command: func(int) []string { return shell("printf '%s\\n' " + all + " | xargs -n 1 -P 8 crane ls") },
				check:   lines(repositories * tags)},
		},
	}, nil
}

func layTimes(ctx context.Context, s *site) (job, error) {
	return times(ctx, s, s.server.Registry, "")
}

func layFarTimes(ctx context.Context, s *site) (job, error) {
	return times(ctx, s, s.server.Far, fmt.Sprintf(", %s away", roundTrip))
}

// times is the creation times of the 200 tags of one repository, each another image.
func times(ctx context.Context, s *site, host, where string) (job, error) {
	const tags = 200
	repository := host + "/team/app"
	stream, err := s.stream(ctx, map[string]string{"app.yaml": workload("app", repository+":dev-0", "glob:dev-*")})
	if err = errors.Join(err, s.server.push(aged("team/app", numbered("dev-%d", tags))...)); err != nil {
		return job{}, err
	}
	all := strings.Join(numbered("dev-%d", tags), " ")
	scan := func(int) []string { return s.scan(unlimited...) }
	each := func(name, script string, rounds int) contender {
		return contender{name: name, requests: -1, metadata: -1, rounds: rounds, command: func(int) []string { return shell(script) }}
	}
	one := 3
	if where != "" {
		one = 1
	}
	bare := contender{name: "bare client, 16 connections", requests: -1, metadata: -1, atMost: 1.2, check: lines(tags),
		command: func(int) []string { return []string{s.tool("bareclient"), "16", "http://" + host, "team/app"} }}
	return job{
		title: fmt.Sprintf("the creation times of the %d tags of a repository%s", tags, where),
		contenders: []contender{
			{ours: true, name: "scan-tags, cold", stdin: stream, requests: 2*tags + 2, metadata: 2 * tags, peak: peakAllowed,
				command: scan, prepare: s.freshHome, check: dated(tags)},
			each("crane config, one after another", "for t in "+all+"; do crane config "+repository+":$t || exit 1; done", one),
			each("crane config, xargs -P 8", "printf '"+repository+":%s\\n' "+all+" | xargs -n 1 -P 8 crane config", 3),
			bare,
			{ours: true, name: "scan-tags, warm", stdin: stream, requests: 2, metadata: 0, peak: peakAllowed, command: scan, check: dated(tags)},
		},
	}, nil
}

// layTags is a repository with many tags, of which few match.
func layTags(ctx context.Context, s *site) (job, error) {
	const tags, matching = 10_000, 300
	images := append(aged("team/app", numbered("dev-%d", matching)),
		push{"team/app", newYear, numbered("sha-%07d", tags-matching)})
	stream, err := s.stream(ctx, map[string]string{"app.yaml": workload("app", s.server.Registry+"/team/app:dev-0", "glob:dev-*")})
	if err = errors.Join(err, s.server.push(images...)); err != nil {
		return job{}, err
	}
	return job{
		title: fmt.Sprintf("%d tags of a repository under a glob that %d match", tags, matching),
		contenders: []contender{
			{ours: true, name: "scan-tags", stdin: stream, requests: 2*matching + tags/1000 + 2, metadata: 2 * matching, peak: 60e6,
				command: func(int) []string { return s.scan(unlimited...) },
				prepare: s.freshHome, check: dated(matching)},
			{name: "crane ls (without times)", requests: -1, metadata: -1, check: lines(tags),
				command: func(int) []string { return shell("crane ls " + s.server.Registry + "/team/app") }},
		},
	}, nil
}

// freshHome takes the home folder, and all caches with it, away.
func (s *site) freshHome(context.Context, int) error {
	return os.RemoveAll(filepath.Join(s.dir, "home"))
}

// unlimited takes the limit of the rate away: the others have none.
var unlimited = []string{"--rps", "1000000", "--burst", "1000"}

func (s *site) scan(flags ...string) []string {
	return append([]string{s.program("scan-tags"), "--insecure-host", s.server.Registry, "--insecure-host", s.server.Far}, flags...)
}

func shell(script string) []string { return []string{"sh", "-c", script} }

// numbered are n names, from 0.
func numbered(format string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(format, i)
	}
	return names
}

// aged is an image for each tag, a minute younger than the one before.
func aged(repository string, tags []string) []push {
	images := make([]push, len(tags))
	for i, tag := range tags {
		images[i] = push{repository, newYear.Add(time.Duration(i) * time.Minute), []string{tag}}
	}
	return images
}

// lines checks how many lines were written.
func lines(want int) func(int, string) (string, error) {
	return func(_ int, out string) (string, error) {
		return "", occurs(out, "\n", want)
	}
}

// tagged checks how many tags the image records have, dated how many of them a creation time.
func tagged(want int) func(int, string) (string, error) {
	return func(_ int, out string) (string, error) { return "", occurs(out, `{"name":"1.`, want) }
}

func dated(want int) func(int, string) (string, error) {
	return func(_ int, out string) (string, error) { return "", occurs(out, `"created":"`, want) }
}

func occurs(file, what string, want int) error {
	text, err := os.ReadFile(file)
	if got := strings.Count(string(text), what); err == nil && got != want {
		return fmt.Errorf("the output has %q %d times, not %d", what, got, want)
	}
	return err
}
