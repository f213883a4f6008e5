package stage

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

// IO is a running stage's connection to its stream and to people.
type IO struct {
	name  string
	env   Env
	in    *jsonl.Reader // nil for a stage that reads no stream
	out   *output
	voice *voice

	mu         sync.Mutex
	closed     bool // the run was given up; what it still writes is dropped
	reading    bool // own records wait until the input has ended
	read       bool // the input was read to its end
	kept       []any
	failures   int
	held       bool
	told       bool // an error of the stage's own has said that the input is not whole
	changes    bool
	counts     map[string]jsonl.Count
	incomplete []string
	totals     map[string]int
}

// Read reads the whole input. Each line goes to handle and is then passed on, byte for byte, at
// once, unless handle says not to; a line that is no record is passed on without being shown.
// It ends early with the error of handle, of a stream that is none, of a broken standard
// output, or of the context.
func (s *IO) Read(handle func(*jsonl.Line) (pass bool, err error)) error {
	for {
		line, err := s.in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return s.inputEnded()
		case errors.Is(err, jsonl.ErrNoStream):
			return WithHint(Usage(fmt.Errorf("reading standard input: %w", err)), "a stream starts with git-fetch, or is one that --record kept")
		case errors.Is(err, jsonl.ErrVersion):
			return WithHint(Usage(fmt.Errorf("reading standard input: %w", err)), "take all six programs from one release")
		case errors.Is(err, jsonl.ErrTooLong):
			return Usage(fmt.Errorf("reading standard input: %w", err))
		case err != nil:
			return err
		}
		pass := true
		if line.Err == nil {
			if pass, err = handle(line); err != nil {
				return err
			}
		}
		if pass {
			if err := s.Pass(line); err != nil {
				return err
			}
		}
	}
}

// Pass passes a line on that handle had held back.
func (s *IO) Pass(line *jsonl.Line) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errGivenUp
	}
	return s.out.raw(line.Raw, line.Type)
}

// Write writes a record of this stage. While the input is being read it is kept, so that it
// comes after the last passed-on line.
func (s *IO) Write(record any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(record)
}

func (s *IO) write(record any) error {
	switch {
	case s.closed:
		return errGivenUp
	case s.reading:
		s.kept = append(s.kept, record)
		return nil
	}
	return s.out.own(record)
}

func (s *IO) inputEnded() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.read = false, true
	return s.flush()
}

func (s *IO) flush() error {
	kept := s.kept
	s.kept = nil
	for _, record := range kept {
		if err := s.write(record); err != nil {
			return err
		}
	}
	return nil
}

// Fail reports a failure of a part of the work: an error record, a line on stderr, exit code 5.
func (s *IO) Fail(e jsonl.Error) {
	e.Type, e.Stage = jsonl.TypeError, s.name
	if e.Code == "" {
		e.Code = "failed"
	}
	s.voice.say("error", sentence(e), e.Hint)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	_ = s.write(e) // a broken stdout is seen at the end of the run
}

// NotWhole is the code of an error that says in what way the input is not whole. What [IO.HoldBack]
// has said of a truncated stream is not said again.
const NotWhole = "not-whole"

// HoldBack reports that something was not done for safety: an error record, a line on stderr,
// exit code 4.
func (s *IO) HoldBack(e jsonl.Error) {
	if e.Code == "" {
		e.Code = "held-back"
	}
	s.Fail(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.told = true, s.told || e.Code == NotWhole
}

// PendingChanges makes the exit code 3 where nothing worse happened.
func (s *IO) PendingChanges() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = true
}

// Infof tells a person something on stderr.
func (s *IO) Infof(format string, args ...any) { s.voice.say("info", fmt.Sprintf(format, args...), "") }

// Warn warns a person on stderr. It leaves the exit code alone.
func (s *IO) Warn(format string, args ...any) {
	s.voice.say("warning", fmt.Sprintf(format, args...), "")
}

// Debugf tells a person more, with --verbose only.
func (s *IO) Debugf(format string, args ...any) {
	if s.voice.verbose {
		s.voice.say("debug", fmt.Sprintf(format, args...), "")
	}
}

// Diff shows a person a unified diff on stderr, as it is: without the name of the program on each line.
// On a terminal it is coloured, unless NO_COLOR is set.
func (s *IO) Diff(text string) { s.voice.diff(text, s.env.Getenv("NO_COLOR") == "") }

// Progress shows on a terminal how far long work is.
func (s *IO) Progress(label string, done, total int) { s.voice.track(label, done, total) }

// Tally is what was read of the input; empty for a stage that reads none.
func (s *IO) Tally() *jsonl.Tally {
	if s.in == nil {
		return &jsonl.Tally{}
	}
	return s.in.Tally()
}

// RefusePlanned refuses a stream with manifests that only a dry run wrote; a stage that runs dry
// itself takes it.
func (s *IO) RefusePlanned(dryRun bool) error {
	n := s.Tally().Planned()
	if n == 0 || dryRun {
		return nil
	}
	what := fmt.Sprintf("%d manifests in the stream are", n)
	if n == 1 {
		what = "1 manifest in the stream is"
	}
	return WithHint(Refused(fmt.Errorf("%s only planned: a dry run wrote them", what)),
		"give --dry-run here too, or leave it out in the stages before")
}

// Count adds to the numbers of manifests of a source that this stage wrote and took out.
func (s *IO) Count(source string, wrote, took int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[source]
	s.counts[source] = jsonl.Count{Wrote: c.Wrote + wrote, Took: c.Took + took}
}

// Incomplete says that records of a source are missing that belong in the stream.
func (s *IO) Incomplete(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.incomplete, source) {
		s.incomplete = append(s.incomplete, source)
	}
}

// Total adds to a number in the totals of the end record.
func (s *IO) Total(word string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.totals[word] += n
}

// OutErr is the error that broke stdout, if any did: no new change is started then.
func (s *IO) OutErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.err()
}

// Now is the time.
func (s *IO) Now() time.Time { return s.env.Now() }

// Getenv is the environment.
func (s *IO) Getenv(name string) string { return s.env.Getenv(name) }

// Stdin, for a stage that was asked to read something other than a stream.
func (s *IO) Stdin() io.Reader { return s.env.Stdin }

// Plain writes text, not a record, to standard output, for a stage that was asked for something
// other than a stream.
func (s *IO) Plain(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.plain(text)
}

var errGivenUp = errors.New("the run was given up")

// upstream says what the input was not, and whether that makes the run a partial one.
func (s *IO) upstream() (partly bool) {
	s.mu.Lock()
	read, told := s.read, s.told // by a run that may have been given up: its tally is final once read is set
	s.mu.Unlock()
	if s.in == nil || !read {
		return false
	}
	tally := s.in.Tally()
	if err := tally.Truncated(); err != nil {
		if told {
			return true
		}
		s.voice.say("error", "the stream came truncated: "+err.Error(), "a stage before this one died: its own message says why")
		return true
	}
	if failed := tally.UpstreamFailed(); len(failed) > 0 {
		s.Infof("failed upstream: %s", strings.Join(failed, ", "))
		return true
	}
	if _, sources := tally.Incomplete(); len(sources) > 0 {
		for _, name := range sources {
			s.Warn("%v", tally.Whole(name))
		}
	}
	return false
}
