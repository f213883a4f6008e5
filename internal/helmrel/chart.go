package helmrel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"sort"
	"strings"
)

// File is one file of a chart. The name is slash-separated and relative to the top of the chart.
type File struct {
	Name string
	Data []byte
}

// Chart is a chart that was read whole and found to hold the dependencies that it declares.
type Chart struct {
	// Name and Version are the chart's own words.
	Name, Version string
	// Revision is the commit that the chart was read at, or the digest (sha256:…) of its manifest in a
	// registry; empty for one from a Helm repository.
	Revision string
	// Digest is over the names and bytes of the files that count, 64 hexadecimal digits. The same files
	// have the same digest, from wherever and in whatever order they came.
	Digest string
	// Notes say what had to be decided, for people.
	Notes []string

	files []File // as they came, .helmignore not applied
	part  *part
}

// part is a chart or a sub-chart: its own files, sorted, and its sub-charts, sorted by folder.
type part struct {
	folder string // below charts/ of the parent, or the archive's name
	name   string
	ver    string
	needs  []need
	locks  []need // what the lock file says, if there is one
	files  []File
	subs   []*part
}

// need is a dependency that a chart declares.
type need struct{ name, version, repository string }

// FromFolder makes a chart of the files of a folder. It leaves out what .helmignore says, as Helm does.
func FromFolder(files []File) (*Chart, error) {
	kept, err := notIgnored(files)
	if err != nil {
		return nil, fmt.Errorf("reading .helmignore: %w", err)
	}
	return newChart(kept, files)
}

// FromArchive makes a chart of a .tgz file.
func FromArchive(data []byte) (*Chart, error) {
	files, err := unpack(data)
	if err != nil {
		return nil, fmt.Errorf("unpacking chart: %w", err)
	}
	return newChart(files, files)
}

func newChart(kept, all []File) (*Chart, error) {
	c := &Chart{files: all}
	p, err := c.assemble("", kept)
	if err != nil {
		return nil, err
	}
	c.part, c.Name, c.Version = p, p.name, p.ver
	sum := sha256.New()
	p.each("", func(name string, data []byte) {
		d := sha256.Sum256(data)
		fmt.Fprintf(sum, "%s\x00%x\n", name, d)
	})
	c.Digest = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

// File is a file of the chart, those that .helmignore leaves out included.
func (c *Chart) File(name string) ([]byte, bool) {
	for _, f := range c.files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// assemble takes a chart's files apart into its own and those of its sub-charts. where is empty for
// the top chart, and else ends in a slash.
func (c *Chart) assemble(where string, files []File) (*part, error) {
	p := &part{}
	folders := map[string][]File{}
	var archives []File
	for _, f := range files {
		rest, below := strings.CutPrefix(f.Name, "charts/")
		folder, inner, deep := strings.Cut(rest, "/")
		switch {
		case !below || path.Ext(f.Name) == ".prov":
			p.files = append(p.files, f)
		case strings.HasPrefix(folder, "_") || strings.HasPrefix(folder, "."):
		case deep:
			folders[folder] = append(folders[folder], File{inner, f.Data})
		case path.Ext(folder) == ".tgz":
			archives = append(archives, File{folder, f.Data})
		}
	}
	sort.SliceStable(p.files, func(i, j int) bool { return p.files[i].Name < p.files[j].Name })
	if err := p.readMetadata(); err != nil {
		return nil, chartError(where, err)
	}
	for _, f := range p.files {
		if f.Name != schemaFile {
			continue
		}
		if ref := externalRef(f.Data); ref != "" {
			c.Notes = append(c.Notes, fmt.Sprintf("%s%s is not checked: it refers to %s", where, f.Name, redact(ref)))
		}
	}
	if err := c.subCharts(where, p, folders, archives); err != nil {
		return nil, err
	}
	return p, chartError(where, p.complete())
}

func (c *Chart) subCharts(where string, p *part, folders map[string][]File, archives []File) error {
	for _, folder := range sortedKeys(folders) {
		sub, err := c.assemble(where+"charts/"+folder+"/", folders[folder])
		if err != nil {
			return err
		}
		sub.folder = folder
		p.subs = append(p.subs, sub)
	}
	unpacked := p.subs
	sort.SliceStable(archives, func(i, j int) bool { return archives[i].Name < archives[j].Name })
	for _, a := range archives {
		files, err := unpack(a.Data)
		if err != nil {
			return fmt.Errorf("unpacking %scharts/%s: %w", where, a.Name, err)
		}
		sub, err := c.assemble(where+"charts/"+a.Name+"/", files)
		if err != nil {
			return err
		}
		sub.folder = a.Name
		if folder := p.loses(sub, unpacked); folder != "" {
			c.Notes = append(c.Notes, fmt.Sprintf("%scharts/%s is left out: the folder %scharts/%s holds the same dependency and wins", where, a.Name, where, folder))
			continue
		}
		p.subs = append(p.subs, sub)
	}
	return nil
}

// loses says which unpacked folder takes an archive's place. Helm loads both and keeps whichever comes
// first in a random order. The folder wins because somebody put it into git and may have edited it; the
// two live side by side only where the chart declares both, by versions that only one of them has.
func (p *part) loses(archive *part, unpacked []*part) string {
	for _, folder := range unpacked {
		if folder.name != archive.name {
			continue
		}
		wanted, besides := false, false
		for _, n := range p.needs {
			ofFolder := n.meets(folder)
			wanted = wanted || (n.meets(archive) && !ofFolder)
			besides = besides || ofFolder
		}
		if !wanted || !besides {
			return folder.folder
		}
	}
	return ""
}

// complete says which declared dependency is missing.
func (p *part) complete() error {
	for _, n := range p.needs {
		found, at := false, ""
		for _, sub := range p.subs {
			found = found || n.meets(sub)
			if sub.name == n.name {
				at = sub.ver
			}
		}
		switch {
		case found:
		case at != "":
			return &MissingDependency{Name: n.name, Version: n.version, Found: at}
		default:
			return &MissingDependency{Name: n.name, Version: n.version}
		}
	}
	return nil
}

// MissingDependency says that a chart declares a dependency that it does not hold.
type MissingDependency struct {
	// Name and Version are as declared; Found is the version that is there instead, if one is.
	Name, Version, Found string
	// Packed says that the chart came from a repository or registry.
	Packed bool
}

func (e *MissingDependency) Error() string {
	if e.Found != "" {
		return fmt.Sprintf("dependency %s %s is declared, but charts/ holds version %s", e.Name, e.Version, e.Found)
	}
	return fmt.Sprintf("dependency %s %s is declared, but missing in charts/", e.Name, e.Version)
}

// each visits every file that counts, in a fixed order.
func (p *part) each(prefix string, visit func(name string, data []byte)) {
	for _, f := range p.files {
		visit(prefix+f.Name, f.Data)
	}
	for _, sub := range p.subs {
		sub.each(prefix+"charts/"+sub.folder+"/", visit)
	}
}

func chartError(where string, err error) error {
	if err == nil || where == "" {
		return err
	}
	return fmt.Errorf("%s: %w", strings.TrimSuffix(where, "/"), err)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

var utf8BOM = []byte{0xEF, 0xBB, 0xBF}

func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, utf8BOM) }
