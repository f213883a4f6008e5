package helmrel

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// maxNesting is how deep charts of one repository may depend on one another by file://.
const maxNesting = 10

// gatherer brings the dependencies of a chart in git.
type gatherer struct {
	s     *Sources
	tree  *tree
	pull  secretData
	notes []string
}

// assembled reads a chart from git and brings the dependencies that it declares, unless it was asked not
// to. What stands unpacked in charts/ stays as it is in git.
func (s *Sources) assembled(ctx context.Context, t *tree, c ChartSource, pull secretData) (*Chart, error) {
	g := &gatherer{s: s, tree: t, pull: pull}
	dir := path.Clean(strings.TrimPrefix(c.Path, "/"))
	kept, all, err := g.read(dir)
	if err == nil && !c.SkipDepUpdate {
		kept, err = g.gather(ctx, dir, kept, 0)
	}
	if err != nil {
		return nil, err
	}
	chart, err := newChart(kept, all)
	if err != nil {
		return nil, err
	}
	chart.Notes = append(chart.Notes, g.notes...)
	return chart, nil
}

// read gives the files of a folder: those that count, and all of them.
func (g *gatherer) read(dir string) (kept, all []File, err error) {
	if all, err = g.tree.folder(dir); err != nil {
		return nil, nil, fmt.Errorf("reading its files: %w", err)
	}
	if kept, err = notIgnored(all); err != nil {
		return nil, nil, fmt.Errorf("reading .helmignore: %w", err)
	}
	return kept, all, nil
}

// gather adds the dependencies that a chart declares to its files.
func (g *gatherer) gather(ctx context.Context, dir string, files []File, depth int) ([]File, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("%s: charts depend on one another more than %d deep, or in a circle", dir, maxNesting)
	}
	top := &part{}
	for _, f := range files {
		if !strings.HasPrefix(f.Name, "charts/") {
			top.files = append(top.files, f)
		}
	}
	if err := top.readMetadata(); err != nil {
		return nil, err
	}
	here, err := vendored(files)
	if err != nil {
		return nil, err
	}
	for _, n := range top.needs {
		added, err := g.one(ctx, dir, top, n, here, depth)
		if err != nil {
			return nil, fmt.Errorf("dependency %s %s: %w", n.name, n.version, err)
		}
		if added == nil {
			continue
		}
		// an archive that was resolved earlier gives way, unless another declaration wants it
		files = slices.DeleteFunc(files, func(f File) bool {
			old := here.archives[f.Name]
			return old != nil && old.name == n.name && !slices.ContainsFunc(top.needs, func(m need) bool { return m != n && m.meets(old) })
		})
		for _, f := range added {
			files = slices.DeleteFunc(files, func(old File) bool { return old.Name == f.Name })
			files = append(files, f)
		}
	}
	return files, nil
}

// inCharts is what a chart's charts/ holds in git.
type inCharts struct {
	folders  []*part          // unpacked
	archives map[string]*part // by the file's name
}

func vendored(files []File) (inCharts, error) {
	v := inCharts{archives: map[string]*part{}}
	for _, f := range files {
		rest, below := strings.CutPrefix(f.Name, "charts/")
		folder, inner, deep := strings.Cut(rest, "/")
		hidden := strings.HasPrefix(folder, "_") || strings.HasPrefix(folder, ".")
		p := &part{folder: folder}
		switch {
		case !below || hidden:
			continue
		case deep && inner == "Chart.yaml":
			p.files = []File{{inner, f.Data}}
		case !deep && path.Ext(folder) == ".tgz":
			var err error
			if p.files, err = unpack(f.Data); err != nil {
				return v, fmt.Errorf("unpacking %s: %w", f.Name, err)
			}
		default:
			continue
		}
		if err := p.readMetadata(); err != nil {
			return v, chartError(f.Name, err)
		}
		if deep {
			v.folders = append(v.folders, p)
		} else {
			v.archives[f.Name] = p
		}
	}
	return v, nil
}

