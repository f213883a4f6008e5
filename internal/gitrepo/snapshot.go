package gitrepo

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// Snapshot is a repository, or one folder of it, at one commit.
type Snapshot struct {
	// Branch is the short name of the branch it was fetched from; empty for other refs.
	Branch string
	// Revision is the commit, 40 hexadecimal digits.
	Revision string
	// Tree is the tree, 40 hexadecimal digits: the commit's, or that of a [Snapshot.Subtree].
	// Two folders with the same content have the same tree, whatever the commit.
	Tree string
	// Store is the absolute path of the store that holds the objects.
	Store string

	store  *Store
	tree   plumbing.Hash
	prefix string // the folder that this is, for messages; empty for the top
	seen   *folders
}

// folders are the trees through which paths were looked up. Five hundred files are looked up through a
// few folders, and a tree never changes.
type folders struct {
	mu     sync.Mutex
	byHash map[plumbing.Hash]map[string]entry
	left   int // entries that there is room for
}

// maxSeen is how many entries are kept.
const maxSeen = 200_000

// folder gives the entries of a tree by their names.
func (s *Snapshot) folder(tree plumbing.Hash) (map[string]entry, error) {
	s.seen.mu.Lock()
	known := s.seen.byHash[tree]
	s.seen.mu.Unlock()
	if known != nil {
		return known, nil
	}
	entries, err := s.store.readTree(tree)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]entry, len(entries))
	for _, e := range entries {
		if _, twice := byName[e.name]; !twice {
			byName[e.name] = e
		}
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if s.seen.left -= len(entries); s.seen.left >= 0 {
		s.seen.byHash[tree] = byName
	}
	return byName, nil
}

// Snapshot returns the content of the store at a commit (40 hexadecimal digits).
func (s *Store) Snapshot(revision string) (*Snapshot, error) {
	h, ok := parseHash(revision)
	if !ok {
		return nil, fmt.Errorf("reading revision %q: it is not a commit id of 40 digits", revision)
	}
	text, err := s.object(plumbing.CommitObject, h, maxMeta)
	if err != nil {
		return nil, err
	}
	tree, ok := parseHash(header(text, "tree"))
	if !ok {
		return nil, fmt.Errorf("reading commit %s: it names no tree", h)
	}
	return &Snapshot{Revision: h.String(), Tree: tree.String(), Store: s.dir, store: s, tree: tree,
		seen: &folders{byHash: map[plumbing.Hash]map[string]entry{}, left: maxSeen}}, nil
}

// Parents are the commits before this one, the first one first.
func (s *Snapshot) Parents() ([]string, error) {
	h, _ := parseHash(s.Revision)
	hashes, err := s.store.parents(h)
	var names []string
	for _, h := range hashes {
		names = append(names, h.String())
	}
	return names, err
}

// parents returns the parents of a commit, the first one first.
func (s *Store) parents(commit plumbing.Hash) ([]plumbing.Hash, error) {
	text, err := s.object(plumbing.CommitObject, commit, maxMeta)
	if err != nil {
		return nil, err
	}
	var out []plumbing.Hash
	for line := range strings.Lines(string(text)) {
		if line == "\n" {
			break
		}
		if id, ok := strings.CutPrefix(line, "parent "); ok {
			if h, ok := parseHash(strings.TrimSuffix(id, "\n")); ok {
				out = append(out, h)
			}
		}
	}
	return out, nil
}

// header returns the first header of this name of a commit or tag object.
func header(text []byte, name string) string {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if len(line) == 0 {
			return ""
		}
		if key, value, ok := bytes.Cut(line, []byte(" ")); ok && string(key) == name {
			return string(value)
		}
		text = rest
	}
	return ""
}

// Subtree returns the folder dir as a snapshot of its own, with its own tree hash and with
// paths that start at the folder. "" and "." are the snapshot itself. Errors: [ErrNotFound].
func (s *Snapshot) Subtree(dir string) (*Snapshot, error) {
	name, err := cleanPath(dir)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return s, nil
	}
	e, err := s.lookup(name)
	if err != nil {
		return nil, err
	}
	if e.mode != modeTree {
		return nil, fmt.Errorf("%s at %s is not a folder", s.full(name), s.Revision)
	}
	sub := *s
	sub.tree, sub.Tree, sub.prefix = e.hash, e.hash.String(), s.full(name)
	return &sub, nil
}

// ReadFile reads the file at a path of at most limit bytes; a symbolic link inside the tree is
// followed. Errors: [ErrNotFound], [ErrTooLarge].
func (s *Snapshot) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := s.Stat(name)
	if err != nil {
		return nil, err
	}
	return s.Read(f, limit)
}

// Read reads a file that [Snapshot.Files] or [Snapshot.Stat] returned, of at most limit bytes.
// Errors: the file's Fault, [ErrTooLarge].
func (s *Snapshot) Read(f File, limit int64) ([]byte, error) {
	if f.Fault != nil {
		return nil, f.Fault
	}
	if f.Folder || f.hash.IsZero() {
		return nil, fmt.Errorf("%s at %s is not a file", s.full(f.Path), s.Revision)
	}
	return s.store.object(plumbing.BlobObject, f.hash, limit)
}

// Stat looks one path up. A folder has Folder set; a symbolic link is followed as far as it
// stays inside the tree. Errors: [ErrNotFound], and paths that no tree may hold.
func (s *Snapshot) Stat(name string) (File, error) {
	clean, err := cleanPath(name)
	if err != nil {
		return File{}, err
	}
	if clean == "" {
		return File{Folder: true, Hash: s.Tree}, nil
	}
	e, err := s.lookup(clean)
	if err != nil {
		return File{}, err
	}
	return s.file(clean, e), nil
}

// full is a path as seen from the top of the repository.
func (s *Snapshot) full(name string) string { return path.Join(s.prefix, name) }

// cleanPath brings a path that a person gave into the form of the tree's own: no leading "./",
// no trailing slash, "" for the top. Paths that would leave the tree are errors.
func cleanPath(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	if strings.HasPrefix(name, "/") {
		return "", fmt.Errorf("path %q is absolute; paths start at the top of the repository", name)
	}
	clean := path.Clean(name)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("path %q leads out of the repository", name)
	}
	if clean == "." {
		return "", nil
	}
	return clean, nil
}
