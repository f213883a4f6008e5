package jsonl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Writer writes records, each as one line in one call of Write, so that a line is never
// interleaved with another writer's. Its first error is final: no later line is written, for a
// stream with a hole must not look whole.
type Writer struct {
	w   io.Writer
	err error
}

// NewWriter writes to w, which should not buffer: a passed-on line belongs to the next stage at once.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes one record: sorted map keys, no HTML escapes, a newline at the end.
func (w *Writer) Write(record any) error {
	line, _, err := Encode(record)
	if err != nil {
		return err
	}
	return w.WriteRaw(line)
}

// WriteRaw passes a line on byte for byte. It adds the newline where the line has none, as the
// last one of a truncated stream may; the stage's end then says that the stream was not whole.
func (w *Writer) WriteRaw(line []byte) error {
	if w.err != nil {
		return w.err
	}
	if !bytes.HasSuffix(line, []byte("\n")) {
		line = append(bytes.Clone(line), '\n')
	}
	if _, err := w.w.Write(line); err != nil {
		w.err = fmt.Errorf("writing the stream: %w", err)
	}
	return w.err
}

// Encode gives the line that [Writer.Write] writes, and the record's type, which it fills in.
func Encode(record any) (line []byte, kind Type, err error) {
	switch r := record.(type) {
	case Begin:
		r.Type = TypeBegin
		record, kind = r, r.Type
	case Source:
		r.Type = TypeSource
		record, kind = r, r.Type
	case Manifest:
		r.Type = TypeManifest
		record, kind = r, r.Type
	case Image:
		r.Type, r.Fields = TypeImage, orEmpty(r.Fields)
		record, kind = r, r.Type
	case Pick:
		r.Type, r.Fields = TypePick, orEmpty(r.Fields)
		record, kind = r, r.Type
	case Commit:
		r.Type, r.Edits = TypeCommit, orEmpty(r.Edits)
		record, kind = r, r.Type
	case Apply:
		r.Type = TypeApply
		record, kind = r, r.Type
	case Release:
		r.Type = TypeRelease
		record, kind = r, r.Type
	case Error:
		r.Type = TypeError
		record, kind = r, r.Type
	case End:
		r.Type = TypeEnd
		record, kind = r, r.Type
	default:
		return nil, "", fmt.Errorf("encoding a record: %T is none", record)
	}
	line, err = encode(record)
	return line, kind, err
}

// orEmpty writes an empty list as [], not null.
func orEmpty[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}

// New gives a pointer to an empty record of a type, or false where the type is unknown.
func New(kind Type) (record any, ok bool) {
	switch kind {
	case TypeBegin:
		return new(Begin), true
	case TypeSource:
		return new(Source), true
	case TypeManifest:
		return new(Manifest), true
	case TypeImage:
		return new(Image), true
	case TypePick:
		return new(Pick), true
	case TypeCommit:
		return new(Commit), true
	case TypeApply:
		return new(Apply), true
	case TypeRelease:
		return new(Release), true
	case TypeError:
		return new(Error), true
	case TypeEnd:
		return new(End), true
	}
	return nil, false
}

// Decode reads the record of a line into v, a pointer to one of the record types.
func Decode(line []byte, v any) error {
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("decoding a record: %w", err)
	}
	return nil
}

// Err returns the first error in writing.
func (w *Writer) Err() error { return w.err }

func encode(record any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(record); err != nil {
		return nil, fmt.Errorf("encoding a record: %w", err)
	}
	if line.Len() > MaxLine {
		return nil, fmt.Errorf("encoding a record: %d bytes are over the limit of %d for a line", line.Len(), MaxLine)
	}
	return line.Bytes(), nil
}
