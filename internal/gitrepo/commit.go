package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/memory"
)

// ErrNothing says that a commit would change nothing.
var ErrNothing = errors.New("nothing to commit")

// Person is an author or committer.
type Person struct {
	Name, Email string
	// When is the time that goes into the commit, with its zone.
	When time.Time
}

// CommitOptions are what a commit says besides its content.
type CommitOptions struct {
	Author Person
	// Committer is the author when its When is zero.
	Committer Person
	// Message is the whole message; a missing last newline is added.
	Message string
	// Sign, when set, signs the commit; see [LoadSigner].
	Sign SignFunc
}

// Commit is a commit that is in the mirror and nowhere else yet.
type Commit struct {
	*Snapshot
	// Parent is the one commit before it.
	Parent string
	// Files are the paths whose content changed, sorted.
	Files []string

	pack []byte // all that the remote may lack
	name string // of the pack's file in the mirror, without its extension
}

// Commit writes a child of the snapshot's commit in which each of the given files has the given
// content, and everything else is as it was. Files keep their mode; a path that is not there yet
// becomes a plain file. The result is compared with the parent, tree against tree: unless
// exactly the given files differ it is an error. Files that have the content already are left out;
// [ErrNothing] when that is all of them. The snapshot must be the top of its repository. What is not
// pushed in the end is to be dropped with [Commit.Drop]; a failed push does it.
func (s *Snapshot) Commit(ctx context.Context, files map[string][]byte, how CommitOptions) (*Commit, error) {
	if s.prefix != "" {
		return nil, errors.New("committing to a folder's snapshot: take the repository's")
	}
	if strings.TrimSpace(how.Message) == "" {
		return nil, errors.New("committing without a message")
	}
	c, err := s.commit(ctx, files, how)
	if err != nil {
		return nil, fmt.Errorf("committing on %s: %w", s.Revision, err)
	}
	return c, nil
}

func (s *Snapshot) commit(ctx context.Context, files map[string][]byte, how CommitOptions) (*Commit, error) {
	w := &treeWriter{store: s.store, plan: map[string]plumbing.Hash{}, made: memory.NewStorage()}
	tree, err := w.writeFiles(s.tree, files)
	if err != nil {
		return nil, err
	}
	if len(w.plan) == 0 {
		return nil, ErrNothing
	}
	text, err := commitText(tree, s.Revision, how)
	if err != nil {
		return nil, err
	}
	h, err := w.put(plumbing.CommitObject, text)
	if err != nil {
		return nil, err
	}
	c := &Commit{Parent: s.Revision, Files: slices.Sorted(maps.Keys(w.plan))}
	if c.pack, err = w.pack(); err != nil {
		return nil, err
	}
	unlock, err := s.store.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if !s.store.has(h) { // the same commit may have been made before
		if c.name, err = s.store.receive(bytes.NewReader(c.pack)); err != nil {
			return nil, err
		}
	}
	if c.Snapshot, err = s.store.Snapshot(h.String()); err == nil {
		c.Branch = s.Branch
		err = s.store.proveOnly(s.tree, c.tree, w.plan)
	}
	if err != nil {
		s.store.dropPack(c.name)
		return nil, err
	}
	return c, nil
}

// Drop takes a commit that was not pushed out of the mirror.
func (c *Commit) Drop() { c.store.dropPack(c.name) }

func commitText(tree plumbing.Hash, parent string, how CommitOptions) ([]byte, error) {
	committer := how.Committer
	if committer.When.IsZero() {
		committer = how.Author
	}
	head := fmt.Sprintf("tree %s\nparent %s\nauthor %s\ncommitter %s\n", tree, parent, how.Author.line(), committer.line())
	body := "\n" + strings.ReplaceAll(how.Message, "\x00", "")
	if !strings.HasSuffix(body, "\n") {
		body += "\n"
	}
	if how.Sign == nil {
		return []byte(head + body), nil
	}
	sig, err := how.Sign([]byte(head + body))
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	sig = strings.ReplaceAll(strings.TrimRight(sig, "\n"), "\n", "\n ")
	return []byte(head + "gpgsig " + sig + "\n" + body), nil
}

// line is a person as a commit holds it. The characters that delimit the line are dropped, as
// git does.
func (p Person) line() string {
	clean := func(s string) string {
		return strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == '<' || r == '>' || r == 0x7f {
				return -1
			}
			return r
		}, s))
	}
	return fmt.Sprintf("%s <%s> %d %s", clean(p.Name), clean(p.Email), p.When.Unix(), p.When.Format("-0700"))
}

