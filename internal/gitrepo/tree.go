package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Limits of one tree, so that a crafted repository ends in an error and not in swap.
const (
	maxFiles = 1_000_000
	maxDepth = 256
	maxLinks = 40
	maxLink  = 4096 // bytes in a symbolic link
)

// The modes that git writes. A few old programs wrote other file modes; they read as files.
const (
	modeTree   = 0o040000
	modeFile   = 0o100644
	modeExec   = 0o100755
	modeLink   = 0o120000
	modeModule = 0o160000
)

// File is one file of a snapshot.
type File struct {
	// Path is slash-separated and starts at the top of the snapshot.
	Path string
	// Executable says that the file's execute bit is set.
	Executable bool
	// Hash is the blob, 40 hexadecimal digits; of a symbolic link, that of the file it leads
	// to. Empty when there is none to read.
	Hash string
	// Symlink says that it is a symbolic link.
	Symlink bool
	// Link is the path of the file that a symbolic link leads to; empty for plain files.
	Link string
	// Folder says that it is a folder, or a symbolic link to one. Links to folders are not entered.
	Folder bool
	// Fault says why the file is refused: a name that no tree may hold, a symbolic link that
	// leads out of the repository or nowhere. It reads as an error.
	Fault error

	hash plumbing.Hash
}

// entry is one line of a tree object.
type entry struct {
	mode uint32
	name string
	hash plumbing.Hash
}

func (e entry) dir() bool { return e.mode == modeTree }

// readTree reads a tree object. It fails on a missing object: a walk that stops short there
// would look like files that were deleted.
func (s *Store) readTree(h plumbing.Hash) ([]entry, error) {
	text, err := s.object(plumbing.TreeObject, h, maxMeta)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(text)
	if err != nil {
		return nil, fmt.Errorf("reading tree %s: %w", h, err)
	}
	return entries, nil
}

func parseTree(text []byte) ([]entry, error) {
	var entries []entry
	for len(text) > 0 {
		head, rest, ok := bytes.Cut(text, []byte{0})
		mode, name, blank := bytes.Cut(head, []byte{' '})
		var e entry
		if !ok || !blank || len(rest) < len(e.hash) || len(mode) == 0 || len(mode) > 6 {
			return nil, errors.New("the tree object is malformed")
		}
		for _, c := range mode {
			if c < '0' || c > '7' {
				return nil, errors.New("the tree object has a malformed mode")
			}
			e.mode = e.mode<<3 | uint32(c-'0')
		}
		e.name = string(name)
		copy(e.hash[:], rest)
		text = rest[len(e.hash):]
		entries = append(entries, e)
	}
	return entries, nil
}

// badName says why no tree may hold this name.
func badName(name string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/'):
		return fmt.Errorf("the tree has an entry named %q, which leads elsewhere", name)
	case strings.EqualFold(name, ".git"):
		return fmt.Errorf("the tree has an entry named %q", name)
	}
	return nil
}

