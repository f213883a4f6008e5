package stage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
)

const (
	begin = `{"type":"begin","stage":"git-fetch","v":1,"version":"test","started":"2026-11-20T12:00:00Z"}` + "\n"
	src   = `{"type":"source","name":"a","url":"https://git.example/a","branch":"main","revision":"r1","tree":"t","store":"/s","signature":"unchecked"}` + "\n"
	one   = `{"type":"manifest","source":"a","file":"a.yaml","doc":0,"line":1,"id":"Secret/x","object":{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"},"data":{"k":"aHVzaA=="}},"sum":"s"}` + "\n"
	end   = `{"type":"end","stage":"git-fetch","ok":true,"complete":true,"counts":{"a":{"wrote":1,"took":0}},"finished":"2026-11-20T12:00:00Z"}` + "\n"
	whole = begin + src + one + end

	myBegin = `{"type":"begin","stage":"try","v":1,"version":"test","started":"2026-11-20T12:00:00Z"}` + "\n"
	myEnd   = `{"type":"end","stage":"try","ok":true,"complete":true,"finished":"2026-11-20T12:00:00Z"}` + "\n"
)

// try is a stage for tests: it passes all on and then does what a test wants.
func try(work func(ctx context.Context, s *stage.IO) error) *stage.App {
	return &stage.App{Name: "try", Usage: "try things", ArgsUsage: "[WORD...]", Reads: true,
		Flags: []cli.Flag{&cli.StringFlag{Name: "word"}, &cli.BoolFlag{Name: "loud"}},
		Run: func(ctx context.Context, s *stage.IO, c *cli.Context) error {
			if err := s.Read(func(*jsonl.Line) (bool, error) { return true, nil }); err != nil {
				return err
			}
			if work == nil {
				return nil
			}
			return work(ctx, s)
		}}
}

type ran struct {
	code        int
	out, errors string
}

func exec(t testing.TB, ctx context.Context, app *stage.App, stdin io.Reader, args ...string) ran {
	t.Helper()
	var out, err bytes.Buffer
	code := stage.Exec(ctx, app, env(stdin, &out, &err, args...))
	return ran{code, out.String(), err.String()}
}

func env(stdin io.Reader, out, err io.Writer, args ...string) stage.Env {
	return stage.Env{Args: args, Stdin: stdin, Stdout: out, Stderr: err, Version: "test",
		Now:    func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) },
		Getenv: func(string) string { return "" }}
}

func TestPassesEveryByteOn(t *testing.T) {
	odd := whole + `{ "type":"note" , "b":1,"a":"<>" }` + "\r\n"
	got := exec(t, t.Context(), try(func(_ context.Context, s *stage.IO) error {
		return s.Write(jsonl.Commit{Source: "a"})
	}), iotest.OneByteReader(strings.NewReader(odd)))
	want := myBegin + odd + `{"type":"commit","source":"a","branch":"","parent":"","pushed":false,"message":"","edits":[]}` + "\n" + myEnd
	if got.out != want || got.code != 0 || got.errors != "" {
		t.Errorf("exit %d, stderr %q, got\n%s\nwant\n%s", got.code, got.errors, got.out, want)
	}
}

func TestOwnRecordsComeAfterTheInput(t *testing.T) {
	app := try(nil)
	app.Run = func(_ context.Context, s *stage.IO, _ *cli.Context) error {
		return s.Read(func(l *jsonl.Line) (bool, error) {
			return true, s.Write(jsonl.Pick{ID: string(l.Type)})
		})
	}
	got := exec(t, t.Context(), app, strings.NewReader(whole))
	if !strings.HasPrefix(got.out, myBegin+whole+`{"type":"pick"`) {
		t.Errorf("got\n%s", got.out)
	}
}

// TestLineByLine shows that a line leaves before the next one arrives.
func TestLineByLine(t *testing.T) {
	in, feed := io.Pipe()
	result, out := io.Pipe()
	go func() {
		stage.Exec(t.Context(), try(nil), env(in, out, io.Discard))
		out.Close()
	}()
	lines := jsonl.NewReader(result)
	next := func() string {
		line, err := lines.Next()
		if err != nil {
			t.Fatal(err)
		}
		return string(line.Raw)
	}
	if next() != myBegin {
		t.Error("begin does not come first")
	}
	for _, line := range strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n") {
		line = strings.TrimSuffix(line, "\n") + "\n"
		if _, err := io.WriteString(feed, line); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != line {
			t.Errorf("got %s, want %s", got, line)
		}
	}
	feed.Close()
	if next() != myEnd {
		t.Error("no end")
	}
}