// treeWriter writes changed files and the trees above them.
type treeWriter struct {
	store   *Store
	made    *memory.Storage // what is written, until it becomes one pack
	objects []plumbing.Hash
	plan    map[string]plumbing.Hash // path → blob of what really changes
}

func (w *treeWriter) put(kind plumbing.ObjectType, text []byte) (plumbing.Hash, error) {
	o := &plumbing.MemoryObject{}
	o.SetType(kind)
	if _, err := o.Write(text); err != nil {
		return plumbing.ZeroHash, err
	}
	if w.made.HasEncodedObject(o.Hash()) == nil {
		return o.Hash(), nil // two files of one content are one object, and a pack holds it once
	}
	h, err := w.made.SetEncodedObject(o)
	w.objects = append(w.objects, h)
	return h, err
}

// pack holds all that was written, without deltas.
func (w *treeWriter) pack() ([]byte, error) {
	var b bytes.Buffer
	if _, err := packfile.NewEncoder(&b, w.made, false).Encode(w.objects, 0); err != nil {
		return nil, fmt.Errorf("packing the commit: %w", err)
	}
	return b.Bytes(), nil
}

// edits is a tree of changed files: a leaf has text, a folder has more edits.
type edits struct {
	text []byte
	more map[string]*edits
}

func (w *treeWriter) writeFiles(base plumbing.Hash, files map[string][]byte) (plumbing.Hash, error) {
	top := &edits{more: map[string]*edits{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		clean, err := cleanPath(name)
		if err != nil {
			return base, err
		}
		if clean != name || clean == "" {
			return base, fmt.Errorf("path %q is not in its plain form", name)
		}
		at := top
		parts := strings.Split(clean, "/")
		for _, part := range parts {
			if err := badName(part); err != nil {
				return base, fmt.Errorf("path %q: no tree may hold it", name)
			}
			if at.more == nil {
				return base, fmt.Errorf("path %q lies below another changed file", name)
			}
			next := at.more[part]
			if next == nil {
				next = &edits{more: map[string]*edits{}}
				at.more[part] = next
			}
			at = next
		}
		at.text, at.more = files[name], nil
	}
	return w.writeTree("", base, top)
}

// writeTree returns base with the edits; base is zero for a new folder.
func (w *treeWriter) writeTree(dir string, base plumbing.Hash, e *edits) (plumbing.Hash, error) {
	var entries []entry
	var err error
	if !base.IsZero() {
		if entries, err = w.store.readTree(base); err != nil {
			return base, err
		}
	}
	changed := false
	for _, name := range slices.Sorted(maps.Keys(e.more)) {
		at := slices.IndexFunc(entries, func(c entry) bool { return c.name == name })
		old := entry{name: name}
		if at >= 0 {
			old = entries[at]
		}
		now, err := w.writeEntry(joinRaw(dir, name), old, e.more[name])
		switch {
		case err != nil:
			return base, err
		case now == old:
			continue
		case at >= 0:
			entries[at] = now
		default:
			entries = append(entries, now)
		}
		changed = true
	}
	if !changed {
		return base, nil
	}
	return w.put(plumbing.TreeObject, formatTree(entries))
}

func (w *treeWriter) writeEntry(name string, old entry, e *edits) (entry, error) {
	now := old
	var err error
	if e.more != nil {
		if old.mode != 0 && !old.dir() {
			return old, fmt.Errorf("%s is not a folder", name)
		}
		now.mode = modeTree
		now.hash, err = w.writeTree(name, old.hash, e)
		return now, err
	}
	switch old.mode {
	case modeTree, modeModule:
		return old, fmt.Errorf("%s is not a file", name)
	case modeLink:
		return old, fmt.Errorf("%s is a symbolic link; edit the file that it leads to", name)
	case 0:
		now.mode = modeFile
	}
	if hashOf(plumbing.BlobObject, e.text) == old.hash {
		return old, nil
	}
	now.hash, err = w.put(plumbing.BlobObject, e.text)
	w.plan[name] = now.hash
	return now, err
}

// formatTree writes a tree object in git's order: folders sort as if their names ended in a slash.
func formatTree(entries []entry) []byte {
	key := func(e entry) string {
		if e.dir() {
			return e.name + "/"
		}
		return e.name
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(key(a), key(b)) })
	var text []byte
	for _, e := range entries {
		text = fmt.Appendf(text, "%o %s\x00", e.mode, e.name)
		text = append(text, e.hash[:]...)
	}
	return text
}
