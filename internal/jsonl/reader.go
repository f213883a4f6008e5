package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// MaxLine is the longest line, its newline included, in bytes.
const MaxLine = 32 << 20

// Line is one line of a stream.
type Line struct {
	// N counts lines from 1.
	N int
	// Raw is the line as it was read, with its newline where it has one.
	Raw []byte
	// Type is the record's type; empty when Err is set.
	Type Type
	// Err says why the line is no record. Such a line is passed on like any other.
	Err error

	head head
}

// head holds what wholeness needs of any record, so that a line is decoded once.
type head struct {
	Type       Type             `json:"type"`
	Stage      string           `json:"stage"`
	Version    string           `json:"version"`
	V          *int             `json:"v"`
	Started    json.RawMessage  `json:"started"`
	Source     string           `json:"source"`
	Name       json.RawMessage  `json:"name"`
	Revision   json.RawMessage  `json:"revision"`
	Object     identity         `json:"object"`
	Planned    bool             `json:"planned"`
	OK         bool             `json:"ok"`
	Complete   bool             `json:"complete"`
	Incomplete []string         `json:"incomplete"`
	Counts     map[string]Count `json:"counts"`
}

// Decode reads the line's record into v, a pointer to one of the record types.
func (l *Line) Decode(v any) error {
	if l.Err != nil {
		return l.Err
	}
	if err := json.Unmarshal(l.Raw, v); err != nil {
		return fmt.Errorf("line %d: decoding a %s record: %w", l.N, l.Type, err)
	}
	return nil
}

// The errors by which a stream is refused rather than found not whole.
var (
	// ErrVersion is met in a stream of another major version.
	ErrVersion = errors.New("another version of the stream")
	// ErrTooLong is met at a line over MaxLine.
	ErrTooLong = errors.New("line too long")
	// ErrNoStream is met when the first line is no record.
	ErrNoStream = errors.New("not a stream")
)

// Reader reads a stream line by line and keeps the tally.
type Reader struct {
	r     *bufio.Reader
	n     int
	tally Tally
	err   error
}

// NewReader reads a stream from r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10)}
}

// Tally is what was read so far. It is final once Next has returned an error.
func (r *Reader) Tally() *Tally { return &r.tally }

// Next returns the next line. A line that is no record comes with Line.Err, and reading goes
// on; io.EOF ends a stream that was read to its end, cut short or not. Any other error
// (ErrVersion, ErrTooLong, ErrNoStream, a failed read) is final, and the line it is about was
// not returned.
func (r *Reader) Next() (*Line, error) {
	if r.err != nil {
		return nil, r.err
	}
	line, err := r.next()
	if err != nil {
		r.err = err
		r.tally.finish(err)
	}
	return line, err
}

func (r *Reader) next() (*Line, error) {
	raw, err := r.readLine()
	if err != nil {
		return nil, err
	}
	r.n++
	line := parse(raw, r.n)
	if line.Err != nil && r.n == 1 && bytes.HasSuffix(raw, []byte("\n")) {
		return nil, fmt.Errorf("%w: %w", ErrNoStream, line.Err)
	}
	if line.Type == TypeBegin && (line.head.V == nil || *line.head.V != Version) {
		return nil, fmt.Errorf("line %d: %w: stage %q does not speak version %d", r.n, ErrVersion, line.head.Stage, Version)
	}
	r.tally.add(line)
	return line, nil
}

// readLine reads up to and including the newline. It returns io.EOF only where nothing was left.
func (r *Reader) readLine() ([]byte, error) {
	var line []byte
	for {
		part, err := r.r.ReadSlice('\n')
		if len(line)+len(part) > MaxLine {
			return nil, fmt.Errorf("line %d: %w: over %d bytes", r.n+1, ErrTooLong, MaxLine)
		}
		line = append(line, part...)
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		default:
			return nil, fmt.Errorf("reading line %d: %w", r.n+1, err)
		}
	}
}

// parse reads one line. The carriage return of a CRLF is JSON white space and does no harm.
func parse(raw []byte, n int) *Line {
	line := &Line{N: n, Raw: raw}
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		line.Err = fmt.Errorf("line %d: an empty line is no record", n)
	case !utf8.Valid(raw):
		line.Err = fmt.Errorf("line %d: not UTF-8", n)
	case !json.Valid(raw):
		line.Err = fmt.Errorf("line %d: not one JSON object", n)
	case trimmed[0] != '{':
		line.Err = fmt.Errorf("line %d: JSON, but not an object", n)
	default:
		line.decodeHead()
	}
	return line
}

func (l *Line) decodeHead() {
	if err := json.Unmarshal(l.Raw, &l.head); err != nil {
		// A field of a type that this version does not know may well be spelt like one of
		// ours: only in our own records is a misfit an error.
		var only struct {
			Type Type `json:"type"`
		}
		if json.Unmarshal(l.Raw, &only) == nil && only.Type != "" && !known[only.Type] {
			l.Type, l.head = only.Type, head{Type: only.Type}
			return
		}
		l.Err = fmt.Errorf("line %d: %w", l.N, err)
		return
	}
	if l.head.Type == "" {
		l.Err = fmt.Errorf("line %d: a record without a type", l.N)
		return
	}
	l.Type = l.head.Type
}

// known are the types whose records wholeness reads.
var known = map[Type]bool{TypeBegin: true, TypeSource: true, TypeManifest: true, TypeEnd: true}