func TestExitCodes(t *testing.T) {
	failed := strings.Replace(whole, `"ok":true`, `"ok":false`, 1)
	filtered := begin + src + end
	tests := []struct {
		name   string
		stdin  string
		work   func(ctx context.Context, s *stage.IO) error
		args   []string
		code   int
		stderr string
	}{
		{"done", whole, nil, nil, 0, ""},
		{"filtered", filtered, nil, nil, 0, "try: warning: source a is not whole: 0 manifests are here, the stages that ended account for 1"},
		{"truncated", begin + src, nil, nil, 5, "try: error: the stream came truncated: git-fetch began and did not end\ntry: hint: "},
		{"empty", "", nil, nil, 5, "the input is empty"},
		{"failed upstream", failed, nil, nil, 5, "try: failed upstream: git-fetch\n"},
		{"failed", whole, func(context.Context, *stage.IO) error { return errors.New("no luck") }, nil, 1, "try: error: no luck\n"},
		{"wrong use", whole, func(context.Context, *stage.IO) error { return stage.Usagef("not so") }, nil, 2, "try: error: not so\n"},
		{"refused", whole, func(context.Context, *stage.IO) error {
			return stage.WithHint(stage.Refused(errors.New("stale")), "pass --replay")
		}, nil, 4, "try: error: stale\ntry: hint: pass --replay\n"},
		{"locked", whole, func(context.Context, *stage.IO) error { return stage.Locked(errors.New("held")) }, nil, 7, "held"},
		{"held back", failed, func(_ context.Context, s *stage.IO) error {
			s.HoldBack(jsonl.Error{Message: "3 deletions"})
			return nil
		}, nil, 4, "try: error: 3 deletions\n"},
		{"partly", whole, func(_ context.Context, s *stage.IO) error {
			s.Fail(jsonl.Error{Source: "a", File: "b.yaml", Line: 7, Message: "bad", Hint: "mend it"})
			return nil
		}, nil, 5, "try: error: a: b.yaml:7: bad\ntry: hint: mend it\n"},
		{"changes", whole, func(_ context.Context, s *stage.IO) error { s.PendingChanges(); return nil }, nil, 3, ""},
		{"changes, and failed upstream", failed, func(_ context.Context, s *stage.IO) error { s.PendingChanges(); return nil }, nil, 5, "try: failed upstream: git-fetch\n"},
		{"a panic", whole, func(context.Context, *stage.IO) error { panic("oh") }, nil, 1, "internal error: oh"},
		{"not a stream", "apiVersion: v1\n", nil, nil, 2, "try: error: reading standard input: not a stream"},
		{"another version", strings.Replace(whole, `"v":1`, `"v":9`, 1), nil, nil, 2, "another version of the stream"},
		{"unknown flag", whole, nil, []string{"--nope"}, 2, "try: error: there is no flag --nope\ntry: hint: try --help"},
		{"bad form", whole, nil, []string{"--output", "xml"}, 2, "--output is json, table or results"},
		{"bad log format", whole, nil, []string{"--log-format", "xml"}, 2, "--log-format is text or json"},
		{"no time", whole, nil, []string{"--timeout", "0s"}, 2, "--timeout is a duration above zero"},
		{"a flag without its value", whole, nil, []string{"x", "--word"}, 2, "flag needs an argument: --word"},
		{"a flag with an empty value", whole, nil, []string{"--word", ""}, 2, "--word is given an empty value"},
		{"a folder to record to", whole, nil, []string{"--record", "/"}, 2, "/ is a folder"},
		{"no folder to record to", whole, nil, []string{"--record", "/no/such/folder/x"}, 1, "opening the file of --record"},
		{"unknown shell", whole, nil, []string{"--completion", "csh"}, 2, "bash, zsh and fish"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := exec(t, t.Context(), try(test.work), strings.NewReader(test.stdin), test.args...)
			if got.code != test.code || !strings.Contains(got.errors, test.stderr) || test.stderr == "" && got.errors != "" {
				t.Errorf("exit %d, want %d; stderr %q, want %q", got.code, test.code, got.errors, test.stderr)
			}
			for line := range strings.Lines(got.out) {
				if !json.Valid([]byte(line)) {
					t.Errorf("standard output got %q", line)
				}
			}
			// Only a run in which nothing failed here, on a stream that was whole, ends so.
			fine := test.stderr == "" && (test.code == 0 || test.code == 3) || strings.Contains(test.name, "failed upstream")
			if got.out != "" && strings.HasSuffix(got.out, myEnd) != fine {
				t.Errorf("ok and complete is %v in\n%s", !fine, got.out)
			}
		})
	}
}

