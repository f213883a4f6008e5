package stage

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

// commonFlags are the flags of all six programs. A command has no completion of its own: that of the
// program knows it.
func commonFlags(app *App) []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FORM` to standard output: json (a stream), table (for people) or results (a stream without manifests and images); default json, at a terminal table"},
		&cli.StringFlag{Name: "record", Usage: "keep the whole stream in `FILE` too, with mode 0600; it may hold Secrets"},
		&cli.DurationFlag{Name: "timeout", Value: 10 * time.Minute, Usage: "give up after `DURATION`"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "say more on standard error"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "write standard error as `FORMAT`: text or json"},
		&cli.BoolFlag{Name: "version", Usage: "print the version and exit"},
	}
	if app.program == "" {
		flags = append(flags, &cli.StringFlag{Name: "completion", Usage: "print the completion script for `SHELL` (bash, zsh or fish) and exit"})
	}
	return flags
}

// sideJobs does what is asked for instead of the program's work.
func sideJobs(app *App, env Env, c *cli.Context) (done bool, err error) {
	switch shell := c.String("completion"); {
	case c.Bool("version"):
		_, err = fmt.Fprintf(env.Stdout, "%s %s (stream version %d, %s)\n", app.stage(), env.Version, jsonl.Version, runtime.Version())
		return true, err
	case shell != "":
		script, err := completion(shell, app, c.App.Flags)
		if err != nil {
			return true, err
		}
		_, err = io.WriteString(env.Stdout, script)
		return true, err
	}
	return false, nil
}

// flagsFirst puts flags before arguments, so that both may be typed in any order. What follows
// "--" is left alone.
func flagsFirst(args []string, flags []cli.Flag) ([]string, error) {
	takesValue := map[string]bool{}
	for _, flag := range flags {
		valued, ok := flag.(cli.DocGenerationFlag)
		for _, name := range flag.Names() {
			takesValue[name] = ok && valued.TakesValue()
		}
	}
	var first, rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			rest = append(rest, arg)
			continue
		}
		first = append(first, arg)
		name := strings.TrimLeft(arg, "-")
		if takesValue[name] {
			if i++; i == len(args) {
				return nil, Usagef("flag needs an argument: %s", arg)
			}
			first = append(first, args[i])
		}
	}
	if len(rest) == 0 {
		return first, nil
	}
	return append(append(first, "--"), rest...), nil
}

var (
	undefined = regexp.MustCompile(`^flag provided but not defined: -(.+)$`)
	invalid   = regexp.MustCompile(`^invalid value "(.*)" for flag -([^:]+): (.+)$`)
)

// plainly says what is wrong with a flag as flags are written here, and with an example of a duration.
func plainly(err error) error {
	if m := undefined.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("there is no flag --%s", strings.TrimLeft(m[1], "-"))
	}
	m := invalid.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	if m[3] == "parse error" {
		m[3] = "that is not the kind of value it takes, see --help; a duration is written 90s, 10m or 24h"
	}
	return fmt.Errorf("--%s %s: %s", m[2], m[1], m[3])
}

// noEmptyValues refuses a flag that was given an empty value: most likely a variable that is not
// set, where doing without the flag would do more than was meant.
func noEmptyValues(c *cli.Context, flags []cli.Flag) error {
	for _, flag := range flags {
		name := flag.Names()[0]
		if !c.IsSet(name) {
			continue
		}
		var empty bool
		switch flag.(type) {
		case *cli.StringFlag:
			empty = c.String(name) == ""
		case *cli.StringSliceFlag:
			empty = slices.Contains(c.StringSlice(name), "")
		}
		if empty {
			return Usagef("--%s is given an empty value", name)
		}
	}
	return nil
}

// noArguments refuses an argument. Where the program has commands it was meant for one.
func noArguments(app *App, argument string) error {
	err := Usagef("%s takes no arguments: %q", app.typed(), argument)
	if len(app.Commands) == 0 {
		return err
	}
	var names []string
	for _, command := range app.Commands {
		names = append(names, app.Name+" "+command.Name)
	}
	return WithHint(err, "a command comes before all flags: "+strings.Join(names, ", "))
}

func usageText(app *App) string {
	text := app.typed() + " [flags]"
	if app.ArgsUsage != "" {
		text += " " + app.ArgsUsage
	}
	if app.Reads {
		text = "… | " + text
	}
	return text
}

// helpTemplate is the page of --help. The library's own list of commands stays empty: commands are
// resolved before it sees the arguments.
func helpTemplate(app *App) string {
	if len(app.Commands) == 0 {
		return helpHead + helpTail
	}
	commands := "COMMANDS\n"
	for _, command := range app.Commands {
		commands += fmt.Sprintf("   %-10s %s\n", command.Name, command.Usage)
	}
	return helpHead + commands + "   " + app.Name + " COMMAND --help tells of each\n\n" + helpTail
}

const helpHead = `{{.Name}} - {{.Usage}}

USAGE
   {{.UsageText}}

{{.Description}}

`

const helpTail = `FLAGS{{range .VisibleFlags}}
   {{.}}{{end}}

EXIT CODES
   0  done            3  changes (--exit-code)        5  partly done
   1  failed          4  refused or held back         7  another run holds the lock
   2  wrong use          for safety                   128+n  ended by signal n
`
