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
	line, err := encode(record)
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