// TestNotWholeIsPassedOnAsNotWhole: what a stage read cut short stays cut short for the next.
func TestNotWholeIsPassedOnAsNotWhole(t *testing.T) {
	for _, stream := range []string{begin + src + one, whole[:len(whole)-1], begin + src + end, whole + "null\n", ""} {
		first := exec(t, t.Context(), try(nil), strings.NewReader(stream))
		second := exec(t, t.Context(), try(nil), strings.NewReader(first.out))
		tally := tallyOf(t, second.out)
		if tally.Whole("a") == nil {
			t.Errorf("after two stages, a is whole in\n%s", second.out)
		}
	}
	first := exec(t, t.Context(), try(nil), strings.NewReader(whole))
	second := exec(t, t.Context(), try(nil), strings.NewReader(first.out))
	if err := tallyOf(t, second.out).Whole("a"); err != nil {
		t.Error(err)
	}
}

func tallyOf(t testing.TB, stream string) *jsonl.Tally {
	t.Helper()
	reader := jsonl.NewReader(strings.NewReader(stream))
	for {
		if _, err := reader.Next(); errors.Is(err, io.EOF) {
			return reader.Tally()
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

// TestFullDisk: a stream that could not be written has no end, and the exit code says so (SAFETY 20).
func TestFullDisk(t *testing.T) {
	for room := range len(myBegin + whole + myEnd) {
		var said bytes.Buffer
		code := stage.Exec(t.Context(), try(nil), env(strings.NewReader(whole), &full{room}, &said))
		if code != 1 || strings.Count(said.String(), "no space left on device") != 1 {
			t.Fatalf("with room for %d bytes: exit %d, %q", room, code, said.String())
		}
	}
}

func TestStopsWhileBlockedOnInput(t *testing.T) {
	in, _ := io.Pipe()
	got := exec(t, t.Context(), try(nil), in, "--timeout", "50ms")
	if got.code != 1 || !strings.Contains(got.errors, "not done within 50ms") || strings.Contains(got.out, `"ok":true`) {
		t.Errorf("exit %d, %q\n%s", got.code, got.errors, got.out)
	}
}

// TestTimeoutBindsWhoeverIgnoresIt: a library deaf to its context does not keep a stage (SAFETY 30).
func TestTimeoutBindsWhoeverIgnoresIt(t *testing.T) {
	got := exec(t, t.Context(), try(func(context.Context, *stage.IO) error { select {} }), strings.NewReader(whole), "--timeout", "50ms")
	if got.code != 1 || !strings.Contains(got.errors, "not done within 50ms, and the work at hand did not stop") {
		t.Errorf("exit %d, %q", got.code, got.errors)
	}
}

// TestNobodyReads: a pipe that nobody empties does not keep a stage beyond its time.
func TestNobodyReads(t *testing.T) {
	_, out := io.Pipe()
	if code := stage.Exec(t.Context(), try(nil), env(strings.NewReader(whole), out, io.Discard, "--timeout", "50ms")); code != 1 {
		t.Errorf("exit %d", code)
	}
}

func TestResultsHoldNoManifest(t *testing.T) {
	stream := whole + `{"type":"image","source":"a"}` + "\n" + `{"type":"note","x":"aHVzaA=="}` + "\n" +
		`{"type":"apply","action":"unchanged","id":"Service/a"}` + "\n" + `{"type":"apply","action":"created","id":"Service/b"}` + "\n"
	got := exec(t, t.Context(), try(nil), strings.NewReader(stream), "--output", "results")
	want := myBegin + begin + src + end + `{"type":"apply","action":"created","id":"Service/b"}` + "\n" + myEnd
	if got.out != want {
		t.Errorf("got\n%s", got.out)
	}
}

func TestRecordIsWholeOrAbsent(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "run.jsonl")
	got := exec(t, t.Context(), try(nil), strings.NewReader(whole), "--output", "results", "--record", file)
	data, err := os.ReadFile(file)
	if err != nil || string(data) != myBegin+whole+myEnd || got.code != 0 {
		t.Errorf("exit %d, %v, recorded\n%s", got.code, err, data)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	other := filepath.Join(dir, "broken.jsonl")
	stage.Exec(t.Context(), try(nil), env(strings.NewReader(whole), &full{300}, io.Discard, "--record", other))
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("a broken run left %v", left)
	}
}

// TestRecordThroughLinks: a link stays one, and what cannot be replaced is not replaced.
func TestRecordThroughLinks(t *testing.T) {
	dir := t.TempDir()
	link, file, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Symlink(file, link), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := exec(t, t.Context(), try(nil), strings.NewReader(whole), "--record", link); got.code != 0 {
		t.Errorf("exit %d, %s", got.code, got.errors)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone")
	}
	if data, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(data), myBegin) {
		t.Errorf("the file behind the link holds %q", data)
	}
	read := make(chan string)
	go func() {
		data, _ := os.ReadFile(fifo)
		read <- string(data)
	}()
	if got := exec(t, t.Context(), try(nil), strings.NewReader(whole), "--record", fifo); got.code != 0 {
		t.Errorf("exit %d, %s", got.code, got.errors)
	}
	if data := <-read; data != myBegin+whole+myEnd {
		t.Errorf("the pipe brought %q", data)
	}
	if info, err := os.Lstat(fifo); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Error("the pipe is gone")
	}
}

