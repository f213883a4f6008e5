package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// host is one registry. The handshake, which finds out how it wants to be spoken to, is made once.
type host struct {
	client *Client
	name   string
	slots  chan struct{} // one for each image that may be read at a time

	once      sync.Once
	registry  name.Registry
	challenge *transport.Challenge
	err       error

	mu       sync.Mutex
	sessions map[sessionKey]*session
}

// sessionKey is what a token is for: one repository, and one login.
type sessionKey struct {
	path  string // the repository within the host
	login Login
}

// session is access to a repository of a host.
type session struct {
	host *host
	sessionKey
	once   sync.Once
	client http.RoundTripper
	err    error

	configs sync.Map // digest: func() (fact, error), so that tags of one image cost one request
	memory  *memory
}

func (c *Client) host(address string) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[address]
	if h == nil {
		h = &host{client: c, name: address, sessions: map[sessionKey]*session{},
			slots: make(chan struct{}, max(c.options.Parallel, 1))}
		c.hosts[address] = h
	}
	return h
}

func (h *host) scrub(text string) string { return h.client.keys.secrets.scrub(text) }

// session opens a repository. What fails stays failed for the client's life: 50 repositories of a
// silent host cost one wait.
func (c *Client) session(ctx context.Context, repository imageref.Ref) (*session, error) {
	canonical := repository.Canonical()
	h := c.host(canonical.Registry)
	h.once.Do(func() { h.err = h.fail("connecting to "+h.name, h.greet(ctx)) })
	if h.err != nil {
		return nil, h.err
	}
	h.mu.Lock()
	key := sessionKey{canonical.Repository, c.login}
	s := h.sessions[key]
	if s == nil {
		s = &session{host: h, sessionKey: key, memory: c.remember(canonical.Name())}
		h.sessions[key] = s
	}
	h.mu.Unlock()
	s.once.Do(func() { s.err = h.fail("asking for access to "+canonical.Name(), s.open(ctx)) })
	return s, s.err
}

// greet asks which scheme the host speaks and how it wants credentials.
func (h *host) greet(ctx context.Context) error {
	var options []name.Option
	if insecure(h.client.options.Insecure, h.name) {
		options = append(options, name.Insecure)
	}
	var err error
	if h.registry, err = name.NewRegistry(h.name, options...); err != nil {
		return &refusal{Refused, bare(err)}
	}
	h.challenge, err = transport.Ping(ctx, h.registry, h.fence())
	return err
}

func (h *host) fence(trusted ...string) *fence {
	return &fence{insecure: h.client.options.Insecure, trusted: trusted, next: h.client.wire}
}

// open gets a token where the host wants one.
func (s *session) open(ctx context.Context) error {
	h := s.host
	config, err := s.credential(ctx)
	if err != nil {
		return &Error{Fault: Credential, Doing: "reading the credential for " + h.name, Host: h.name, Err: err}
	}
	auth := authn.Anonymous
	if config != nil {
		auth = authn.FromConfig(*config)
	}
	if !strings.EqualFold(h.challenge.Scheme, "bearer") {
		s.client, err = transport.FromToken(h.registry, auth, h.fence(h.name), h.challenge, &transport.Token{})
		return err
	}
	realm, err := url.Parse(h.challenge.Parameters["realm"])
	if err != nil || realm.Host == "" {
		return &malformed{"the registry names no token service"}
	}
	if config != nil && !h.client.mayHaveCredential(h.name, realm.Host) {
		return &refusal{TokenHost, fmt.Sprintf("the credential for %s would go to the token service on %s", h.name, realm.Host)}
	}
	fence := h.fence(h.name, realm.Host)
	scopes := []string{"repository:" + s.path + ":pull"}
	token, err := transport.Exchange(ctx, h.registry, auth, fence, scopes, h.challenge)
	if err != nil {
		return err
	}
	h.client.keys.secrets.add(token.Token, token.AccessToken, token.RefreshToken)
	if token.Token == "" {
		token.Token = token.AccessToken // FromToken looks at the first only
	}
	s.client, err = transport.FromToken(h.registry, auth, fence, h.challenge, token)
	return err
}

// mayHaveCredential says that a token service stands on the registry's host, or in its domain:
// gitlab.com for registry.gitlab.com, auth.docker.io for index.docker.io.
func (c *Client) mayHaveCredential(registry, realm string) bool {
	a, b := strings.ToLower(hostname(registry)), strings.ToLower(hostname(realm))
	if a == b || insecure(c.options.TokenHosts, realm) {
		return true
	}
	domain := func(host string) string {
		if _, parent, ok := strings.Cut(host, "."); ok && strings.Contains(parent, ".") && strings.Trim(host, "0123456789.") != "" {
			return parent
		}
		return host
	}
	return slices.Contains([]string{domain(a), a}, b) || domain(a) == domain(b) || domain(b) == a
}

// The media types of manifests that we can read.
const accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

// url addresses a thing of the repository.
func (s *session) url(kind, what string) *url.URL {
	scheme := "https"
	if s.host.challenge.Insecure {
		scheme = "http"
	}
	return &url.URL{Scheme: scheme, Host: s.host.registry.RegistryStr(), Path: "/v2/" + s.path + "/" + kind + "/" + what}
}

// do makes a request and wants 200. A redirect may lead to another host only where content is
// checked by its digest.
func (s *session) do(ctx context.Context, method string, at *url.URL, elsewhere bool) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	client := http.Client{Transport: s.client, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > 5 {
			return &malformed{"the registry redirects in circles"}
		}
		if !elsewhere && next.URL.Host != at.Host {
			return &refusal{Refused, "the registry redirects to " + next.URL.Host}
		}
		return nil
	}}
	answer, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		return nil, statusError(answer)
	}
	return answer, nil
}

// get reads a whole answer of at most limit bytes.
func (s *session) get(ctx context.Context, at *url.URL, elsewhere bool, limit int64) ([]byte, http.Header, error) {
	answer, err := s.do(ctx, http.MethodGet, at, elsewhere)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	switch {
	case err != nil && errors.Is(err, errNoAnswer):
		return nil, nil, err
	case err != nil:
		return nil, nil, &malformed{"the answer was cut short"}
	case int64(len(body)) > limit:
		return nil, nil, &malformed{fmt.Sprintf("the answer is larger than %d bytes", limit)}
	}
	return body, answer.Header, nil
}
