package helmrel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
)

// The largest index and the largest archive that are read.
const (
	maxIndex   = 128 << 20
	maxArchive = 64 << 20
)

// wish is a chart that somebody wants of a repository or registry.
type wish struct {
	base, name, version string
	login               Login
}

func (w wish) key() string {
	return strings.Join([]string{w.base, w.name, w.version, w.login.who()}, "\x00")
}

// archive is a chart as it was packed.
type archive struct {
	version string // as the index or the tag says
	digest  string // of the bytes
	data    []byte
	notes   []string
	// from is the digest of an OCI manifest; empty for a chart of a repository.
	from string
}

// helmRepository is one repository as one login sees it. Its index is asked for once in a run.
type helmRepository struct {
	ledger
	base   string
	client *http.Client
	index  *index
}

// ledger is what is remembered of a repository from run to run.
type ledger struct {
	cache  *Cache
	scope  string // in the cache
	mu     sync.Mutex
	memory repositoryMemory
}

// fromRepository finds a chart in a Helm repository.
func (s *Sources) fromRepository(ctx context.Context, w wish) (*archive, error) {
	r, err := s.repositories.do(w.base+"\x00"+w.login.who(), func() (*helmRepository, error) { return s.openRepository(ctx, w.base, w.login) })
	if err != nil {
		return nil, fmt.Errorf("reading the index of %s: %w", redact(w.base), err)
	}
	entries, err := r.index.versions(w.name)
	if err != nil {
		return nil, fmt.Errorf("repository %s: the index's entries of chart %s do not parse: %w", redact(w.base), w.name, err)
	}
	if entries == nil {
		return nil, fmt.Errorf("repository %s has no chart %s", redact(w.base), w.name)
	}
	chosen, ok := choose(entries, w.version)
	switch {
	case !ok:
		return nil, fmt.Errorf("repository %s has no version of chart %s that matches %q", redact(w.base), w.name, w.version)
	case len(chosen.URLs) == 0:
		return nil, fmt.Errorf("repository %s gives no URL for chart %s %s", redact(w.base), w.name, chosen.Version)
	}
	at, err := resolveURL(w.base, chosen.URLs[0])
	if err != nil {
		return nil, fmt.Errorf("repository %s: URL of chart %s %s does not parse", redact(w.base), w.name, chosen.Version)
	}
	a, err := s.repositoryArchive(ctx, r, w, chosen, at)
	if err != nil {
		return nil, fmt.Errorf("fetching chart %s %s: %w", w.name, chosen.Version, err)
	}
	return a, nil
}

func (s *Sources) repositoryArchive(ctx context.Context, r *helmRepository, w wish, e entry, at string) (*archive, error) {
	want := strings.TrimPrefix(strings.ToLower(e.Digest), "sha256:")
	a := &archive{version: e.Version, digest: want, data: s.Cache.blob(r.scope, want)}
	if a.data == nil {
		body, err := fetch(ctx, r.client, at, maxArchive)
		if err != nil {
			return nil, err
		}
		a.data, a.digest = body, sumOf(body)
		if want != "" && want != a.digest {
			return nil, fmt.Errorf("%s has digest %s, the index says %s", redact(at), a.digest, want)
		}
		s.Cache.keep(r.scope, body)
	}
	a.notes = r.republished(w.name, e.Version, a.digest)
	if err := s.checkSignature(a, w.name, func() ([]byte, error) { return fetch(ctx, r.client, provURL(at), maxProvenance) }); err != nil {
		return nil, err
	}
	return a, nil
}

// republished notices that a version is not what it was when it was last used.
func (s *ledger) republished(name, version, digest string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := name + "@" + version
	before := s.memory.Charts[key]
	if before == digest {
		return nil
	}
	if s.memory.Charts == nil {
		s.memory.Charts = map[string]string{}
	}
	s.memory.Charts[key] = digest
	s.cache.remember(s.scope, s.memory)
	if before == "" {
		return nil
	}
	return []string{fmt.Sprintf("version %s of chart %s was published anew: its digest was %.12s and is %.12s", version, name, before, digest)}
}

