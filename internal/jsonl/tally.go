package jsonl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Tally is what a reader saw of a stream, and the one place that decides whether a source is
// whole in it. The zero value is an empty stream.
type Tally struct {
	lines   int
	bad     []error // lines that are no records, and what ended the reading early
	cut     bool    // the last line had no newline
	stages  []string
	open    map[string]int // stage: begins less ends
	extra   []string       // stages that ended without having begun
	failed  []string       // stages that ended ok:false
	missing []string       // stages that ended complete:false without naming sources
	began   time.Time      // of the last begin
	tool    string         // stage and version of the last begin
	order   []string       // sources in the order in which they were met
	sources map[string]*sourceTally
	planned int
}

// sourceTally is what was seen of one source.
type sourceTally struct {
	record     *Source
	tool       string
	others     []string // further revisions it stands at
	fetched    time.Time
	manifests  int
	owed       int // wrote less took, over all ends
	ids        map[ID]bool
	twice      []ID
	incomplete []string // stages that called it incomplete
}

// NotWholeError says why a source is not whole in a stream.
type NotWholeError struct {
	Source  string
	Reasons []string
}

func (e *NotWholeError) Error() string {
	return fmt.Sprintf("source %s is not whole: %s", e.Source, strings.Join(e.Reasons, "; "))
}

// Whole is nil where the source is whole in the stream that was read to its end, and else a
// [*NotWholeError] with every reason. Only what belongs to a whole source may be deleted.
func (t *Tally) Whole(source string) error {
	reasons := t.broken()
	for _, stage := range t.missing {
		reasons = append(reasons, stage+" says that records are missing")
	}
	s := t.sources[source]
	if s == nil {
		s = &sourceTally{}
	}
	for _, stage := range s.incomplete {
		reasons = append(reasons, stage+" could not read all of it")
	}
	if s.record == nil {
		reasons = append(reasons, "its source record is missing")
	}
	if s.manifests != s.owed {
		reasons = append(reasons, fmt.Sprintf("%d manifests are here, the stages that ended account for %d", s.manifests, s.owed))
	}
	for _, revision := range s.others {
		reasons = append(reasons, fmt.Sprintf("it stands at two revisions, %s and %s", s.record.Revision, revision))
	}
	for _, id := range s.twice {
		reasons = append(reasons, id.String()+" comes twice")
	}
	if len(reasons) == 0 {
		return nil
	}
	return &NotWholeError{Source: source, Reasons: reasons}
}

// Truncated is nil where the stream was read to its end and each begin has its end. Otherwise
// something upstream died, or the stream was damaged, and no source in it is whole.
func (t *Tally) Truncated() error {
	if reasons := t.broken(); len(reasons) > 0 {
		return errors.New(strings.Join(reasons, "; "))
	}
	return nil
}

// broken gives the reasons for which nothing in the stream is whole.
func (t *Tally) broken() []string {
	if t.lines == 0 && len(t.bad) == 0 {
		return []string{"the input is empty"}
	}
	var reasons []string
	for _, err := range t.bad {
		reasons = append(reasons, err.Error())
	}
	if t.cut {
		reasons = append(reasons, "the last line has no newline")
	}
	if len(t.stages) == 0 {
		reasons = append(reasons, "no stage began")
	}
	for _, stage := range t.stages {
		if t.open[stage] > 0 {
			reasons = append(reasons, stage+" began and did not end")
		}
	}
	for _, stage := range t.extra {
		reasons = append(reasons, stage+" ended and did not begin")
	}
	return reasons
}

// Incomplete is what a stage that read this stream has to say in its own end: complete when
// every source is whole, else the sources that are not; none named where no source is whole.
func (t *Tally) Incomplete() (complete bool, sources []string) {
	if t.Truncated() != nil || len(t.missing) > 0 {
		return false, nil
	}
	for _, name := range t.order {
		if t.Whole(name) != nil {
			sources = append(sources, name)
		}
	}
	return len(sources) == 0, sources
}

// UpstreamFailed are the stages that ended ok:false, in the order of their ends.
func (t *Tally) UpstreamFailed() []string { return t.failed }

