package helmrel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"helm.sh/helm/v3/pkg/repo"
	"sigs.k8s.io/yaml"
)

// The largest index and the largest archive that are read.
const (
	maxIndex   = 128 << 20
	maxArchive = 64 << 20
)

// repository asks Helm repositories; every index and every archive once.
type repository struct {
	guard    *Guard
	client   *http.Client
	indexes  memo[*repo.IndexFile]
	archives memo[*Chart]
}

// chart finds name at version, which may be a range, in the repository at base.
func (r *repository) chart(ctx context.Context, base, name, version string) (*Chart, error) {
	index, err := r.indexes.do(base, func() (*repo.IndexFile, error) { return r.index(ctx, base) })
	if err != nil {
		return nil, fmt.Errorf("reading the index of %s: %w", redact(base), err)
	}
	entry, err := index.Get(name, version)
	switch {
	case errors.Is(err, repo.ErrNoChartName):
		return nil, fmt.Errorf("repository %s has no chart %s", redact(base), name)
	case err != nil:
		return nil, fmt.Errorf("repository %s has no version of chart %s that matches %q", redact(base), name, version)
	case len(entry.URLs) == 0:
		return nil, fmt.Errorf("repository %s gives no URL for chart %s %s", redact(base), name, entry.Version)
	}
	at, err := repo.ResolveReferenceURL(base, entry.URLs[0])
	if err != nil {
		return nil, fmt.Errorf("repository %s: URL of chart %s %s does not parse", redact(base), name, entry.Version)
	}
	c, err := r.archives.do(at+"\x00"+entry.Digest, func() (*Chart, error) { return r.archive(ctx, at, entry.Digest) })
	if err != nil {
		return nil, fmt.Errorf("fetching chart %s %s: %w", name, entry.Version, err)
	}
	return c, nil
}

func (r *repository) index(ctx context.Context, base string) (*repo.IndexFile, error) {
	at, err := repo.ResolveReferenceURL(base, "index.yaml")
	if err != nil {
		return nil, errors.New("the URL does not parse")
	}
	body, err := r.get(ctx, at, maxIndex)
	if err != nil {
		return nil, err
	}
	index := &repo.IndexFile{}
	if err := yaml.Unmarshal(body, index); err != nil {
		return nil, fmt.Errorf("index.yaml does not parse: %w", err)
	}
	if index.APIVersion == "" {
		return nil, errors.New("index.yaml has no apiVersion: this is not a Helm repository")
	}
	for name, versions := range index.Entries {
		kept := versions[:0]
		for _, v := range versions {
			// an entry without metadata would make sorting panic
			if v != nil && v.Metadata != nil && v.Version != "" {
				kept = append(kept, v)
			}
		}
		index.Entries[name] = kept
	}
	index.SortEntries()
	return index, nil
}

func (r *repository) archive(ctx context.Context, at, digest string) (*Chart, error) {
	body, err := r.get(ctx, at, maxArchive)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	got := hex.EncodeToString(sum[:])
	if want := strings.TrimPrefix(strings.ToLower(digest), "sha256:"); want != "" && want != got {
		return nil, fmt.Errorf("%s has digest %s, the index says %s", redact(at), got, want)
	}
	return FromArchive(body)
}

func (r *repository) get(ctx context.Context, at string, limit int64) ([]byte, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, errors.New("the URL does not parse")
	}
	if err := r.guard.CheckURL(u); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", u.Redacted(), response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", u.Redacted(), err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("%s is larger than %d MiB", u.Redacted(), limit>>20)
	}
	return body, nil
}

// redact hides a password in a URL; one that does not parse is not shown at all.
func redact(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return "(URL)"
	}
	return u.Redacted()
}