// openRepository asks for the index, or whether it is still the one in the cache.
func (s *Sources) openRepository(ctx context.Context, base string, login Login) (*helmRepository, error) {
	at, err := resolveURL(base, "index.yaml")
	if err != nil {
		return nil, errors.New("the URL does not parse")
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, errors.New("the URL does not parse")
	}
	r := &helmRepository{base: base, client: s.client(u, login)}
	r.cache, r.scope = s.Cache, base+"\x00"+login.User
	r.memory = s.Cache.recall(r.scope)
	if r.memory.Digest != "" && r.memory.ETag+r.memory.Modified != "" {
		r.index = s.cachedIndex(r)
	}
	response, err := r.ask(ctx, at)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified && r.index != nil {
		return r, nil
	}
	if response.StatusCode != http.StatusOK {
		return nil, &answered{u.Redacted(), response.StatusCode, response.Status}
	}
	return r, s.newIndex(r, response)
}

// cachedIndex opens the index that the cache holds; nil where it is not what it was.
func (s *Sources) cachedIndex(r *helmRepository) *index {
	f, err := os.Open(s.Cache.blobFile(r.scope, r.memory.Digest))
	if err != nil {
		return nil
	}
	if digest, size, err := digestOf(f); err == nil && digest == r.memory.Digest {
		if x, err := readIndex(f, size); err == nil {
			return x
		}
	}
	_ = f.Close()
	return nil
}

func (r *helmRepository) ask(ctx context.Context, at string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, errors.New("the URL does not parse")
	}
	if r.index != nil {
		for header, value := range map[string]string{"If-None-Match": r.memory.ETag, "If-Modified-Since": r.memory.Modified} {
			if value != "" {
				request.Header.Set(header, value)
			}
		}
	}
	return send(r.client, request)
}

// newIndex takes the index that was sent, and the place of the one before it.
func (s *Sources) newIndex(r *helmRepository, response *http.Response) error {
	got, err := s.Cache.download(r.scope, response.Body, maxIndex)
	if errors.Is(err, errTooLarge) {
		return fmt.Errorf("it is larger than %d MiB", maxIndex>>20)
	}
	if err != nil {
		return err
	}
	if r.index, err = readIndex(got, got.size); err != nil {
		got.drop()
		return err
	}
	before := r.memory.Digest
	r.memory.URL, r.memory.Digest = redact(r.base), got.digest
	r.memory.ETag, r.memory.Modified = response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	s.Cache.remember(r.scope, r.memory)
	if s.Cache != nil && before != "" && before != got.digest {
		_ = os.Remove(s.Cache.blobFile(r.scope, before))
	}
	return nil
}

// answered is an answer that is not what was asked for.
type answered struct {
	url    string
	code   int
	status string
}

func (e *answered) Error() string { return e.url + " answered " + e.status }

// fetch reads what stands at a URL, at most limit bytes.
func fetch(ctx context.Context, client *http.Client, at string, limit int64) ([]byte, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, errors.New("the URL does not parse")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := send(client, request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, &answered{u.Redacted(), response.StatusCode, response.Status}
	}
	return readLimited(response.Body, u.Redacted(), limit)
}

func readLimited(r io.Reader, name string, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("%s is larger than %g MiB", name, float64(limit)/(1<<20))
	}
	return body, nil
}

// resolveURL finds a URL from a repository's: a slash at the end of it makes no difference, and its query
// stays.
func resolveURL(base, ref string) (string, error) {
	r, err := url.Parse(ref)
	if err != nil {
		return "", err
	}
	if r.IsAbs() {
		return ref, nil
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	b.RawPath = strings.TrimSuffix(b.RawPath, "/") + "/"
	b.Path = strings.TrimSuffix(b.Path, "/") + "/"
	at := b.ResolveReference(r)
	at.RawQuery = b.RawQuery
	return at.String(), nil
}

// redact hides a password in a URL; one that does not parse is not shown at all.
func redact(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return "(URL)"
	}
	return u.Redacted()
}
