package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// Options say how a [Client] behaves.
type Options struct {
	// RPS and Burst limit the requests to each host: RPS per second on the long run, Burst at
	// once. Both are above zero.
	RPS   float64
	Burst int
	// Parallel is how many tag lists and images of one host are read at the same time; at least 1.
	Parallel int
	// RequestTimeout limits one request, its answer's body included; zero for no limit.
	RequestTimeout time.Duration
	// Insecure names hosts, with or without port, whose TLS certificate is not checked, and
	// that may speak plain http.
	Insecure []string
	// TokenHosts may be given any registry's credential in exchange for a token, besides those
	// of the registry's own domain.
	TokenHosts []string
	// Credentials are the registries' user names and passwords.
	Credentials Credentials
	// Keychains are the clouds that are asked where the credentials have nothing.
	Keychains []Keychain
	// TLS has the authorities that are trusted and the certificate that is shown; nil for the
	// system's, and none. See [LoadTLS].
	TLS *tls.Config
	// Platform chooses from an index; see [ParsePlatform].
	Platform Platform
	// UseLabels are the repositories whose images' labels tell the creation time before their
	// configuration does: org.opencontainers.image.created, or else org.label-schema.build-date.
	UseLabels Globs
	// Cache keeps what is learned of images; nil for nothing. At is the time of the run, by which it
	// is told what is to be asked again; zero for Now.
	Cache Cache
	At    time.Time
	// Looked, unless nil, is called after each image that was looked at, from several goroutines.
	Looked func()

	// Transport makes the connections; nil for the usual one, which honours the proxy settings
	// of the environment.
	Transport http.RoundTripper
	// Now is the clock and Sleep waits: nil for the real ones.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// Client reads registries. Its methods may be called at the same time.
type Client struct {
	*shared
	login Login
}

// shared is what the clients that [Client.As] makes have in common.
type shared struct {
	options Options
	wire    http.RoundTripper

	mu    sync.Mutex
	hosts map[string]*host
	gates map[string]*gate

	keys keyring

	cacheErr error
}

// New makes a client.
func New(options Options) *Client {
	c := &Client{shared: &shared{options: options, hosts: map[string]*host{}, gates: map[string]*gate{}}}
	if c.options.Now == nil {
		c.options.Now = time.Now
	}
	if c.options.At.IsZero() {
		c.options.At = c.options.Now()
	}
	if c.options.Sleep == nil {
		c.options.Sleep = sleep
	}
	if c.options.Platform == (Platform{}) {
		c.options.Platform = Platform{OS: "linux", Architecture: "amd64"}
	}
	if c.wire = options.Transport; c.wire == nil {
		c.wire = newWire(options)
	}
	c.wire = &patient{client: c, next: &impatient{limit: options.RequestTimeout, next: c.wire}}
	return c
}

// As gives a client that logs in with this before anything else. Both share connections, rates and
// handshakes.
func (c *Client) As(login Login) *Client { return &Client{c.shared, login} }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// insecure says that a host (host or host:port) was named as insecure.
func insecure(named []string, address string) bool {
	for _, name := range named {
		if strings.EqualFold(name, address) || strings.EqualFold(name, hostname(address)) {
			return true
		}
	}
	return false
}

// hostname cuts the port off.
func hostname(address string) string {
	if i := strings.LastIndexByte(address, ':'); i > strings.LastIndexByte(address, ']') {
		return address[:i]
	}
	return address
}

// Platform is what an image runs on.
type Platform struct{ OS, Architecture, Variant string }

// ParsePlatform reads os/architecture or os/architecture/variant.
func ParsePlatform(text string) (Platform, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" || parts[len(parts)-1] == "" {
		return Platform{}, fmt.Errorf("parsing platform %q: want os/architecture[/variant], such as linux/amd64", text)
	}
	return Platform{parts[0], parts[1], strings.Join(parts[2:], "")}, nil
}

// String writes the platform as [ParsePlatform] reads it.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// userAgent is what servers see.
const userAgent = "sluice (" + runtime.GOOS + "/" + runtime.GOARCH + ")"

// Image is what is known of the image under a tag.
type Image struct {
	Tag string
	// Digest is the digest of the manifest or index under the tag.
	Digest string
	// Created is when the image was created, in UTC.
	Created time.Time
	// Doubt names a label that should tell the creation time, and cannot be read; mostly empty.
	Doubt string
	// Err, an [*Error], says why Created is not known.
	Err error
}

// Images looks at the images under some tags of a repository, in the order of the tags. What the
// cache knows is not asked again.
func (c *Client) Images(ctx context.Context, repository imageref.Ref, tags []string) []Image {
	images := make([]Image, len(tags))
	var wg sync.WaitGroup
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	slots := c.host(repository.Canonical().Registry).slots
	for i, tag := range tags {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			images[i] = c.image(ctx, repository, tag)
			if err := known(images[i].Err); err != nil && err.Fault.ofHost() {
				stop(images[i].Err) // the others would only add to its troubles
			}
			if c.options.Looked != nil {
				c.options.Looked()
			}
		})
	}
	wg.Wait()
	return images
}

// Done says that nothing more is wanted of a repository: what was learned goes to the cache, and
// out of memory.
func (c *Client) Done(ctx context.Context, repository imageref.Ref) {
	canonical := repository.Canonical()
	h := c.host(canonical.Registry)
	key := sessionKey{canonical.Repository, c.login}
	h.mu.Lock()
	s := h.sessions[key]
	delete(h.sessions, key)
	h.mu.Unlock()
	if s != nil {
		s.memory.save(ctx)
	}
}

// CacheErr is the first failure of the cache; nil where it did its work. After a failure it is left
// alone, and everything is asked of the registries.
func (c *Client) CacheErr() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cacheErr
}

// remember opens the notebook on a repository.
func (c *Client) remember(repository string) *memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	cache := c.options.Cache
	if c.cacheErr != nil {
		cache = nil
	}
	return newMemory(cache, c.cacheFailed, repository, c.options.Platform)
}

func (c *Client) cacheFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cacheErr == nil {
		c.cacheErr = err
	}
}