// one finds a single dependency; nil files are for one that is there already.
func (g *gatherer) one(ctx context.Context, dir string, top *part, n need, here inCharts, depth int) ([]File, error) {
	for _, p := range here.folders {
		if p.name == n.name && (n.meets(p) || !slices.ContainsFunc(top.needs, func(m need) bool { return m != n && m.name == n.name })) {
			if n.repository != "" && !strings.HasPrefix(n.repository, "file://") {
				g.notes = append(g.notes, fmt.Sprintf("dependency %s is not downloaded: the folder %s in git holds it and wins", n.name, path.Join(dir, "charts", p.folder)))
			}
			return nil, nil // that its version fits is checked with all others
		}
	}
	if n.repository == "" {
		return nil, nil
	}
	if local, ok := strings.CutPrefix(n.repository, "file://"); ok {
		return g.local(ctx, dir, local, n, depth)
	}
	version, exact := g.locked(top, n)
	for _, p := range here.archives {
		if p.name == n.name && exact && p.ver == version {
			return nil, nil
		}
	}
	base, err := g.s.repositoryOf(n.repository, g.pull)
	if err != nil {
		return nil, err
	}
	login, err := g.s.login(base, g.pull, false)
	if err != nil {
		return nil, err
	}
	a, err := g.s.archive(ctx, wish{base: strings.TrimRight(base, "/"), name: n.name, version: version, login: login})
	if err != nil {
		return nil, err
	}
	g.notes = append(g.notes, a.notes...)
	return []File{{"charts/" + n.name + "-" + a.version + ".tgz", a.data}}, nil
}

// locked is the version that a dependency is taken at: that of the lock file, else what Chart.yaml says.
func (g *gatherer) locked(top *part, n need) (version string, exact bool) {
	version = n.version
	if version == "" {
		version = "*"
	}
	behind := ""
	for _, l := range top.locks {
		if n.meets(&part{name: l.name, ver: l.version}) {
			return l.version, true
		}
		if l.name == n.name {
			behind = l.version
		}
	}
	if behind != "" {
		g.notes = append(g.notes, fmt.Sprintf("the lock file is behind: it has dependency %s at %s, which is not in %s", n.name, behind, n.version))
	}
	_, err := semver.StrictNewVersion(version)
	return version, err == nil
}

// local reads a dependency that lies in the same commit. Whatever lies elsewhere is not the repository's
// to name.
func (g *gatherer) local(ctx context.Context, dir, at string, n need, depth int) ([]File, error) {
	target := path.Join(dir, at)
	if path.IsAbs(at) || target == ".." || strings.HasPrefix(target, "../") {
		return nil, fmt.Errorf("file://%s: %w: it leads out of the repository", at, ErrRefused)
	}
	if strings.HasPrefix(target+"/", path.Join(dir, "charts")+"/") {
		return nil, nil // it is in its place
	}
	if dir == target || strings.HasPrefix(dir+"/", target+"/") || strings.HasPrefix(target+"/", dir+"/templates/") {
		return nil, fmt.Errorf("file://%s holds the chart itself", at)
	}
	kept, _, err := g.read(target)
	if err == nil {
		kept, err = g.gather(ctx, target, kept, depth+1)
	}
	if err != nil {
		return nil, fmt.Errorf("file://%s: %w", at, err)
	}
	found := &part{}
	for _, f := range kept {
		if !strings.HasPrefix(f.Name, "charts/") {
			found.files = append(found.files, f)
		}
	}
	if err := found.readMetadata(); err != nil {
		return nil, fmt.Errorf("file://%s: %w", at, err)
	}
	if !n.meets(found) {
		return nil, fmt.Errorf("file://%s holds chart %s %s", at, found.name, found.ver)
	}
	var files []File
	for _, f := range kept {
		files = append(files, File{"charts/" + n.name + "/" + f.Name, f.Data})
	}
	return files, nil
}

// repositoryOf follows an alias (@name, alias:name) to the repository that was configured under it.
func (s *Sources) repositoryOf(at string, pull secretData) (string, error) {
	alias, ok := strings.CutPrefix(at, "@")
	if !ok {
		alias, ok = strings.CutPrefix(at, "alias:")
	}
	if !ok {
		return at, nil
	}
	known := s.Repositories
	if text, has := pull[keyRepositories]; has {
		if more, err := parseRepositories(text, noFiles); err == nil {
			known = append(more, known...)
		}
	}
	for _, r := range known {
		if r.Name == alias {
			return r.URL, nil
		}
	}
	return "", &Fault{Code: "chart", Hint: "--repository-config FILE names a repositories.yaml that knows it", Err: errors.New("no repository is configured as " + at)}
}
