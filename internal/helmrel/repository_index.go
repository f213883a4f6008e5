package helmrel

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

// index is a repository's index.yaml, of which only the places of the charts are held: a large one is
// 30 MB, and four releases of it want one chart each.
type index struct {
	file   io.ReaderAt
	json   bool
	places map[string]span    // by the chart's name
	whole  map[string][]entry // in place of the above, for one that could not be taken apart
}

// span is where the versions of a chart stand.
type span struct{ at, length int64 }

// entry is what is read of one version of a chart.
type entry struct {
	Version string   `json:"version"`
	URLs    []string `json:"urls"`
	Digest  string   `json:"digest"`
}

// maxWhole is the largest index that is read at once, in case it is written in an uncommon way.
const maxWhole = 16 << 20

// errUncommon says that an index is not laid out as Helm lays it out.
var errUncommon = errors.New("not in the layout that Helm writes")

// readIndex finds the charts in an index. size is in bytes.
func readIndex(file io.ReaderAt, size int64) (*index, error) {
	x := &index{file: file, places: map[string]span{}}
	read := func() *bufio.Reader { return bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 64<<10) }
	version, err := x.scanYAML(read())
	if errors.Is(err, errFlow) {
		x.json = true
		version, err = x.scanJSON(read())
	}
	if err != nil && size > maxWhole {
		return nil, fmt.Errorf("index.yaml does not parse, or is too large for a layout of its own: %w", err)
	}
	if err != nil || version == "" && size <= maxWhole {
		version, err = x.readWhole(read())
	}
	if err != nil {
		return nil, err
	}
	if version == "" {
		return nil, errors.New("index.yaml has no apiVersion: this is not a Helm repository")
	}
	return x, nil
}

func (x *index) readWhole(r io.Reader) (version string, err error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	var all struct {
		APIVersion string              `json:"apiVersion"`
		Entries    map[string][]*entry `json:"entries"`
	}
	if err := yaml.Unmarshal(text, &all); err != nil {
		return "", fmt.Errorf("index.yaml does not parse: %w", err)
	}
	x.whole = map[string][]entry{}
	for name, entries := range all.Entries {
		x.whole[name] = existing(entries)
	}
	return all.APIVersion, nil
}

func existing(entries []*entry) []entry {
	kept := []entry{}
	for _, e := range entries {
		if e != nil && e.Version != "" {
			kept = append(kept, *e)
		}
	}
	return kept
}

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

// versions reads what the index says of a chart; nil for one that it does not hold.
func (x *index) versions(name string) ([]entry, error) {
	if x.whole != nil {
		return x.whole[name], nil
	}
	p, ok := x.places[name]
	if !ok {
		return nil, nil
	}
	text := make([]byte, p.length)
	if _, err := x.file.ReadAt(text, p.at); err != nil {
		return nil, err
	}
	if x.json {
		var entries []*entry
		err := json.Unmarshal(text, &entries)
		return existing(entries), err
	}
	return blockEntries(text)
}

// blockEntries reads a list in YAML item by item, for one chart may have thousands of them.
func blockEntries(text []byte) ([]entry, error) {
	all := []entry{}
	for _, item := range items(text) {
		var entries []*entry
		if err := yaml.Unmarshal(item, &entries); err != nil {
			return nil, err
		}
		all = append(all, existing(entries)...)
	}
	return all, nil
}

// items takes a block list apart where its dashes stand.
func items(text []byte) [][]byte {
	var parts [][]byte
	indent, start, at := -1, 0, 0
	for line := range bytes.Lines(text) {
		rest := bytes.TrimLeft(line, " ")
		in := len(line) - len(rest)
		dash := len(rest) > 0 && rest[0] == '-' && (len(rest) == 1 || strings.ContainsRune(" \r\n", rune(rest[1])))
		if dash && indent < 0 {
			indent = in
		}
		if dash && in == indent && at > start {
			parts, start = append(parts, text[start:at]), at
		}
		at += len(line)
	}
	return append(parts, text[start:])
}

// choose picks the version that is asked for: that very one, else the highest in the range.
func choose(entries []entry, version string) (entry, bool) {
	constraint, err := semver.NewConstraint(version)
	if err != nil {
		return entry{}, false
	}
	if i := slices.IndexFunc(entries, func(e entry) bool { return e.Version == version }); i >= 0 {
		return entries[i], true
	}
	var best *semver.Version
	var chosen entry
	for _, e := range entries {
		v, err := semver.NewVersion(e.Version)
		if err == nil && constraint.Check(v) && (best == nil || v.GreaterThan(best)) {
			best, chosen = v, e
		}
	}
	return chosen, best != nil
}
