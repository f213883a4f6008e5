package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

// run is the program after its flags were read. An error means that it never began.
func run(ctx context.Context, app *App, env Env, say *voice, c *cli.Context) (int, error) {
	if done, err := sideJobs(app, env, c); done || err != nil {
		return CodeDone, err
	}
	if err := noEmptyValues(c, c.App.Flags); err != nil {
		return 0, err
	}
	if app.ArgsUsage == "" && c.Args().Present() {
		return 0, noArguments(app, c.Args().First())
	}
	if err := setFormat(say, c.String("log-format")); err != nil {
		return 0, err
	}
	limit := c.Duration("timeout")
	if limit <= 0 {
		return 0, Usagef("--timeout is a duration above zero, not %s", limit)
	}
	form := c.String("output")
	if form == "" {
		form = map[bool]string{true: "table", false: "json"}[env.StdoutTerminal]
	}
	plain := app.Plain != nil && app.Plain(c)
	reads := app.Reads && !plain && (app.Alone == nil || !app.Alone(c))
	if reads && env.StdinTerminal {
		return 0, WithHint(Usagef("standard input is a terminal, a stream is expected"), "pipe a stream into it: git-fetch … | "+app.typed())
	}
	out, err := newOutput(env.Stdout, form, c.String("record"))
	if err != nil {
		return 0, err
	}
	out.mute = plain
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeoutError{limit})
	defer cancel()
	env.Stdin = interruptible(ctx, env.Stdin, grace(app)/2)
	s := &IO{name: app.stage(), env: env, out: out, voice: say, counts: map[string]jsonl.Count{}, totals: map[string]int{}}
	if reads {
		s.in, s.reading = jsonl.NewReader(env.Stdin), true
	}
	return s.execute(ctx, app, c), nil
}

// grace is how long a run whose context ended may take to stop: a writing stage finishes the
// change in hand. It stays below the 30 seconds that Kubernetes gives a pod.
func grace(app *App) time.Duration {
	if app.Writes {
		return 25 * time.Second
	}
	return 2 * time.Second
}

// execute writes begin, runs the stage, and writes end. A library that ignores the context does
// not keep it: the run is given up after the grace.
func (s *IO) execute(ctx context.Context, app *App, c *cli.Context) int {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				result <- fmt.Errorf("internal error: %v\n%s", r, debug.Stack())
			}
		}()
		s.begin()
		result <- app.Run(ctx, s, c)
	}()
	var err error
	select {
	case err = <-result:
	case <-ctx.Done():
		select {
		case err = <-result:
		case <-s.env.Abandon:
			err = context.Cause(ctx)
		case <-time.After(grace(app)):
			err = fmt.Errorf("%w, and the work at hand did not stop", context.Cause(ctx))
		}
	}
	err = ended(ctx, err)
	code := make(chan int, 1)
	go func() { code <- s.finish(err) }()
	select {
	case code := <-code:
		return code
	case <-ctx.Done():
	}
	// The last records may be stuck in a pipe that nobody reads.
	select {
	case code := <-code:
		return code
	case <-time.After(grace(app)):
	}
	return max(describe(ended(ctx, context.Cause(ctx))).Exit, CodeFailed)
}

func (s *IO) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out.mute {
		return
	}
	_ = s.out.own(jsonl.Begin{Stage: s.name, V: jsonl.Version, Version: s.env.Version,
		Started: s.env.Now().UTC(), Run: s.env.Getenv("SLUICE_RUN")})
}

// finish tells how the run ended: on stderr, in the stream, by the exit code.
func (s *IO) finish(err error) int {
	// After a signal every stage of the pipe stops: that the stream is cut is no news then.
	partly := err != nil && describe(err).Exit > 128 || s.upstream()
	if broken := s.OutErr(); broken != nil && errors.Is(err, broken) {
		err = nil // it is said once, below
	}
	if err != nil {
		known := describe(err)
		s.Fail(jsonl.Error{Code: known.Word, Message: err.Error(), Hint: known.Hint})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = false
	_ = s.flush()
	whole := s.out.err() == nil
	if whole && !s.out.mute {
		_ = s.out.own(s.end(err == nil))
	}
	s.closed = true
	broken := s.out.close(whole)
	if broken != nil {
		s.voice.say("error", broken.Error(), "")
	}
	s.voice.mu.Lock()
	s.voice.clear()
	s.voice.mu.Unlock()
	switch {
	case err != nil:
		return describe(err).Exit
	case broken != nil:
		return CodeFailed
	case s.held:
		return CodeRefused
	case s.failures > 0 || partly:
		return CodePartly
	case s.changes:
		return CodeChanges
	}
	return CodeDone
}

// end is the last record. It is complete only when what was read was, and was passed on to its
// end; a stage that reads nothing is, unless it failed outright.
func (s *IO) end(ran bool) jsonl.End {
	e := jsonl.End{Stage: s.name, OK: s.failures == 0, Complete: true, Counts: s.counts, Totals: s.totals, Finished: s.env.Now().UTC()}
	switch {
	case s.in == nil:
		e.Complete = ran || len(s.incomplete) > 0 // the latter are named below
	case s.read:
		// A stage that died upstream left no end to say so: this one says it in its place.
		e.OK = e.OK && s.in.Tally().Truncated() == nil
		e.Complete, e.Incomplete = s.in.Tally().Incomplete()
	default:
		e.Complete = false
	}
	unnamed := !e.Complete && len(e.Incomplete) == 0
	if len(s.incomplete) > 0 && !unnamed {
		e.Complete, e.Incomplete = false, union(e.Incomplete, s.incomplete)
	}
	return e
}

func union(a, b []string) []string {
	seen := map[string]bool{}
	var all []string
	for _, name := range append(append([]string{}, a...), b...) {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

func setFormat(say *voice, format string) error {
	switch format {
	case "text", "json":
		say.json = format == "json"
		return nil
	}
	return Usagef("--log-format is text or json, not %q", format)
}

// interruptible ends a blocked read once the context has ended and some time has passed: a pipe
// whose writer is silent must not make a stage deaf to SIGTERM. Within that time it goes on reading,
// so that what the stages before it still have to say, stopped by the same signal, is not lost.
func interruptible(ctx context.Context, r io.Reader, drain time.Duration) io.Reader {
	pipe, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, r)
		w.CloseWithError(err) // nil is io.EOF
	}()
	context.AfterFunc(ctx, func() {
		time.AfterFunc(drain, func() { w.CloseWithError(ctx.Err()) })
	})
	return pipe
}
