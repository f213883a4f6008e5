package gitrepo

import (
	"crypto/sha1" //nolint:gosec // git's object names
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// cacheSize bounds the objects that are kept in memory as bases of others.
const cacheSize = 16 * cache.MiByte

// maxMeta is the largest commit, tag or tree that is read, in bytes.
const maxMeta = 64 << 20

// Store is a bare object store on disk. It is safe for concurrent use.
type Store struct {
	dir string

	mu  sync.Mutex // go-git's storage is not safe for concurrent use, reading included
	raw *filesystem.Storage
}

// OpenStore opens the store in dir for reading, without a word to any server. The folder must
// be the caller's own, closed to others, and borrow no objects from elsewhere.
func OpenStore(dir string) (*Store, error) {
	if err := checkStore(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	s.reopen()
	return s, nil
}

// Dir returns the absolute path of the store.
func (s *Store) Dir() string { return s.dir }

// Close frees what is held open. The store must not be used afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.ObjectStorage.Close()
}

// reopen makes the store see what was written to it by others.
func (s *Store) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reopenLocked()
}

func (s *Store) reopenLocked() {
	if s.raw != nil {
		_ = s.raw.ObjectStorage.Close()
	}
	// Nothing but objects is read through this: no configuration, no hooks, no refs.
	s.raw = filesystem.NewStorageWithOptions(osfs.New(s.dir, osfs.WithBoundOS()),
		cache.NewObjectLRU(cacheSize), filesystem.Options{KeepDescriptors: true})
}

// has reports whether the object is there. Objects arrive whole and a commit last, so a commit
// that is there has all that it needs.
func (s *Store) has(h plumbing.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.HasEncodedObject(h) == nil
}

// object reads one object of at most limit bytes and checks its bytes against its name.
func (s *Store) object(kind plumbing.ObjectType, h plumbing.Hash, limit int64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := s.read(kind, h, limit)
	if errors.Is(err, dotgit.ErrPackfileNotFound) {
		s.reopenLocked() // another process has put the packs together to one
		text, err = s.read(kind, h, limit)
	}
	if errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("reading %s %s: %w", kind, h, err)
	}
	if err != nil {
		return nil, s.readError(kind, h, err)
	}
	if hashOf(kind, text) != h {
		return nil, newFault(CodeMirror, fmt.Sprintf("reading %s %s from %s: its content is another one's", kind, h, s.dir),
			"the mirror is damaged: remove that folder, it is fetched anew")
	}
	return text, nil
}

func (s *Store) read(kind plumbing.ObjectType, h plumbing.Hash, limit int64) ([]byte, error) {
	size, err := s.raw.EncodedObjectSize(h)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	o, err := s.raw.EncodedObject(kind, h)
	if err != nil {
		return nil, err
	}
	return readAll(o, size)
}

func readAll(o plumbing.EncodedObject, size int64) ([]byte, error) {
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	return text, nil
}

func (s *Store) readError(kind plumbing.ObjectType, h plumbing.Hash, err error) error {
	f := newFault(CodeMirror, fmt.Sprintf("reading %s %s from %s: %v", kind, h, s.dir, err),
		"the mirror is damaged: remove that folder, it is fetched anew")
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		f.text = fmt.Sprintf("reading %s %s from %s: the object is missing", kind, h, s.dir)
		f.cause = ErrNotFound
	}
	return f
}

// hashOf is git's name for an object. crypto/sha1 is several times faster than go-git's
// collision-detecting one, which has already seen each object when it came in.
func hashOf(kind plumbing.ObjectType, text []byte) plumbing.Hash {
	sum := sha1.New() //nolint:gosec // git's object names
	fmt.Fprintf(sum, "%s %d\x00", kind, len(text))
	sum.Write(text)
	var h plumbing.Hash
	sum.Sum(h[:0])
	return h
}

func parseHash(s string) (plumbing.Hash, bool) {
	var h plumbing.Hash
	if len(s) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}
