package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	SchemaVersion int    `json:"schemaVersion"`
	MediaType     string `json:"mediaType"`
	Config        *struct {
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
	s.memory.open(ctx)
	digest, what, err := s.look(ctx, tag)
	image.Digest = digest
	if err == nil {
		_, labels := c.options.UseLabels.Match(repository.Canonical().Name())
		image.Created, image.Doubt, err = what.time(labels)
	}
	switch e := known(context.Cause(ctx)); {
	case err == nil:
	case e != nil:
		image.Err = e
	default:
		image.Err = s.host.fail(doing, err)
	}
	return image
}

// time is the creation time; with the label before it, where there is one that can be read.
func (f fact) time(labels bool) (created time.Time, doubt string, err error) {
	if labels && f.Label != "" {
		if created, err := time.Parse(time.RFC3339Nano, f.Label); err == nil && !created.IsZero() {
			return created.UTC(), "", nil
		}
		doubt = fmt.Sprintf("its label says that it was created %q, which is no time as in 2026-01-31T00:00:00Z", f.Label)
	}
	if f.Fault != "" {
		return created, doubt, &unsupported{f.Fault}
	}
	return f.Created, doubt, nil
}

// look finds the image under a tag, with as few requests as the cache allows: none, one that asks
// whether the tag still names what it did, or those that read the image.
func (s *session) look(ctx context.Context, tag string) (digest string, what fact, err error) {
	now := s.host.client.options.At
	last, what, known := s.memory.find(tag, now)
	if known {
		return last.Digest, what, nil
	}
	reference := tag
	if last.Digest != "" {
		if last.due(now) {
			if last.Digest, err = s.head(ctx, tag); err != nil {
				return "", fact{}, err
			}
		}
		if what, known := s.memory.image(last.Digest); known {
			return last.Digest, what, nil
		}
		reference = last.Digest
	}
	digest, what, err = s.read(ctx, reference)
	if err == nil {
		s.memory.learn(digest, what)
		if reference == tag {
			s.memory.see(tag, digest, now)
		}
	}
	return digest, what, err
}

// read costs two requests for an image and three for an index, less where the image is known. What
// never will have a creation time is a fact too, unless it has no digest to know it by.
func (s *session) read(ctx context.Context, reference string) (digest string, what fact, err error) {
	m, digest, err := s.manifest(ctx, reference)
	if err != nil {
		return "", what, err
	}
	if what, known := s.memory.image(digest); known {
		return digest, what, nil
	}
	what, err = s.describe(ctx, m)
	var never *unsupported
	if errors.As(err, &never) {
		return digest, fact{Fault: never.why}, nil
	}
	return digest, what, err
}

// describe finds the configuration behind a manifest.
func (s *session) describe(ctx context.Context, m *manifest) (what fact, err error) {
	if len(m.Manifests) > 0 {
		child, err := m.choose(s.host.client.options.Platform)
		if err != nil {
			return what, err
		}
		if m, _, err = s.manifest(ctx, child); err != nil {
			return what, err
		}
	}
	if m.Config == nil {
		return what, &unsupported{strings.TrimSpace("no manifest of an image " + m.MediaType)}
	}
	read, _ := s.configs.LoadOrStore(m.Config.Digest, sync.OnceValues(func() (fact, error) { return s.config(ctx, m.Config.Digest) }))
	return read.(func() (fact, error))()
}

// manifest reads a manifest by tag or digest, and checks it against every digest that is known.
func (s *session) manifest(ctx context.Context, reference string) (*manifest, string, error) {
	body, header, err := s.get(ctx, s.url("manifests", reference), false, maxManifest)
	if err != nil {
		return nil, "", err
	}
	m := &manifest{}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, "", &malformed{"the manifest is no JSON of its kind"}
	}
	if m.SchemaVersion == 1 {
		// Its digest is of a part of it only, so that it cannot be checked as the others are.
		return nil, "", &unsupported{"a manifest of Docker's old schema 1, which is not read"}
	}
	digest := sum(body)
	for _, want := range []string{header.Get("Docker-Content-Digest"), reference} {
		if strings.HasPrefix(want, "sha256:") && want != digest {
			return nil, "", &malformed{"the manifest is not what its digest says"}
		}
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

// The labels that tell a creation time, the first one there first.
var timeLabels = []string{"org.opencontainers.image.created", "org.label-schema.build-date"}

// imageConfig is what we read of an image's configuration. Builders may write labels to either
// place; Flux knew the second only.
type imageConfig struct {
	Created string `json:"created"`
	Config  struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	ContainerConfig struct {
		Labels map[string]string `json:"Labels"`
	} `json:"container_config"`
}

// config reads an image's configuration, wherever the registry stores it.
func (s *session) config(ctx context.Context, digest string) (fact, error) {
	if !isDigest(digest) {
		return fact{}, &unsupported{"the image's configuration has no sha256 digest"}
	}
	body, _, err := s.get(ctx, s.url("blobs", digest), true, maxConfig)
	if err != nil {
		return fact{}, err
	}
	if sum(body) != digest {
		return fact{}, &malformed{"the image's configuration is not what its digest says"}
	}
	return parseConfig(body), nil
}

func parseConfig(body []byte) fact {
	var config imageConfig
	if err := json.Unmarshal(body, &config); err != nil {
		return fact{Fault: "the image's configuration cannot be read"}
	}
	what := fact{Label: config.label()}
	created, err := time.Parse(time.RFC3339Nano, config.Created)
	switch {
	case config.Created == "" || err == nil && created.IsZero():
		what.Fault = "the image's configuration holds no creation time"
	case err != nil:
		what.Fault = "the image's configuration holds no creation time that can be read"
	default:
		what.Created = created.UTC()
	}
	return what
}

// label gives the creation time in the labels, of a length that makes sense.
func (c *imageConfig) label() string {
	for _, key := range timeLabels {
		for _, labels := range []map[string]string{c.Config.Labels, c.ContainerConfig.Labels} {
			if text := strings.TrimPrefix(words(labels[key]), ": "); text != "" {
				return text
			}
		}
	}
	return ""
}

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(digest[:])
}
