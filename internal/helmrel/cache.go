package helmrel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Cache keeps what repositories and registries sent, in a folder of one user. What is in it is named by
// its digest and checked when it is read, so that an entry that somebody changed counts for nothing.
// A nil Cache keeps nothing. It may be deleted at any time, and shared by runs at the same time.
type Cache struct{ dir string }

// OpenCache opens the folder, and makes it where it is missing. It refuses one that another user owns or
// may enter.
func OpenCache(dir string) (*Cache, error) {
	for _, sub := range []string{"blobs", "repositories"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("making the chart cache: %w", err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the chart cache: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("refusing the chart cache %s: it belongs to another user", dir)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("refusing the chart cache %s: others may enter it (mode %04o, wanted 0700)", dir, info.Mode().Perm())
	}
	return &Cache{dir}, nil
}

// blobFile is where the content of a digest is kept. scope is who got it from where: what one may read
// is not handed to another who only knows its digest.
func (c *Cache) blobFile(scope, digest string) string {
	return filepath.Join(c.dir, "blobs", digest+"."+sumOf([]byte(scope))[:16])
}

// blob gives the content of a digest, 64 hexadecimal digits; nil where it is not there or not whole.
func (c *Cache) blob(scope, digest string) []byte {
	if c == nil || !isDigest(digest) {
		return nil
	}
	data, err := os.ReadFile(c.blobFile(scope, digest))
	if err != nil || sumOf(data) != digest {
		return nil
	}
	return data
}

// keep stores content. A cache that cannot be written slows down later runs and harms nothing else.
func (c *Cache) keep(scope string, data []byte) {
	if c != nil {
		_ = c.write(c.blobFile(scope, sumOf(data)), data)
	}
}

func (c *Cache) write(file string, data []byte) error {
	f, err := c.temp()
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// temp is a new file that nobody else can read.
func (c *Cache) temp() (*os.File, error) {
	if c != nil {
		return os.CreateTemp(c.dir, "new-*")
	}
	return os.CreateTemp("", "sluice-index-*")
}

// repositoryMemory is what the cache knows of one repository.
type repositoryMemory struct {
	URL string `json:"url"`
	// Digest is that of the index; ETag and Modified are what the server said of it.
	Digest   string `json:"digest,omitempty"`
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
	// Charts are the digests of the versions that were used, by name and version.
	Charts map[string]string `json:"charts,omitempty"`
}

func (c *Cache) memoryFile(scope string) string {
	return filepath.Join(c.dir, "repositories", sumOf([]byte(scope))[:32]+".json")
}

func (c *Cache) recall(scope string) repositoryMemory {
	var m repositoryMemory
	if c == nil {
		return m
	}
	data, err := os.ReadFile(c.memoryFile(scope))
	if err != nil || json.Unmarshal(data, &m) != nil || (m.Digest != "" && !isDigest(m.Digest)) {
		return repositoryMemory{}
	}
	return m
}

func (c *Cache) remember(scope string, m repositoryMemory) {
	if c == nil {
		return
	}
	if data, err := json.Marshal(m); err == nil {
		_ = c.write(c.memoryFile(scope), data)
	}
}

// body is what was downloaded.
type body struct {
	io.ReaderAt
	size   int64
	digest string
	drop   func() // forgets it
}

// download takes a body of at most limit bytes. With a cache it stays there under its digest; without one
// it is in a file that has no name any more, or where no file can be made in memory.
func (c *Cache) download(scope string, from io.Reader, limit int64) (*body, error) {
	from = io.LimitReader(from, limit+1)
	f, err := c.temp()
	if err != nil && c == nil {
		return inMemory(from, limit)
	}
	if err != nil {
		return nil, err
	}
	b := &body{ReaderAt: f}
	b.drop = func() { _, _ = os.Remove(f.Name()), f.Close() }
	sum := sha256.New()
	b.size, err = io.Copy(io.MultiWriter(f, sum), from)
	b.digest = hex.EncodeToString(sum.Sum(nil))
	switch {
	case err != nil:
	case b.size > limit:
		err = errTooLarge
	case c == nil:
		err = os.Remove(f.Name())
	default:
		file := c.blobFile(scope, b.digest)
		err = os.Rename(f.Name(), file)
		b.drop = func() { _, _ = os.Remove(file), f.Close() }
	}
	if err != nil {
		b.drop()
		return nil, err
	}
	return b, nil
}

func inMemory(from io.Reader, limit int64) (*body, error) {
	text, err := io.ReadAll(from)
	if err == nil && int64(len(text)) > limit {
		err = errTooLarge
	}
	return &body{bytes.NewReader(text), int64(len(text)), sumOf(text), func() {}}, err
}

var errTooLarge = errors.New("too large")

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// isDigest reports whether text is a sha256 in hexadecimal digits, and so can name a file.
func isDigest(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == sha256.Size
}

// digestOf reads a file to its end.
func digestOf(r io.ReadSeeker) (digest string, size int64, err error) {
	sum := sha256.New()
	if size, err = io.Copy(sum, r); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(sum.Sum(nil)), size, nil
}
