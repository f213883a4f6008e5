package stage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

// output is where a stage's stream goes: to standard output in the asked-for form, and whole
// into the file of --record.
type output struct {
	stdout io.Writer
	stream *jsonl.Writer // nil when standard output gets a table
	table  *table        // nil otherwise
	only   func(jsonl.Type, []byte) bool
	mute   bool // plain text takes the place of the stream

	file   *os.File // of --record
	path   string   // the name that the file takes at the end; empty where it has its name
	record *jsonl.Writer
	failed error
}

// newOutput opens the outputs. Form is json, table or results.
func newOutput(stdout io.Writer, form, record string) (*output, error) {
	o := &output{stdout: stdout, only: func(jsonl.Type, []byte) bool { return true }}
	switch form {
	case "json":
		o.stream = jsonl.NewWriter(stdout)
	case "results":
		o.stream, o.only = jsonl.NewWriter(stdout), isResult
	case "table":
		o.table = &table{w: stdout}
	default:
		return nil, Usagef("--output is json, table or results, not %q", form)
	}
	if record == "" {
		return o, nil
	}
	if err := o.openRecord(record); err != nil {
		return nil, fmt.Errorf("opening the file of --record: %w", err)
	}
	return o, nil
}

// openRecord opens the file of --record. A regular file, or one that is not there yet, is written
// beside and renamed at the end; what a link leads to is what is meant. Anything else (a device, a
// named pipe) cannot be replaced and is written as it is.
func (o *output) openRecord(name string) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return Usagef("%s is a folder", name)
	case err == nil && !info.Mode().IsRegular():
		o.file, err = os.OpenFile(name, os.O_WRONLY, 0)
	case err == nil || errors.Is(err, fs.ErrNotExist):
		o.file, err = os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // CreateTemp gives mode 0600
		o.path = name
	}
	if err != nil {
		return err
	}
	o.record = jsonl.NewWriter(o.file)
	return nil
}

// raw writes a line that is passed on.
func (o *output) raw(line []byte, kind jsonl.Type) error {
	if o.record != nil {
		o.note(o.record.WriteRaw(line))
	}
	switch {
	case o.mute:
	case o.table != nil:
		if isResult(kind, line) && kind != jsonl.TypePick {
			o.note(o.table.add(kind, line))
		}
	case o.only(kind, line):
		o.note(o.stream.WriteRaw(line))
	}
	return o.failed
}

// own writes a record of this stage.
func (o *output) own(record any) error {
	line, kind, err := jsonl.Encode(record)
	if err != nil {
		o.note(err)
		return err
	}
	if o.record != nil {
		o.note(o.record.WriteRaw(line))
	}
	switch {
	case o.mute:
	case o.table != nil:
		o.note(o.table.add(kind, line))
	case o.only(kind, line):
		o.note(o.stream.WriteRaw(line))
	}
	return o.failed
}

func (o *output) plain(text string) error {
	_, err := io.WriteString(o.stdout, text)
	o.note(err)
	return o.failed
}

// note keeps the first error.
func (o *output) note(err error) {
	if o.failed == nil {
		o.failed = err
	}
}

// err is the first error, or that nobody reads standard output any more: a pipe tells before
// anything is written to it.
func (o *output) err() error {
	if file, ok := o.stdout.(*os.File); ok && o.failed == nil {
		polled := []unix.PollFd{{Fd: int32(file.Fd())}}
		if n, err := unix.Poll(polled, 0); err == nil && n > 0 && polled[0].Revents&unix.POLLERR != 0 {
			o.failed = fmt.Errorf("writing the stream: %w", syscall.EPIPE)
		}
	}
	return o.failed
}

// close ends the outputs. The file of --record takes its name only when the stream has its end.
func (o *output) close(whole bool) error {
	if o.table != nil {
		o.note(o.table.flush())
	}
	if o.file == nil {
		return o.failed
	}
	err := o.file.Close()
	if o.path != "" {
		if err == nil && whole && o.failed == nil {
			err = os.Rename(o.file.Name(), o.path)
		}
		if err != nil || !whole || o.failed != nil {
			err = errors.Join(err, os.Remove(o.file.Name()))
		}
	}
	if err != nil {
		o.note(fmt.Errorf("writing the file of --record: %w", err))
	}
	return o.failed
}

// isResult says whether --output results shows a record: all that tells the story of a run and
// holds no manifest.
func isResult(kind jsonl.Type, line []byte) bool {
	switch kind {
	case jsonl.TypeBegin, jsonl.TypeSource, jsonl.TypePick, jsonl.TypeCommit, jsonl.TypeRelease, jsonl.TypeError, jsonl.TypeEnd:
		return true
	case jsonl.TypeApply:
		var apply jsonl.Apply
		return jsonl.Decode(line, &apply) == nil && apply.Action != jsonl.Unchanged && apply.Action != jsonl.Skipped
	}
	return false
}
