package helmrel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/Masterminds/semver/v3"
)

// ociScheme starts the URL of a registry that holds charts.
const ociScheme = "oci://"

// The media types of a chart in a registry.
const (
	typeManifest     = "application/vnd.oci.image.manifest.v1+json"
	typeConfig       = "application/vnd.cncf.helm.config.v1+json"
	typeChart        = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	typeChartEarlier = "application/tar+gzip"
	typeProvenance   = "application/vnd.cncf.helm.chart.provenance.v1.prov"
)

const (
	maxManifest = 4 << 20
	maxTags     = 8 << 20 // bytes of one page
	maxPages    = 1000
)

// ociRepository is a repository of a registry as one login sees it.
type ociRepository struct {
	ledger
	base  *url.URL // scheme and host
	path  string
	login Login
	s     *Sources

	token  memo[*http.Client]
	signed atomic.Pointer[http.Client] // once the registry asked who we are
}

// fromRegistry finds a chart in a registry: by tag, by a range over the tags, or by digest.
func (s *Sources) fromRegistry(ctx context.Context, w wish) (*archive, error) {
	r, err := s.openRegistry(w)
	if err != nil {
		return nil, err
	}
	tag, digest, err := r.resolve(ctx, w.version)
	if err != nil {
		return nil, fmt.Errorf("finding chart %s %s: %w", bare(w.base+"/"+w.name), w.version, err)
	}
	a, err := r.pull(ctx, tag, digest)
	if err != nil {
		return nil, fmt.Errorf("fetching chart %s %s: %w", bare(w.base+"/"+w.name), w.version, err)
	}
	return a, nil
}

func (s *Sources) openRegistry(w wish) (*ociRepository, error) {
	key := strings.Join([]string{w.base, w.name, w.login.who()}, "\x00")
	return s.registries.do(key, func() (*ociRepository, error) {
		u, err := url.Parse(strings.TrimSuffix(w.base, "/"))
		if err != nil || u.Host == "" || u.RawQuery != "" {
			return nil, errors.New("the URL of the registry does not parse")
		}
		if slices.Contains(hubNames, u.Host) {
			u.Host = dockerHub
		}
		r := &ociRepository{s: s, base: &url.URL{Scheme: "https", Host: u.Host, User: u.User}, login: w.login}
		if s.Guard.insecure(r.base) {
			r.base.Scheme = "http"
		}
		if err := s.Guard.CheckURL(r.base); err != nil {
			return nil, err
		}
		r.base.User = nil
		r.path = strings.Trim(u.Path+"/"+w.name, "/")
		if !ociName.MatchString(r.path) {
			return nil, fmt.Errorf("%q is no name of a repository in a registry", r.path)
		}
		r.cache, r.scope = s.Cache, ociScheme+u.Host+"/"+r.path+"\x00"+w.login.User
		r.memory = s.Cache.recall(r.scope)
		return r, nil
	})
}

