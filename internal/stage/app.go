// Package stage is what the six mains share: streams, flags, signals, exit codes, the voice on
// stderr, tables. It knows records, but nothing of what the stages are about.
package stage

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
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
	// Alone says whether the flags ask for a run that reads no stream, though it writes one; nil when the
	// program has no such flag.
	Alone func(c *cli.Context) bool
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
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return Usage(plainly(err)) },
		ExitErrHandler: func(*cli.Context, error) {},
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