// TestReaderIsGone: that nobody reads is known before the first change, not after it.
func TestReaderIsGone(t *testing.T) {
	reader, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var before, after error
	app := try(func(_ context.Context, s *stage.IO) error {
		before = s.OutErr()
		reader.Close()
		after = s.OutErr()
		return nil
	})
	if code := stage.Exec(t.Context(), app, env(strings.NewReader(whole), out, io.Discard)); code != 1 || before != nil || after == nil {
		t.Errorf("exit %d; with a reader: %v; without: %v", code, before, after)
	}
}

// TestDrainsAfterASignal: what comes within the grace is passed on.
func TestDrainsAfterASignal(t *testing.T) {
	in, feed := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		io.WriteString(feed, begin+src)
		stop()
		time.Sleep(50 * time.Millisecond)
		io.WriteString(feed, one+end)
		feed.Close()
	}()
	got := exec(t, ctx, try(nil), in)
	if !strings.HasPrefix(got.out, myBegin+whole) {
		t.Errorf("got\n%s", got.out)
	}
}

func TestTable(t *testing.T) {
	got := exec(t, t.Context(), try(func(_ context.Context, s *stage.IO) error {
		s.Total("created", 2)
		for _, r := range []any{
			jsonl.Apply{ID: "Service/demo/web", Source: "a", Action: jsonl.Created, DryRun: true},
			jsonl.Apply{ID: "Deployment.apps/demo/web", Source: "a", Action: jsonl.Failed, Message: "tab\there\x1b[31m"},
			jsonl.Release{Release: "web", Namespace: "demo", Action: jsonl.ReleaseUpgraded, Chart: "podinfo", Version: "0.4.1", Revision: 2},
		} {
			if err := s.Write(r); err != nil {
				return err
			}
		}
		return nil
	}), strings.NewReader(whole), "--output", "table")
	want := `SOURCE  BRANCH  REVISION  URL
a       main    r1        https://git.example/a

ACTION             OBJECT                    SOURCE  MESSAGE
created (dry run)  Service/demo/web          a
failed             Deployment.apps/demo/web  a       tab here [31m

ACTION    RELEASE  NAMESPACE  CHART          REVISION  MESSAGE
upgraded  web      demo       podinfo-0.4.1  2

try: 2 created
`
	if got.out != want {
		t.Errorf("got\n%s\nwant\n%s", got.out, want)
	}
}

