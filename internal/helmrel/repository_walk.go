package helmrel

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
)

// errFlow says that a document starts with a brace: JSON.
var errFlow = errors.New("starts with a brace")

// keyLine is a key of a block mapping whose value is on the lines below, or nothing.
var keyLine = regexp.MustCompile(`^(?:"([^"\\]+)"|'([^']+)'|([A-Za-z0-9_][^:#'"]*)):[ \t]*(\[\]|\{\}|null|~)?[ \t]*(?:#.*)?$`)

// scanYAML walks over the lines of an index that is written as Helm writes it: the keys of entries, all
// at one indent, are the charts' names, and what is below them their versions.
func (x *index) scanYAML(r *bufio.Reader) (version string, err error) {
	w := walk{places: x.places}
	if bom, _ := r.Peek(len(utf8BOM)); bytes.Equal(bom, utf8BOM) {
		n, _ := r.Discard(len(utf8BOM))
		w.at = int64(n)
	}
	for {
		line, length, err := nextLine(r)
		if err == io.EOF {
			w.close(w.at)
			return w.version, nil
		}
		start := w.at
		w.at += length
		if err == nil {
			err = w.line(line, start)
		}
		if err != nil {
			return "", err
		}
	}
}

// walk is where scanYAML stands.
type walk struct {
	places  map[string]span
	at      int64 // behind the line
	version string
	begun   bool // something but comments was there
	entries bool // below the key of this name
	indent  int  // of the charts' names; 0 before the first
	name    string
}

// close ends the chart that was open.
func (w *walk) close(end int64) {
	if w.name != "" {
		at := w.places[w.name].at
		w.places[w.name] = span{at, end - at}
	}
	w.name = ""
}

func (w *walk) line(line []byte, start int64) error {
	text := bytes.TrimLeft(line, " ")
	in := len(line) - len(text)
	switch {
	case len(text) == 0, text[0] == '#', in == 0 && (text[0] == '%' || string(text) == "---"):
		return nil
	case !w.begun && text[0] == '{':
		return errFlow
	case text[0] == '\t', !w.begun && in > 0:
		return errUncommon
	}
	w.begun = true
	if in == 0 {
		w.close(start)
		return w.top(string(text))
	}
	if w.indent == 0 {
		w.indent = in
	}
	switch {
	case !w.entries || in > w.indent:
		return nil
	case in < w.indent:
		return errUncommon
	case text[0] == '-' && (len(text) == 1 || text[1] == ' ') && w.name != "":
		return nil
	}
	w.close(start)
	m := keyLine.FindStringSubmatch(string(text))
	if m == nil {
		return errUncommon
	}
	w.name = m[1] + m[2] + strings.TrimRight(m[3], " ")
	w.places[w.name] = span{at: w.at}
	return nil
}

// top takes a key of the document itself.
func (w *walk) top(text string) error {
	w.indent, w.entries = 0, false
	key, value, ok := strings.Cut(text, ":")
	switch {
	case !ok || key[:min(len(key), 1)] == "-" || strings.ContainsAny(key, "?&!*<{[\"'"):
		return errUncommon
	case key == "apiVersion":
		w.version = strings.Trim(strings.TrimSpace(value), `"'`)
	case key == "entries":
		if !keyLine.MatchString(text) {
			return errUncommon
		}
		w.entries = true
	}
	return nil
}

// nextLine gives a line without its end, cut where it is very long, and its whole length.
func nextLine(r *bufio.Reader) (line []byte, length int64, err error) {
	line, err = r.ReadSlice('\n')
	length = int64(len(line))
	if err == bufio.ErrBufferFull {
		line = bytes.Clone(line[:min(len(line), 1024)])
		for err == bufio.ErrBufferFull {
			var more []byte
			more, err = r.ReadSlice('\n')
			length += int64(len(more))
		}
	}
	if err == io.EOF && length > 0 {
		err = nil
	}
	return bytes.TrimRight(line, "\r\n"), length, err
}

// scanJSON is scanYAML for an index in JSON.
func (x *index) scanJSON(r io.Reader) (version string, err error) {
	d := json.NewDecoder(r)
	err = members(d, func(key string) error {
		switch key {
		case "apiVersion":
			return d.Decode(&version)
		case "entries":
			return members(d, func(name string) error {
				var skipped json.RawMessage
				err := d.Decode(&skipped)
				x.places[name] = span{d.InputOffset() - int64(len(skipped)), int64(len(skipped))}
				return err
			})
		}
		var skipped json.RawMessage
		return d.Decode(&skipped)
	})
	return version, err
}

// members calls f with every key of the object that comes next; f reads the value.
func members(d *json.Decoder, f func(key string) error) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, errUncommon)
	}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return errors.Join(err, errUncommon)
		}
		if err := f(key); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}
