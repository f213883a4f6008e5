package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// Memcached is a [Cache] in a memcached server. Whoever can write to the server can mislead about the
// age of images; the protocol has neither users nor encryption.
type Memcached struct{ client *memcache.Client }

// The limits of a server's answers.
const (
	memcachedTimeout = time.Second
	maxMemcached     = 1<<20 - 1024 // bytes: what a server takes as it comes
)

// OpenMemcached is the server at an address, host:port. It is asked when it is needed.
func OpenMemcached(address string) (*Memcached, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || strings.Trim(port, "0123456789") != "" {
		return nil, fmt.Errorf("parsing the address %q of a memcached: want host:port", address)
	}
	servers := &memcache.ServerList{}
	if err := servers.SetServers(address); err != nil {
		return nil, fmt.Errorf("looking for the memcached: %w", err)
	}
	client := memcache.NewFromSelector(servers)
	client.Timeout, client.MaxIdleConns = memcachedTimeout, 16
	return &Memcached{client}, nil
}

// Load implements [Cache].
func (m *Memcached) Load(_ context.Context, key string) ([]byte, error) {
	item, err := m.client.Get(memcachedKey(key))
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading from memcached: %w", err)
	}
	return item.Value, nil
}

// Save implements [Cache]. The server forgets a text that it was not asked for or given for long.
func (m *Memcached) Save(_ context.Context, key string, text []byte) error {
	if len(text) > maxMemcached {
		return fmt.Errorf("writing to memcached: an entry of %d bytes is more than it takes", len(text))
	}
	if err := m.client.Set(&memcache.Item{Key: memcachedKey(key), Value: text}); err != nil {
		return fmt.Errorf("writing to memcached: %w", err)
	}
	return nil
}

func memcachedKey(key string) string { return "sluice-registry-" + key }
