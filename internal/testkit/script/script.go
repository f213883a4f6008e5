// Package script runs a command's txtar scripts: a test is a page that can be read aloud.
//
// Besides testscript's own commands a script has
//
//	stamp FILE           read FILE as a stream, strictly; fails where a record does not fit its type
//	exits CODE CMD ARGS  exec, and fail unless it ends with this exit code
//	exec gojq ARGS...    jq with exact integers
//	exec gosh FILE       a shell in Go, the one of the image
//
// Goldens are compared with cmp; under -update, cmp against a file of the script writes it anew.
package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gojq "github.com/itchyny/gojq/cli"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
	"github.com/sluice-gitops/sluice/internal/testkit/golden"
)

// Noon is the time at which every command of a script runs, unless SCRIPT_NOW (RFC 3339) is set.
var Noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// Version is the version that every command of a script says it has.
const Version = "test"

// Main runs the tests of a package with apps as commands of its scripts. It does not return.
func Main(m testscript.TestingM, apps ...*stage.App) { MainWith(m, nil, apps...) }

// MainWith is Main with further commands, for servers and tools that a script starts.
func MainWith(m testscript.TestingM, more map[string]func(), apps ...*stage.App) {
	commands := map[string]func(){"gojq": func() { os.Exit(gojq.Run()) }, "gosh": runShell}
	for name, command := range more {
		commands[name] = command
	}
	for _, app := range apps {
		commands[app.Name] = func() { stage.MainAt(app, now, Version) }
	}
	testscript.Main(m, commands)
}

func now() time.Time {
	if at, err := time.Parse(time.RFC3339Nano, os.Getenv("SCRIPT_NOW")); err == nil {
		return at
	}
	return Noon
}

// Run runs every script of a folder. The hook, which may be nil, changes the parameters: servers
// in Setup, commands of its own in Cmds.
func Run(t *testing.T, dir string, hook func(*testscript.Params)) {
	t.Helper()
	params := testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *golden.Update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(ts *testscript.TestScript, neg bool, args []string){"stamp": stamp, "exits": exits},
	}
	if hook != nil {
		hook(&params)
	}
	testscript.Run(t, params)
	t.Run("goldens", func(t *testing.T) { checkGoldens(t, dir) })
}

func stamp(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: stamp FILE")
	}
	err := Strict(strings.NewReader(ts.ReadFile(args[0])))
	if (err != nil) != neg {
		ts.Fatalf("stamp %s: %v", args[0], err)
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// runShell is gosh: it runs the script named by its argument.
func runShell() {
	err := interpret(os.Args[1])
	var status interp.ExitStatus
	switch {
	case errors.As(err, &status):
		os.Exit(int(status))
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func interpret(file string) error {
	text, err := os.Open(file)
	if err != nil {
		return err
	}
	defer text.Close()
	program, err := syntax.NewParser().Parse(text, file)
	if err != nil {
		return err
	}
	shell, err := interp.New(interp.StdIO(os.Stdin, os.Stdout, os.Stderr))
	if err != nil {
		return err
	}
	return shell.Run(context.Background(), program)
}

// checkGoldens decodes every record in every golden, so that none outlives the stream.
func checkGoldens(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if !strings.HasSuffix(f.Name, ".jsonl") || strings.HasPrefix(f.Name, "bad") {
				continue
			}
			if err := Strict(bytes.NewReader(f.Data)); err != nil {
				t.Errorf("%s: %s: %v", file, f.Name, err)
			}
		}
	}
}

// Strict reads a stream whose every record must be of a known type and hold known fields only.
func Strict(r io.Reader) error {
	reader := jsonl.NewReader(r)
	for {
		line, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case line.Err != nil:
			return line.Err
		}
		record, ok := jsonl.New(line.Type)
		if !ok {
			return fmt.Errorf("line %d: unknown type %q", line.N, line.Type)
		}
		decoder := json.NewDecoder(bytes.NewReader(line.Raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(record); err != nil {
			return fmt.Errorf("line %d: %w", line.N, err)
		}
	}
}
