package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Dir is a [Cache] in a folder, a file for each key. It belongs to one user.
type Dir struct{ path string }

// OpenDir opens the folder, and makes it where it is missing. It refuses one that another user owns
// or may write to: whoever can write there says which image a tag names.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the cache folder: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening the cache folder: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("refusing the cache folder %s: it belongs to another user", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("refusing the cache folder %s: others may enter it (mode %04o, wanted 0700)", path, info.Mode().Perm())
	}
	return &Dir{path}, nil
}

// Load implements [Cache].
func (d *Dir) Load(_ context.Context, key string) ([]byte, error) {
	text, err := os.ReadFile(d.file(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the cache: %w", err)
	}
	return text, nil
}

// Save implements [Cache]. The file is whole or as it was.
func (d *Dir) Save(_ context.Context, key string, text []byte) error {
	f, err := os.CreateTemp(d.path, "new-*")
	if err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	_, err = f.Write(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), d.file(key))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("writing the cache: %w", err)
	}
	return nil
}

func (d *Dir) file(key string) string { return filepath.Join(d.path, key+".cache") }
