package helmrel

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