var (
	ociName   = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	ociTag    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	ociDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// resolve turns what chart.version says into a tag, a digest or both. A range is looked for among the
// tags, of which a plus sign is written as an underscore.
func (r *ociRepository) resolve(ctx context.Context, version string) (tag, digest string, err error) {
	if ociDigest.MatchString(version) {
		return "", version, nil
	}
	if before, after, ok := strings.Cut(version, "@"); ok {
		if !ociDigest.MatchString(after) {
			return "", "", fmt.Errorf("%q is no digest: it is sha256: and 64 hexadecimal digits", after)
		}
		version, digest = before, after
	}
	tag = strings.ReplaceAll(version, "+", "_")
	_, exact := semver.StrictNewVersion(version)
	_, ranged := semver.NewConstraint(version)
	if exact == nil || digest != "" || ranged != nil {
		if !ociTag.MatchString(tag) {
			return "", "", fmt.Errorf("%q is neither a version, a range of versions, a tag nor a digest", version)
		}
		return tag, digest, nil
	}
	tags, err := r.tags(ctx)
	if err != nil {
		return "", "", err
	}
	if slices.Contains(tags, tag) {
		return tag, "", nil
	}
	var entries []entry
	for _, t := range tags {
		entries = append(entries, entry{Version: strings.ReplaceAll(t, "_", "+")})
	}
	chosen, ok := choose(entries, version)
	if !ok {
		return "", "", fmt.Errorf("none of the %d tags matches", len(tags))
	}
	return strings.ReplaceAll(chosen.Version, "+", "_"), "", nil
}

// tags lists all of them, in a fixed order. A list that is not whole is an error: a choice from it could
// go down.
func (r *ociRepository) tags(ctx context.Context) ([]string, error) {
	var all []string
	next := "tags/list?n=1000"
	for range maxPages {
		at := r.at(next)
		response, err := r.get(ctx, at, "application/json")
		if err != nil {
			return nil, fmt.Errorf("listing tags: %w", err)
		}
		body, err := readLimited(response.Body, "the list of tags", maxTags)
		response.Body.Close()
		var page struct {
			Tags []string `json:"tags"`
		}
		if err == nil {
			err = json.Unmarshal(body, &page)
		}
		if err != nil {
			return nil, fmt.Errorf("listing tags: %w", err)
		}
		all = append(all, page.Tags...)
		link := nextLink.FindStringSubmatch(strings.Join(response.Header.Values("Link"), ","))
		if link == nil {
			slices.Sort(all)
			return all, nil
		}
		u, err := at.Parse(link[1])
		if err != nil || originOf(u) != originOf(at) && u.Path != at.Path || !strings.HasSuffix(u.Path, "/tags/list") {
			return nil, errors.New("listing tags: the link to the next page leads elsewhere")
		}
		next = "tags/list?" + u.RawQuery // always of the same host, whatever it calls itself
	}
	return nil, fmt.Errorf("listing tags: more than %d pages", maxPages)
}

var nextLink = regexp.MustCompile(`<([^>]*)>[^,]*;\s*rel="?next"?`)

func (r *ociRepository) at(what string) *url.URL {
	u := *r.base
	rest, query, _ := strings.Cut(what, "?")
	u.Path, u.RawQuery = "/v2/"+r.path+"/"+rest, query
	return &u
}

// descriptor points at a blob.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

func (r *ociRepository) pull(ctx context.Context, tag, digest string) (*archive, error) {
	text, digest, err := r.manifest(ctx, tag, digest)
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("the manifest does not parse: %w", err)
	}
	if manifest.Config.MediaType != typeConfig {
		return nil, errors.New("it is no Helm chart, but something else that a registry holds")
	}
	content := layer(manifest.Layers, typeChart, typeChartEarlier)
	if content == nil {
		return nil, errors.New("its manifest names no chart")
	}
	a := &archive{version: strings.ReplaceAll(tag, "_", "+"), from: digest}
	if a.data, err = r.blob(ctx, *content, maxArchive); err != nil {
		return nil, err
	}
	a.digest = sumOf(a.data)
	if tag != "" {
		a.notes = r.republished(path.Base(r.path), tag, a.digest)
	}
	return a, r.s.checkSignature(a, path.Base(r.path), func() ([]byte, error) {
		prov := layer(manifest.Layers, typeProvenance)
		if prov == nil {
			return nil, errNoProvenance
		}
		return r.blob(ctx, *prov, maxProvenance)
	})
}

func layer(all []descriptor, types ...string) *descriptor {
	for _, t := range types {
		if i := slices.IndexFunc(all, func(d descriptor) bool { return d.MediaType == t }); i >= 0 {
			return &all[i]
		}
	}
	return nil
}

// manifest reads that of a tag or digest, and checks it where the digest is known.
func (r *ociRepository) manifest(ctx context.Context, tag, digest string) (text []byte, is string, err error) {
	want := strings.TrimPrefix(digest, "sha256:")
	if text = r.cache.blob(r.scope, want); text != nil {
		return text, digest, nil
	}
	ref := digest
	if ref == "" {
		ref = tag
	}
	response, err := r.get(ctx, r.at("manifests/"+ref), typeManifest)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	if text, err = readLimited(response.Body, "the manifest", maxManifest); err != nil {
		return nil, "", err
	}
	got := sumOf(text)
	if want != "" && got != want {
		return nil, "", fmt.Errorf("the registry sent a manifest of digest sha256:%s for %s", got, digest)
	}
	r.cache.keep(r.scope, text)
	return text, "sha256:" + got, nil
}

func (r *ociRepository) blob(ctx context.Context, d descriptor, limit int64) ([]byte, error) {
	if !ociDigest.MatchString(d.Digest) {
		return nil, fmt.Errorf("the manifest names a blob by %q, which is no sha256 digest", d.Digest)
	}
	want := strings.TrimPrefix(d.Digest, "sha256:")
	if data := r.cache.blob(r.scope, want); data != nil {
		return data, nil
	}
	response, err := r.get(ctx, r.at("blobs/"+d.Digest), "*/*")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := readLimited(response.Body, "the blob", limit)
	if err != nil {
		return nil, err
	}
	if got := sumOf(data); got != want {
		return nil, fmt.Errorf("the registry sent a blob of digest sha256:%s for %s", got, d.Digest)
	}
	r.cache.keep(r.scope, data)
	return data, nil
}