func TestTableOfAnnotations(t *testing.T) {
	got := exec(t, t.Context(), try(func(_ context.Context, s *stage.IO) error {
		return s.Write(jsonl.Commit{Source: "a", Edits: []jsonl.Edit{
			{File: "w.yaml", Line: 5, Annotation: "fluxcd.io/locked", New: "true"},
			{File: "w.yaml", Line: 6, Annotation: "fluxcd.io/locked_msg", Old: "wait"},
			{File: "w.yaml", Line: 7, Annotation: "fluxcd.io/tag.web", Old: "glob:*", New: "semver:~1"}}})
	}), strings.NewReader(whole), "--output=table")
	for _, want := range []string{"w.yaml:5: fluxcd.io/locked: true\n", "w.yaml:6: fluxcd.io/locked_msg: wait is taken out\n", "w.yaml:7: fluxcd.io/tag.web: glob:* -> semver:~1\n"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is missing in\n%s", want, got.out)
		}
	}
}

func TestFlagsInAnyOrder(t *testing.T) {
	app := try(nil)
	var seen []string
	app.Run = func(_ context.Context, s *stage.IO, c *cli.Context) error {
		seen = append(c.Args().Slice(), c.String("word"), map[bool]string{true: "loud"}[c.Bool("loud")])
		return nil
	}
	for _, args := range [][]string{
		{"--word", "w", "--loud", "a", "b"}, {"a", "--word", "w", "b", "--loud"}, {"a", "--loud", "b", "--word=w"}, {"--loud", "-word", "w", "--", "a", "b"},
	} {
		exec(t, t.Context(), app, strings.NewReader(whole), args...)
		if got := strings.Join(seen, " "); got != "a b w loud" {
			t.Errorf("%v: %s", args, got)
		}
	}
	exec(t, t.Context(), app, strings.NewReader(whole), "--", "--loud", "x")
	if got := strings.Join(seen, " "); got != "--loud x  " {
		t.Errorf("after --: %q", got)
	}
}

func TestTerminalAsInput(t *testing.T) {
	var out, said bytes.Buffer
	e := env(strings.NewReader(""), &out, &said)
	e.StdinTerminal = true
	if code := stage.Exec(t.Context(), try(nil), e); code != 2 || !strings.Contains(said.String(), "git-fetch … | try") || out.Len() > 0 {
		t.Errorf("exit %d, %q, %q", code, said.String(), out.String())
	}
}

func TestDiffInColours(t *testing.T) {
	const text = "--- a\n+++ b\n@@ -1 +1 @@\n same\n-old\n+new\n"
	show := try(func(_ context.Context, s *stage.IO) error { s.Diff(text); return nil })
	for _, one := range []struct {
		terminal bool
		noColour string
		want     string
	}{
		{false, "", text},
		{true, "1", text},
		{true, "", "\x1b[1m--- a\x1b[0m\n\x1b[1m+++ b\x1b[0m\n\x1b[36m@@ -1 +1 @@\x1b[0m\n same\n\x1b[31m-old\x1b[0m\n\x1b[32m+new\x1b[0m\n"},
	} {
		var out, said bytes.Buffer
		e := env(strings.NewReader(whole), &out, &said)
		e.StderrTerminal = one.terminal
		e.Getenv = func(name string) string { return map[string]string{"NO_COLOR": one.noColour}[name] }
		if code := stage.Exec(t.Context(), show, e); code != 0 || said.String() != one.want {
			t.Errorf("%+v: exit %d, %q", one, code, said.String())
		}
	}
}

func TestLogFormatJSON(t *testing.T) {
	got := exec(t, t.Context(), try(func(_ context.Context, s *stage.IO) error { s.Warn("two\nlines"); return nil }),
		strings.NewReader(whole), "--log-format", "json")
	if want := `{"time":"2026-11-20T12:00:00Z","level":"warning","stage":"try","message":"two\nlines"}` + "\n"; got.errors != want {
		t.Errorf("got %s", got.errors)
	}
}