// Files lists every file at or below the given paths, all of the snapshot when there are none,
// sorted by path and each once. Submodules are left out. A file that is refused is listed with its
// Fault. Errors: [ErrNotFound] for a path that is not there, a missing or damaged object, or
// a repository of more than a million files.
func (s *Snapshot) Files(paths ...string) ([]File, error) {
	if len(paths) == 0 {
		paths = []string{""}
	}
	seen := map[string]bool{}
	var files []File
	add := func(f File) error {
		if seen[f.Path] {
			return nil
		}
		if len(files) == maxFiles {
			return fmt.Errorf("listing the files at %s: more than %d of them: %w", s.Revision, maxFiles, ErrTooLarge)
		}
		seen[f.Path] = true
		files = append(files, f)
		return nil
	}
	for _, p := range paths {
		if err := s.filesAt(p, add); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

func (s *Snapshot) filesAt(name string, add func(File) error) error {
	clean, err := cleanPath(name)
	if err != nil {
		return err
	}
	e := entry{mode: modeTree, hash: s.tree}
	if clean != "" {
		if e, err = s.lookup(clean); err != nil {
			return err
		}
	}
	if e.dir() {
		return s.walk(clean, e.hash, 0, add)
	}
	f := s.file(clean, e)
	if f.Folder {
		return fmt.Errorf("path %s at %s is a symbolic link to a folder; name the folder itself", s.full(clean), s.Revision)
	}
	return add(f)
}

func (s *Snapshot) walk(dir string, tree plumbing.Hash, depth int, add func(File) error) error {
	if depth > maxDepth {
		return fmt.Errorf("listing the files at %s: folders are nested deeper than %d", s.Revision, maxDepth)
	}
	entries, err := s.store.readTree(tree)
	if err != nil {
		return fmt.Errorf("listing the files at %s in %q: %w", s.Revision, s.full(dir), err)
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		name := path.Join(dir, e.name)
		fault := badName(e.name)
		if names[e.name] {
			// Which of the two is meant nobody knows: no list at all is better than a guess.
			return fmt.Errorf("listing the files at %s: there are two named %q", s.Revision, s.full(joinRaw(dir, e.name)))
		}
		names[e.name] = true
		switch {
		case fault != nil:
			err = add(File{Path: joinRaw(dir, e.name), Fault: fault})
		case e.dir():
			err = s.walk(name, e.hash, depth+1, add)
		case e.mode == modeModule:
		default:
			err = add(s.file(name, e))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// joinRaw keeps a bad name readable: path.Join would follow it.
func joinRaw(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func (s *Snapshot) file(name string, e entry) File {
	f := File{Path: name, Executable: e.mode == modeExec, Symlink: e.mode == modeLink, hash: e.hash}
	switch e.mode {
	case modeTree:
		return File{Path: name, Folder: true, Hash: e.hash.String()}
	case modeModule:
		return File{Path: name, Folder: true}
	case modeLink:
		target, te, err := s.follow(name, e)
		if err != nil {
			return File{Path: name, Symlink: true, Fault: err}
		}
		f.Link, f.hash, f.Executable = target, te.hash, te.mode == modeExec
		if te.dir() || te.mode == modeModule {
			return File{Path: name, Symlink: true, Link: target, Folder: true}
		}
	}
	f.Hash = f.hash.String()
	return f
}

// lookup finds a clean path without following symbolic links.
func (s *Snapshot) lookup(name string) (entry, error) {
	e := entry{mode: modeTree, hash: s.tree}
	for part := range strings.SplitSeq(name, "/") {
		next, err := s.child(e, part)
		if err != nil {
			return entry{}, fmt.Errorf("path %s at %s: %w", s.full(name), s.Revision, err)
		}
		e = next
	}
	return e, nil
}

func (s *Snapshot) child(e entry, name string) (entry, error) {
	if !e.dir() {
		return entry{}, ErrNotFound
	}
	if err := badName(name); err != nil {
		return entry{}, err
	}
	entries, err := s.folder(e.hash)
	if err != nil {
		return entry{}, err
	}
	if c, there := entries[name]; there {
		return c, nil
	}
	return entry{}, ErrNotFound
}

// follow resolves a symbolic link to what it leads to inside the snapshot.
func (s *Snapshot) follow(name string, link entry) (string, entry, error) {
	todo, done := []string{}, strings.Split(path.Dir(name), "/")
	if path.Dir(name) == "." {
		done = nil
	}
	e := link
	for range maxLinks {
		text, err := s.store.object(plumbing.BlobObject, e.hash, maxLink)
		if err != nil {
			return "", entry{}, err
		}
		target := string(text)
		if target == "" || strings.HasPrefix(target, "/") {
			return "", entry{}, fmt.Errorf("the symbolic link leads out of the repository, to %q", target)
		}
		todo = append(strings.Split(target, "/"), todo...)
		if done, todo, e, err = s.step(done, todo); err != nil {
			return "", entry{}, fmt.Errorf("the symbolic link to %q %w", target, err)
		}
		if e.mode != modeLink {
			return strings.Join(done, "/"), e, nil
		}
		done = done[:len(done)-1]
	}
	return "", entry{}, errors.New("the symbolic link leads in a circle")
}

// step walks todo from the folder done until the end or the next symbolic link.
func (s *Snapshot) step(done, todo []string) ([]string, []string, entry, error) {
	at := slices.Clone(done)
	e := entry{mode: modeTree, hash: s.tree}
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return nil, nil, entry{}, errors.New("leads out of the repository")
			}
			at = at[:len(at)-1]
			continue
		}
		at = append(at, part)
		var err error
		if e, err = s.lookup(strings.Join(at, "/")); errors.Is(err, ErrNotFound) {
			return nil, nil, entry{}, errors.New("leads nowhere")
		} else if err != nil {
			return nil, nil, entry{}, fmt.Errorf("cannot be followed: %w", err)
		}
		if e.mode == modeLink {
			return at, todo, e, nil
		}
	}
	if len(at) == 0 {
		return at, nil, entry{mode: modeTree, hash: s.tree}, nil
	}
	e, err := s.lookup(strings.Join(at, "/"))
	return at, nil, e, err
}
