package gitrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const mirrorHint = "a mirror belongs to one user and one job; name a folder of its own with --mirror DIR"

// DefaultMirror returns the folder for mirrors when none is given: sluice/git below
// $XDG_CACHE_HOME or ~/.cache.
func DefaultMirror(getenv func(string) string) (string, error) {
	base := getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) {
		home := getenv("HOME")
		if home == "" {
			return "", newFault(CodeMirror, "there is no home folder to keep the mirror in", "name a folder with --mirror DIR")
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "sluice", "git"), nil
}

// storeName is the folder of one repository below the mirror folder: readable, and different
// for different URLs.
func storeName(url string) string {
	sum := sha256.Sum256([]byte(url))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, Name(url))
	return name + "-" + hex.EncodeToString(sum[:8]) + ".git"
}

// createStore makes the folders of an empty store where they are missing and checks what is there.
func createStore(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("making the mirror folder: %w", err)
	}
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the mirror: %w", err)
	}
	if err := checkStore(dir); err != nil {
		return err
	}
	for _, sub := range []string{"objects/pack", "objects/info", refFolder} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return fmt.Errorf("making the mirror: %w", err)
		}
	}
	// For people who look at the store with git; never read here.
	for name, text := range map[string]string{
		"HEAD":   "ref: refs/heads/none\n",
		"config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
	} {
		if _, err := os.Lstat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			if err := writeFile(filepath.Join(dir, name), text); err != nil {
				return fmt.Errorf("making the mirror: %w", err)
			}
		}
	}
	return nil
}

// checkStore refuses a store that another user could have filled or could read, and one whose
// objects may come from elsewhere or have gaps.
func checkStore(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		f := newFault(CodeMirror, "opening the mirror: "+pathError(err), "run git-fetch first, with the same user and on the same machine")
		if errors.Is(err, fs.ErrNotExist) {
			f.cause = ErrNotFound
		}
		return f
	}
	refuse := func(why string) error {
		return newFault(CodeMirror, "refusing the mirror "+dir+": "+why, mirrorHint)
	}
	if !info.IsDir() {
		return refuse("it is not a folder")
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return refuse("it belongs to another user")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return refuse(fmt.Sprintf("others may enter it (mode %04o, wanted 0700)", info.Mode().Perm()))
	}
	for _, folder := range []string{"objects", "objects/pack", "objects/info", "refs"} {
		if info, err := os.Lstat(filepath.Join(dir, folder)); err == nil && !info.IsDir() {
			return refuse(folder + " is not a folder")
		}
	}
	for _, file := range []string{"objects/info/alternates", "objects/info/http-alternates", "shallow", "commondir"} {
		if _, err := os.Lstat(filepath.Join(dir, file)); err == nil {
			return refuse("it has a file " + file + ", so its objects may come from elsewhere or be incomplete")
		}
	}
	return nil
}

// lock holds the store for writing until the returned function is called.
func (s *Store) lock(ctx context.Context) (func(), error) {
	f, err := os.OpenFile(filepath.Join(s.dir, "sluice.lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the mirror: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && !lies(f) {
			_ = f.Close()
			return nil, errStoreGone
		}
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("locking the mirror %s: %w", s.dir, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("waiting for the mirror %s: %w", s.dir, ErrLocked)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// errStoreGone says that the store was removed by the one who held its lock: the fetch that had made
// it failed.
var errStoreGone = errors.New("the mirror was removed by another process")

// lies says whether a file is still where it was opened.
func lies(f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(open, there)
}

// begin locks the store for writing and makes it where there is none. What it made is gone again
// after an end with an error: half a mirror would only puzzle people.
func (s *Store) begin(ctx context.Context) (end func(error), err error) {
	for range 10 {
		_, missing := os.Lstat(s.dir)
		made := errors.Is(missing, fs.ErrNotExist)
		if err := createStore(s.dir); err != nil {
			return nil, err
		}
		unlock, err := s.lock(ctx)
		if errors.Is(err, errStoreGone) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return func(err error) {
			if packs, _ := s.listPacks(); made && err != nil && len(packs) == 0 {
				_ = os.RemoveAll(s.dir)
			}
			unlock()
		}, nil
	}
	return nil, errStoreGone
}

// refFolder holds what was fetched last for each ref, so that the next fetch can say what it
// has. The names are digests: a server's ref names never become paths, and a branch "a" can
// give way to "a/b".
const refFolder = "refs/sluice"

func (s *Store) refFile(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(s.dir, refFolder, hex.EncodeToString(sum[:16]))
}

func (s *Store) setRef(name, hash string) error {
	if err := writeFile(s.refFile(name), hash+"\n"); err != nil {
		return fmt.Errorf("noting %s in the mirror: %w", name, err)
	}
	return nil
}

// tips returns the hashes noted for all refs; damaged notes are left out.
func (s *Store) tips() []string {
	files, _ := filepath.Glob(filepath.Join(s.dir, refFolder, "*"))
	var tips []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if hash := strings.TrimSpace(string(text)); err == nil && len(hash) == 40 {
			tips = append(tips, hash)
		}
	}
	return tips
}

// writeFile replaces a file in one step.
func writeFile(name, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(text)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