func TestHelpVersionCompletion(t *testing.T) {
	app := try(nil)
	app.Manual = "   git-fetch https://git.example/a | try"
	for arg, want := range map[string]string{"--help": "git-fetch https://git.example/a | try", "--version": "try test (stream version 1, go", "--completion=bash": "complete -o filenames -F _try try",
		"--completion=zsh": "#compdef try", "--completion=fish": "complete -c try -l record"} {
		if got := exec(t, t.Context(), app, strings.NewReader(""), arg); got.code != 0 || !strings.Contains(got.out, want) || got.errors != "" {
			t.Errorf("%s: exit %d, %q, %q", arg, got.code, got.errors, got.out)
		}
	}
}

// TestCommands: a command is asked for by the first argument, has flags of its own, and speaks in
// the program's name.
func TestCommands(t *testing.T) {
	app := try(nil)
	app.ArgsUsage = ""
	app.Commands = []*stage.App{{Name: "mark", Usage: "mark things", ArgsUsage: "WORD", Manual: "   try mark well",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "well"}},
		Run: func(_ context.Context, s *stage.IO, c *cli.Context) error {
			s.Warn("%s, well: %v", c.Args().First(), c.Bool("well"))
			return nil
		}}}
	tests := []struct {
		args             []string
		code             int
		out, errors, not string
	}{
		{[]string{"mark", "it", "--well"}, 0, myBegin + myEnd, "try: warning: it, well: true\n", ""},
		{[]string{"mark", "--loud"}, 2, "", "try: error: there is no flag --loud\ntry: hint: try mark --help shows", ""},
		{[]string{"--loud", "mark"}, 2, "", "try takes no arguments: \"mark\"\ntry: hint: a command comes before all flags: try mark\n", ""},
		{[]string{"--timeout", "x"}, 2, "", "try: error: --timeout x: that is not the kind of value it takes, see --help; a duration is written 90s, 10m or 24h\n", ""},
		{[]string{"--help"}, 0, "COMMANDS\n   mark       mark things\n   try COMMAND --help tells of each\n", "", "--well"},
		{[]string{"mark", "--help"}, 0, "try mark [flags] WORD\n\n   try mark well\n\nFLAGS\n   --well", "", "--loud"},
		{[]string{"mark", "--completion=bash"}, 2, "", "there is no flag --completion", ""},
		{[]string{"--completion=bash"}, 0, "\tmark) flags='--well --output", "", ""},
		{[]string{"--completion=zsh"}, 0, "\tmark) flags=(--well --output", "", ""},
		{[]string{"--completion=fish"}, 0, "complete -c try -n '__fish_seen_subcommand_from mark' -l well", "", ""},
	}
	for _, test := range tests {
		got := exec(t, t.Context(), app, strings.NewReader(whole), test.args...)
		if got.code != test.code || !strings.Contains(got.out, test.out) || !strings.Contains(got.errors, test.errors) || test.not != "" && strings.Contains(got.out, test.not) {
			t.Errorf("%q: exit %d, %q, %s", test.args, got.code, got.errors, got.out)
		}
	}
}

// TestCompletionInBash lets bash itself complete.
func TestCompletionInBash(t *testing.T) {
	bash, err := osexec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	app := try(nil)
	app.Commands = []*stage.App{{Name: "mark", Flags: []cli.Flag{&cli.BoolFlag{Name: "well"}}}}
	completion := exec(t, t.Context(), app, strings.NewReader(""), "--completion=bash").out
	for typed, want := range map[string]string{"try ma": "mark", "try --lou": "--loud", "try mark --we": "--well", "try mark --lou": "", "try mark --recor": "--record", "try --output j": "json"} {
		words := strings.Fields(typed)
		script := fmt.Sprintf("%s\nCOMP_WORDS=(%s) COMP_CWORD=%d\n_try\necho \"${COMPREPLY[*]}\"\n", completion, typed, len(words)-1)
		out, err := osexec.Command(bash, "--norc", "-c", script).Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q is completed to %q (%v), want %q", typed, got, err, want)
		}
	}
}
