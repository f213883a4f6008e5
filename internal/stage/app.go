// Package stage is what the six mains share: streams, flags, signals, exit codes, the voice on
// stderr, tables. It knows records, but nothing of what the stages are about.
package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

// App is one of the six programs.
type App struct {
	Name      string
	Usage     string // one line
	ArgsUsage string // for example "URL..."; empty for a program without arguments
	// Manual is the text of --help under the usage line: what the program does, and a pipe that
	// can be typed as it stands.
	Manual string
	Flags  []cli.Flag
	Reads  bool // it reads a stream on standard input
	Writes bool // it changes git or a cluster, and finishes the change in hand when it is stopped
	// Plain says whether the flags ask for text on standard output in place of a stream; nil when
	// the program has no such flag. Standard input is then no stream either, see [IO.Stdin].
	Plain func(c *cli.Context) bool
	Run   func(ctx context.Context, s *IO, c *cli.Context) error
	// Commands are further jobs of the program, asked for by their name as the first argument. Each
	// has flags of its own; its records and messages carry the program's name.
	Commands []*App

	program string // of a command: the name of its program
}

// resolve gives the app that the arguments ask for, a command or the program itself, and the
// arguments that are left.
func (app *App) resolve(args []string) (*App, []string) {
	for _, command := range app.Commands {
		if len(args) > 0 && args[0] == command.Name {
			chosen := *command
			chosen.program = app.Name
			return &chosen, args[1:]
		}
	}
	return app, args
}

// stage is the name in records and messages.
func (app *App) stage() string {
	if app.program != "" {
		return app.program
	}
	return app.Name
}

// typed is what a person types to run the app.
func (app *App) typed() string {
	if app.program != "" {
		return app.program + " " + app.Name
	}
	return app.Name
}

// Env is what a program finds around it.
type Env struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// These say whether a person is there.
	StdinTerminal, StdoutTerminal, StderrTerminal bool

	Now     func() time.Time
	Getenv  func(string) string
	Version string
	// Abandon, once closed, ends the program without waiting for the change in hand.
	Abandon <-chan struct{}
}

// version is set by the linker; a build without it says what the module system knows.
var version string

// Main runs the program and exits.
func Main(app *App) { MainAt(app, time.Now, buildVersion()) }

// MainAt is Main with a clock and a version, so that golden files stay still.
func MainAt(app *App, now func() time.Time, version string) {
	if chosen, _ := app.resolve(os.Args[1:]); chosen.Writes {
		// A broken pipe must not kill a program that is changing something; the failed write is
		// an error at its end.
		signal.Ignore(syscall.SIGPIPE)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithCancelCause(context.Background())
	abandon := make(chan struct{})
	go func() {
		cancel(signalError{<-signals})
		<-signals
		close(abandon)
	}()
	os.Exit(Exec(ctx, app, Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		StdinTerminal: term.IsTerminal(int(os.Stdin.Fd())), StdoutTerminal: term.IsTerminal(int(os.Stdout.Fd())), StderrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Now: now, Getenv: os.Getenv, Version: version, Abandon: abandon,
	}))
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// Exec runs the program in an environment and gives its exit code.
func Exec(ctx context.Context, app *App, env Env) int {
	app, env.Args = app.resolve(env.Args)
	say := &voice{w: env.Stderr, name: app.stage(), now: env.Now, terminal: env.StderrTerminal}
	code := CodeDone
	command := &cli.App{
		Name: app.typed(), Usage: app.Usage, ArgsUsage: app.ArgsUsage, Description: app.Manual,
		UsageText: usageText(app), CustomAppHelpTemplate: helpTemplate(app),
		Flags: append(append([]cli.Flag{}, app.Flags...), commonFlags(app)...),
		// The library writes usage errors where it writes help: into the stream. It gets no
		// chance: OnUsageError hands them back, and help is only what --help asked for.
		Writer: env.Stdout, ErrWriter: env.Stderr, HideHelpCommand: true, HideVersion: true,
		DisableSliceFlagSeparator: true, // patterns and paths hold commas; such flags are repeated
		OnUsageError:              func(_ *cli.Context, err error, _ bool) error { return Usage(err) },
		ExitErrHandler:            func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			say.verbose = c.Bool("verbose")
			var err error
			code, err = run(ctx, app, env, say, c)
			return err
		},
	}
	for _, flag := range command.Flags {
		if flag, ok := flag.(*cli.BoolFlag); ok {
			flag.DisableDefaultText = true // that a flag is off unless given goes without saying
		}
	}
	args, err := flagsFirst(env.Args, command.Flags)
	if err == nil {
		err = command.RunContext(ctx, append([]string{app.stage()}, args...))
	}
	if err == nil {
		return code
	}
	known := describe(err)
	if known.Hint == "" && known.Exit == CodeUsage {
		known.Hint = app.typed() + " --help shows the flags and an example"
	}
	say.say("error", err.Error(), known.Hint)
	return known.Exit
}

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
	if app.Reads && !plain && env.StdinTerminal {
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
	if app.Reads && !plain {
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
