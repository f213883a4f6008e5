package registry

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Cache keeps what was learned of repositories from one run to the next, one text for each key. A
// key is made of letters and digits. Its methods may be called at the same time, by several
// processes too: the last text saved stands.
type Cache interface {
	// Load gives the text under a key; nil where there is none.
	Load(ctx context.Context, key string) ([]byte, error)
	Save(ctx context.Context, key string, text []byte) error
}

// notebook is the text under one key: what is known of one repository, for one platform.
type notebook struct {
	Repository string `json:"repository"`
	Platform   string `json:"platform"`
	// Images are facts by the digest of a manifest or index. They hold for good.
	Images map[string]fact `json:"images"`
	// Tags say which digest a tag named when it was looked at.
	Tags map[string]sighting `json:"tags"`
}

// fact is what an image says of itself.
type fact struct {
	Created time.Time `json:"created,omitzero"`
	// Label is the creation time that its labels give, as written.
	Label string `json:"label,omitempty"`
	// Fault says why Created is not known, and never will be.
	Fault string `json:"fault,omitempty"`
}

// sighting is a look at a tag.
type sighting struct {
	Digest string `json:"digest"`
	Seen   int64  `json:"seen"`  // when, in Unix seconds
	Every  int64  `json:"every"` // how many seconds that is believed
}

// How long a tag is believed to name the same image, as in Flux.
const (
	firstEvery    = int64(time.Hour / time.Second)
	shortestEvery = int64(5 * time.Minute / time.Second)
	longestEvery  = int64(7 * 24 * time.Hour / time.Second)
	withoutEvery  = int64(24 * time.Hour / time.Second) // of an image without a creation time
)

// due says that the tag is to be looked at again. A clock that was set back makes everything due.
func (s sighting) due(now time.Time) bool {
	age := now.Unix() - s.Seen
	return age < 0 || age >= min(s.Every, longestEvery)
}

// again is the sighting that follows: a tag that stays is looked at half as often, one that moves
// twice as often.
func (s sighting) again(digest string, without bool, now time.Time) sighting {
	next := sighting{Digest: digest, Seen: now.Unix()}
	switch {
	case without:
		next.Every = withoutEvery
	case s.Digest == "":
		next.Every = firstEvery
	case s.Digest == digest:
		next.Every = s.Every * 2
	default:
		next.Every = s.Every / 2
	}
	next.Every = min(max(next.Every, shortestEvery), longestEvery)
	return next
}

// memory is a notebook in use.
type memory struct {
	cache  Cache
	failed func(error)
	key    string
	load   sync.Once

	mu      sync.Mutex
	book    notebook
	changed bool
	tags    []string // as listed last, sorted; nil where they are not known
}

// The first line of a kept text, before its checksum.
const cacheTitle = "sluice registry cache 1 "

// maxCached is the size of a notebook, unpacked, in bytes.
const maxCached = 64 << 20

func newMemory(cache Cache, failed func(error), repository string, platform Platform) *memory {
	m := &memory{cache: cache, failed: failed, book: notebook{Repository: repository, Platform: platform.String()}}
	key := sha256.Sum256([]byte(cacheTitle + repository + " " + m.book.Platform))
	m.key = hex.EncodeToString(key[:])
	m.book.Images, m.book.Tags = map[string]fact{}, map[string]sighting{}
	return m
}

// open reads what was kept. What is cut, damaged, or about another repository or platform is left
// aside: it is all asked again.
func (m *memory) open(ctx context.Context) {
	if m.cache == nil {
		return
	}
	m.load.Do(func() {
		text, err := m.cache.Load(ctx, m.key)
		if err != nil {
			m.failed(err)
			return
		}
		if book, ok := decodeNotebook(text); ok && book.Repository == m.book.Repository && book.Platform == m.book.Platform {
			m.book = book
		}
	})
}

// find gives the image that a tag is believed to name. Where nothing is believed any more the
// sighting still tells what was.
func (m *memory) find(tag string, now time.Time) (last sighting, what fact, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last = m.book.Tags[tag]
	what, known = m.book.Images[last.Digest]
	return last, what, known && !last.due(now)
}

func (m *memory) image(digest string) (fact, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what, known := m.book.Images[digest]
	return what, known
}

// learn notes what an image says of itself.
func (m *memory) learn(digest string, what fact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, known := m.book.Images[digest]; known && old == what {
		return
	}
	m.book.Images[digest], m.changed = what, true
}

// see notes which digest a tag names.
func (m *memory) see(tag, digest string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what := m.book.Images[digest]
	m.book.Tags[tag], m.changed = m.book.Tags[tag].again(digest, what.Fault != "", now), true
}

// forget notes that a tag is gone.
func (m *memory) forget(tag string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.book.Tags[tag]; known {
		delete(m.book.Tags, tag)
		m.changed = true
	}
}

// listed notes the tags that the repository has, sorted.
func (m *memory) listed(tags []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tags = tags
}

// save keeps what was learned, if anything was, of the tags that the repository still has.
func (m *memory) save(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cache == nil || !m.changed {
		return
	}
	m.changed = false
	m.prune()
	text, err := encodeNotebook(m.book)
	if err == nil {
		err = m.cache.Save(ctx, m.key, text)
	}
	if err != nil {
		m.failed(err)
	}
}

func (m *memory) prune() {
	named := map[string]bool{}
	for tag, s := range m.book.Tags {
		if _, has := slices.BinarySearch(m.tags, tag); has || m.tags == nil {
			named[s.Digest] = true
		} else {
			delete(m.book.Tags, tag)
		}
	}
	maps.DeleteFunc(m.book.Images, func(digest string, _ fact) bool { return !named[digest] })
}

func encodeNotebook(book notebook) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(book); err != nil {
		return nil, fmt.Errorf("encoding a cache entry: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing a cache entry: %w", err)
	}
	return append([]byte(cacheTitle+sum(packed.Bytes())+"\n"), packed.Bytes()...), nil
}

// decodeNotebook reads a kept text whose checksum is right.
func decodeNotebook(text []byte) (notebook, bool) {
	title, packed, _ := bytes.Cut(text, []byte("\n"))
	if string(title) != cacheTitle+sum(packed) {
		return notebook{}, false
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return notebook{}, false
	}
	unpacked, err := io.ReadAll(io.LimitReader(r, maxCached+1))
	if err != nil || len(unpacked) > maxCached {
		return notebook{}, false
	}
	var book notebook
	if json.Unmarshal(unpacked, &book) != nil || book.Images == nil || book.Tags == nil {
		return notebook{}, false
	}
	maps.DeleteFunc(book.Images, func(digest string, what fact) bool {
		return !isDigest(digest) || what.Created.IsZero() == (what.Fault == "")
	})
	return book, true
}

// isDigest says that a text is a sha256 digest.
func isDigest(text string) bool {
	hexadecimal, ok := strings.CutPrefix(text, "sha256:")
	return ok && len(hexadecimal) == 64 && strings.Trim(hexadecimal, "0123456789abcdef") == ""
}
