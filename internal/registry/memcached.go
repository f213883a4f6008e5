package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// Memcached is a [Cache] in a memcached server. Whoever can write to the server can mislead about the
// age of images; the protocol has neither users nor encryption.
type Memcached struct{ client *memcache.Client }

// How long an answer may take, and how a text is cut up: a server as it comes takes a mebibyte at once.
const (
	memcachedTimeout = time.Second
	partSize         = 1<<20 - 1024 // bytes
	maxParts         = 64
)

// OpenMemcached is the server at an address, host:port. It is asked when it is needed.
func OpenMemcached(address string) (*Memcached, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || strings.Trim(port, "0123456789") != "" {
		return nil, fmt.Errorf("parsing %q: a memcached is written memcached://HOST:PORT, such as memcached://localhost:11211", address)
	}
	servers := &memcache.ServerList{}
	if err := servers.SetServers(address); err != nil {
		return nil, fmt.Errorf("looking for the memcached: %w", err)
	}
	client := memcache.NewFromSelector(servers)
	client.Timeout, client.MaxIdleConns = memcachedTimeout, 16
	return &Memcached{client}, nil
}

// Load implements [Cache]. Parts of different texts, from writers at the same time, may be put
// together: a checksum tells.
func (m *Memcached) Load(_ context.Context, key string) ([]byte, error) {
	first, err := m.client.Get(partKey(key, 0))
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading from memcached: %w", err)
	}
	count, text, _ := bytes.Cut(first.Value, []byte("\n"))
	parts, err := strconv.Atoi(string(count))
	if err != nil || parts < 1 || parts > maxParts {
		return nil, nil // not ours
	}
	for n := 1; n < parts; n++ {
		part, err := m.client.Get(partKey(key, n))
		if errors.Is(err, memcache.ErrCacheMiss) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading from memcached: %w", err)
		}
		text = append(text, part.Value...)
	}
	return text, nil
}

// Save implements [Cache]. The server forgets what it has no room for.
func (m *Memcached) Save(_ context.Context, key string, text []byte) error {
	parts := slices.Collect(slices.Chunk(text, partSize))
	if len(parts) > maxParts {
		return fmt.Errorf("writing to memcached: an entry of %d bytes is too large", len(text))
	}
	if len(parts) == 0 {
		parts = [][]byte{nil}
	}
	// The first, which says how many there are, is the last to be written.
	for n := len(parts) - 1; n >= 0; n-- {
		part := parts[n]
		if n == 0 {
			part = append([]byte(strconv.Itoa(len(parts))+"\n"), part...)
		}
		if err := m.client.Set(&memcache.Item{Key: partKey(key, n), Value: part}); err != nil {
			return fmt.Errorf("writing to memcached: %w", err)
		}
	}
	return nil
}

func partKey(key string, n int) string { return fmt.Sprintf("sluice-registry-%s-%d", key, n) }