// State is what a stream says of one source.
type State struct {
	// Source is its record; where that is missing it holds the name alone.
	Source Source
	// Fetched is the time at which the stage that wrote the record began, Tool that stage's name
	// and version; zero where the stream does not tell.
	Fetched time.Time
	Tool    string
	// Manifests is how many manifest records of it are here.
	Manifests int
	// NotWhole says why the source is not whole, as [Tally.Whole] does; nil where it is.
	NotWhole error
}

// States are the sources of which the stream has a record or manifests, in the order in which
// they were met.
func (t *Tally) States() []State {
	var states []State
	for _, name := range t.order {
		s := t.sources[name]
		if s.record == nil && s.manifests == 0 {
			continue // an end alone tells of it
		}
		state := State{Source: Source{Type: TypeSource, Name: name}, Fetched: s.fetched, Tool: s.tool,
			Manifests: s.manifests, NotWhole: t.Whole(name)}
		if s.record != nil {
			state.Source = *s.record
		}
		states = append(states, state)
	}
	return states
}

// Planned counts the manifests that a dry run upstream wrote: they stand in no commit.
func (t *Tally) Planned() int { return t.planned }

func (t *Tally) source(name string) *sourceTally {
	if t.sources == nil {
		t.sources = map[string]*sourceTally{}
	}
	s := t.sources[name]
	if s == nil {
		s = &sourceTally{ids: map[ID]bool{}}
		t.sources[name] = s
		t.order = append(t.order, name)
	}
	return s
}

func (t *Tally) add(line *Line) {
	t.lines++
	t.cut = !bytes.HasSuffix(line.Raw, []byte("\n"))
	if line.Err != nil {
		t.bad = append(t.bad, line.Err)
		return
	}
	switch line.Type {
	case TypeBegin:
		t.begin(line)
	case TypeEnd:
		t.end(line)
	case TypeSource:
		t.addSource(line)
	case TypeManifest:
		t.addManifest(line)
	}
}

func (t *Tally) begin(line *Line) {
	if t.open == nil {
		t.open = map[string]int{}
	}
	if !slices.Contains(t.stages, line.head.Stage) {
		t.stages = append(t.stages, line.head.Stage)
	}
	t.open[line.head.Stage]++
	t.began, t.tool = time.Time{}, line.head.Stage+" "+line.head.Version
	if err := json.Unmarshal(line.head.Started, &t.began); err != nil {
		t.bad = append(t.bad, fmt.Errorf("line %d: %s began at no time: %w", line.N, line.head.Stage, err))
	}
}

func (t *Tally) end(line *Line) {
	h := &line.head
	if t.open[h.Stage] == 0 {
		t.extra = append(t.extra, h.Stage)
		return
	}
	t.open[h.Stage]--
	if !h.OK {
		t.failed = append(t.failed, h.Stage)
	}
	if !h.Complete && len(h.Incomplete) == 0 {
		t.missing = append(t.missing, h.Stage)
	}
	for _, name := range h.Incomplete {
		s := t.source(name)
		s.incomplete = append(s.incomplete, h.Stage)
	}
	for _, name := range slices.Sorted(maps.Keys(h.Counts)) {
		t.source(name).owed += h.Counts[name].Wrote - h.Counts[name].Took
	}
}

func (t *Tally) addSource(line *Line) {
	var record Source
	if err := line.Decode(&record); err != nil {
		t.bad = append(t.bad, err)
		return
	}
	s := t.source(record.Name)
	switch {
	case s.record == nil:
		s.record, s.fetched, s.tool = &record, t.began, t.tool
	case s.record.Revision != record.Revision:
		s.others = append(s.others, record.Revision)
	}
}

func (t *Tally) addManifest(line *Line) {
	s := t.source(line.head.Source)
	s.manifests++
	if line.head.Planned {
		t.planned++
	}
	id := line.head.Object.id()
	if s.ids[id] {
		s.twice = append(s.twice, id)
	}
	s.ids[id] = true
}

// finish notes what ended the reading, other than the end of the stream.
func (t *Tally) finish(err error) {
	if !errors.Is(err, io.EOF) {
		t.bad = append(t.bad, err)
	}
}
