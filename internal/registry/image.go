package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// The sizes of what describes an image, in bytes; layers are never read.
const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
)

// manifest is what we read of a manifest or an index.
type manifest struct {
	MediaType string `json:"mediaType"`
	Config    *struct {
		Digest string `json:"digest"`
	} `json:"config"`
	Manifests []struct {
		Digest   string `json:"digest"`
		Platform struct {
			OS           string `json:"os"`
			Architecture string `json:"architecture"`
			Variant      string `json:"variant"`
		} `json:"platform"`
	} `json:"manifests"`
}

// unsupported is an image that has no creation time for us, and never will have.
type unsupported struct{ why string }

func (u *unsupported) Error() string { return u.why }

func (c *Client) image(ctx context.Context, repository imageref.Ref, tag string) Image {
	image := Image{Tag: tag}
	if e := known(context.Cause(ctx)); e != nil {
		image.Err = e
		return image
	}
	doing := "reading " + repository.Canonical().Name() + ":" + tag
	s, err := c.session(ctx, repository)
	if err != nil {
		image.Err = err
		return image
	}
	image.Digest, image.Created, err = s.created(ctx, tag)
	switch e := known(context.Cause(ctx)); {
	case err == nil:
	case e != nil:
		image.Err = e
	default:
		image.Err = s.host.fail(doing, err)
	}
	return image
}

// created costs two requests for an image and three for an index.
func (s *session) created(ctx context.Context, tag string) (digest string, created time.Time, err error) {
	m, digest, err := s.manifest(ctx, tag)
	if err != nil {
		return "", created, err
	}
	if len(m.Manifests) > 0 {
		child, err := m.choose(s.host.client.options.Platform)
		if err != nil {
			return digest, created, err
		}
		if m, _, err = s.manifest(ctx, child); err != nil {
			return digest, created, err
		}
	}
	if m.Config == nil {
		return digest, created, &unsupported{strings.TrimSpace("no manifest of an image " + m.MediaType)}
	}
	read, _ := s.configs.LoadOrStore(m.Config.Digest, sync.OnceValues(func() (time.Time, error) { return s.config(ctx, m.Config.Digest) }))
	created, err = read.(func() (time.Time, error))()
	return digest, created, err
}

// manifest reads a manifest by tag or digest, and checks it against every digest that is known.
func (s *session) manifest(ctx context.Context, reference string) (*manifest, string, error) {
	body, header, err := s.get(ctx, s.url("manifests", reference), false, maxManifest)
	if err != nil {
		return nil, "", err
	}
	digest := sum(body)
	for _, want := range []string{header.Get("Docker-Content-Digest"), reference} {
		if strings.HasPrefix(want, "sha256:") && want != digest {
			return nil, "", &malformed{"the manifest is not what its digest says"}
		}
	}
	m := &manifest{}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, "", &malformed{"the manifest is no JSON of its kind"}
	}
	return m, digest, nil
}

// choose finds the first image for the platform.
func (m *manifest) choose(want Platform) (string, error) {
	for _, entry := range m.Manifests {
		p := entry.Platform
		if p.OS == want.OS && p.Architecture == want.Architecture && (want.Variant == "" || p.Variant == want.Variant) {
			return entry.Digest, nil
		}
	}
	return "", &unsupported{fmt.Sprintf("no image for %s in the index", want)}
}

// config reads the creation time out of an image's configuration, wherever the registry stores it.
func (s *session) config(ctx context.Context, digest string) (time.Time, error) {
	if !strings.HasPrefix(digest, "sha256:") {
		return time.Time{}, &unsupported{"the image's configuration has no sha256 digest"}
	}
	body, _, err := s.get(ctx, s.url("blobs", digest), true, maxConfig)
	if err != nil {
		return time.Time{}, err
	}
	if sum(body) != digest {
		return time.Time{}, &malformed{"the image's configuration is not what its digest says"}
	}
	var config struct {
		Created *time.Time `json:"created"`
	}
	if err := json.Unmarshal(body, &config); err != nil {
		return time.Time{}, &unsupported{"the image's configuration holds no creation time that can be read"}
	}
	if config.Created == nil || config.Created.IsZero() {
		return time.Time{}, &unsupported{"the image's configuration holds no creation time"}
	}
	return config.Created.UTC(), nil
}

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(digest[:])
}
