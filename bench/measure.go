package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// contender is one way to do a job: a command, which is run in each round.
type contender struct {
	name string
	// ours is a program of this project. The first of a job is what the peers' ratios are about.
	ours bool
	// command is the program and its arguments; round counts from 0.
	command func(round int) []string
	// stdin is a file, dir the working folder, env what the environment has besides the usual; all
	// may be empty.
	stdin, dir string
	env        []string
	// prepare runs before each run, check after it with the path of what the command wrote; neither is
	// measured, both may be nil.
	prepare func(ctx context.Context, round int) error
	check   func(round int, out string) (note string, err error)

	// rounds, where not 0, is how many rounds will do: it is slow, and its time is no close matter.
	rounds int
	// atMost is the ratio ours/this that is aimed at; 0 for none.
	atMost float64
	// requests is how many requests to the registry, or the API server, are allowed; negative for any number.
	requests int
	// metadata is how many of them may be for a manifest or a blob; negative for any number.
	metadata int
	// cluster: its requests are those to the API server. writes is how many of them may change something;
	// negative for any number.
	cluster bool
	writes  int
	// peak is the memory allowed, in bytes; 0 for any.
	peak int64
}

// sample is what one run cost.
type sample struct {
	// Wall and CPU are durations; Peak is in bytes, of the largest single process.
	Wall time.Duration `json:"wall"`
	CPU  time.Duration `json:"cpu"`
	Peak int64         `json:"peak"`

	counts counts
	// warmUp marks what does not count.
	warmUp bool
	// note is what check found.
	note string
}

// rounds runs all contenders in turn; the result has the samples of each. Round 0 only warms up, see
// [counted].
func (s *site) rounds(ctx context.Context, contenders []contender) ([][]sample, error) {
	all := make([][]sample, len(contenders))
	for round := range s.o.rounds + 1 {
		for i, c := range contenders {
			if c.rounds > 0 && (round == 0 || round > c.rounds) {
				continue
			}
			got, err := s.once(ctx, c, round)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", c.name, round, err)
			}
			got.warmUp = round == 0
			all[i] = append(all[i], got)
		}
	}
	return all, nil
}

// once runs a contender.
func (s *site) once(ctx context.Context, c contender, round int) (got sample, err error) {
	if c.prepare != nil {
		if err := c.prepare(ctx, round); err != nil {
			return got, fmt.Errorf("preparing: %w", err)
		}
	}
	count, err := s.counter(ctx, c)
	if err != nil {
		return got, err
	}
	out := filepath.Join(s.dir, "out")
	cost := filepath.Join(s.dir, "cost")
	if err := s.run(ctx, c, append([]string{s.tool("meter"), cost}, c.command(round)...), out); err != nil {
		return got, err
	}
	text, err := os.ReadFile(cost)
	if err != nil {
		return got, err
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return got, err
	}
	if got.counts, err = count(); err != nil {
		return got, err
	}
	if c.check != nil {
		got.note, err = c.check(round, out)
	}
	return got, err
}

// counter begins to count the requests of a contender; what it returns says how many there were.
func (s *site) counter(ctx context.Context, c contender) (func() (counts, error), error) {
	if !c.cluster {
		return s.server.counts, s.server.reset()
	}
	mark, err := s.cluster.Mark(ctx)
	return func() (counts, error) { return s.cluster.counts(ctx, mark) }, err
}

// run is a command with its standard output in a file.
func (s *site) run(ctx context.Context, c contender, args []string, out string) error {
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir, command.Env = c.dir, append(s.env(), c.env...)
	if c.stdin != "" {
		in, err := os.Open(c.stdin)
		if err != nil {
			return err
		}
		defer in.Close()
		command.Stdin = in
	}
	stdout, err := os.Create(out)
	if err != nil {
		return err
	}
	var stderr strings.Builder
	command.Stdout, command.Stderr = stdout, &stderr
	err = command.Run()
	if err = errors.Join(err, stdout.Close()); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(args[0]), err, stderr.String())
	}
	return nil
}
