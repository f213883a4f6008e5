package helmrel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/ignore"
	"sigs.k8s.io/yaml"
)

// readMetadata reads name, version and dependencies from Chart.yaml, and for charts of the older
// format from requirements.yaml.
func (p *part) readMetadata() error {
	meta := &chart.Metadata{}
	found := false
	for _, name := range []string{"Chart.yaml", "requirements.yaml"} {
		for _, f := range p.files {
			if f.Name != name {
				continue
			}
			found = found || name == "Chart.yaml"
			if err := yaml.Unmarshal(trimBOM(f.Data), meta); err != nil {
				return fmt.Errorf("reading %s: %w", name, err)
			}
		}
	}
	switch {
	case !found:
		return errors.New("not a chart: Chart.yaml is missing")
	case meta.Name == "":
		return errors.New("no name in Chart.yaml")
	}
	p.name, p.ver = meta.Name, meta.Version
	for _, d := range meta.Dependencies {
		if d != nil {
			p.needs = append(p.needs, need{d.Name, d.Version, d.Repository})
		}
	}
	return p.readLock()
}

// readLock reads the versions that dependencies were resolved to.
func (p *part) readLock() error {
	for _, f := range p.files {
		if f.Name != "Chart.lock" && f.Name != "requirements.lock" {
			continue
		}
		var lock chart.Lock
		if err := yaml.Unmarshal(trimBOM(f.Data), &lock); err != nil {
			return fmt.Errorf("reading %s: %w", f.Name, err)
		}
		for _, d := range lock.Dependencies {
			if d != nil {
				p.locks = append(p.locks, need{d.Name, d.Version, d.Repository})
			}
		}
	}
	return nil
}

// meets asks as Helm does, so that what is found complete here is found by Helm.
func (n need) meets(p *part) bool {
	return p.name == n.name && chartutil.IsCompatibleRange(n.version, p.ver)
}

// helm makes a new Helm chart of p. It is new each time because Helm changes a chart that it renders.
func (p *part) helm() (*chart.Chart, error) {
	files := make([]*loader.BufferedFile, 0, len(p.files))
	for _, f := range p.files {
		if f.Name == schemaFile && externalRef(f.Data) != "" {
			continue
		}
		files = append(files, &loader.BufferedFile{Name: f.Name, Data: trimBOM(f.Data)})
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("loading chart %s: %w", p.name, err)
	}
	for _, sub := range p.subs {
		s, err := sub.helm()
		if err != nil {
			return nil, err
		}
		c.AddDependency(s)
	}
	return c, nil
}

const schemaFile = "values.schema.json"

// externalRef is a reference in a JSON schema to another document than itself, or nothing. Helm would
// fetch it from wherever it points, link-local addresses and local files included.
func externalRef(schema []byte) string {
	var v any
	if json.Unmarshal(schema, &v) != nil {
		return ""
	}
	return refIn(v)
}

func refIn(v any) string {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if r := refIn(e); r != "" {
				return r
			}
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			ref, isText := v[k].(string)
			if isText && (k == "$ref" || k == "$dynamicRef" || k == "$recursiveRef" || k == "$schema") && !builtIn(ref) {
				return ref
			}
			if r := refIn(v[k]); r != "" {
				return r
			}
		}
	}
	return ""
}

// builtIn reports whether a reference is to the schema itself or to a meta-schema, which is compiled in.
func builtIn(ref string) bool {
	for _, prefix := range []string{"#", "http://json-schema.org/", "https://json-schema.org/"} {
		if strings.HasPrefix(ref, prefix) {
			return true
		}
	}
	return ref == ""
}

func unpack(archive []byte) ([]File, error) {
	buffered, err := loader.LoadArchiveFiles(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(buffered))
	for _, f := range buffered {
		files = append(files, File{f.Name, f.Data})
	}
	return files, nil
}

func notIgnored(files []File) ([]File, error) {
	rules := ignore.Empty()
	for _, f := range files {
		if f.Name != ignore.HelmIgnore {
			continue
		}
		r, err := ignore.Parse(bytes.NewReader(f.Data))
		if err != nil {
			return nil, err
		}
		rules = r
	}
	rules.AddDefaults()
	var kept []File
	for _, f := range files {
		if !ignored(rules, f.Name) {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// ignored asks for every folder on the way first: a folder that is left out takes all below it along.
func ignored(rules *ignore.Rules, name string) bool {
	for i, r := range name {
		if r == '/' && rules.Ignore(name[:i], fileInfo{name[:i], true}) {
			return true
		}
	}
	return rules.Ignore(name, fileInfo{name, false})
}

// fileInfo is what the rules ask about a file that is in no file system.
type fileInfo struct {
	name string
	dir  bool
}

func (f fileInfo) Name() string       { return path.Base(f.name) }
func (f fileInfo) Size() int64        { return 0 }
func (f fileInfo) ModTime() time.Time { return time.Time{} }
func (f fileInfo) IsDir() bool        { return f.dir }
func (f fileInfo) Sys() any           { return nil }
func (f fileInfo) Mode() fs.FileMode {
	if f.dir {
		return fs.ModeDir
	}
	return 0
}

// checkReleaseName says what is wrong with a release's name: Helm allows 53 characters.
func checkReleaseName(name string) error {
	if err := chartutil.ValidateReleaseName(name); err != nil {
		return fmt.Errorf("release name %q: %s", name, strings.TrimSuffix(err.Error(), "."))
	}
	return nil
}
