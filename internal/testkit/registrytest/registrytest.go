// Package registrytest is a container registry in this process: distribution, with its storage in
// memory, as an http.Handler. It is the real one, because go-containerregistry's own registry for
// tests cuts long tag lists short.
//
//	registry, err := registrytest.New()
//	digest, err := registry.Push("team/app", "1.0", time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
//	server := httptest.NewServer(registry) // or a host of a faultproxy
//	registry.Requests()                    // what clients asked for
//
// It does not know the testing package, so that a demo can use it.
package registrytest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // the driver named below
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sirupsen/logrus"
)

// Registry is a registry. Its requests are noted, but for those of its own Push methods.
type Registry struct {
	app    http.Handler
	cancel context.CancelFunc

	mu       sync.Mutex
	requests []string
}

// quiet keeps the server's log, which goes to stderr whatever its configuration says, out of the
// way of a program's own words.
var quiet = sync.OnceFunc(func() { logrus.SetOutput(io.Discard) })

// New starts an empty registry. Close ends its background work.
func New() (*Registry, error) { return NewPaged(1000) }

// NewPaged starts an empty registry that lists no more than size tags at a time, whatever it is
// asked for, with a link to the next ones.
func NewPaged(size int) (registry *Registry, err error) {
	quiet()
	defer func() {
		if r := recover(); r != nil { // NewApp has no other way to fail
			err = fmt.Errorf("starting a registry: %v", r)
		}
	}()
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.Log.AccessLog.Disabled = true
	config.HTTP.Secret = "any"
	config.Tags.MaxTags = size
	ctx, cancel := context.WithCancel(context.Background())
	return &Registry{app: handlers.NewApp(ctx, config), cancel: cancel}, nil
}

// Close ends the registry's background work.
func (r *Registry) Close() { r.cancel() }

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, req.Method+" "+req.URL.RequestURI())
	r.mu.Unlock()
	r.app.ServeHTTP(w, req)
}

// Requests are the requests so far, as "METHOD /path?query", in the order of their arrival.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Reset forgets the requests so far.
func (r *Registry) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

// Push makes an image of linux/amd64 with one small layer, created at the given time, and puts it
// under each of the tags. Images of one repository differ where their times or first tags do.
// It returns the manifest's digest.
func (r *Registry) Push(repository, tag string, created time.Time, more ...string) (string, error) {
	image, err := Image(repository+":"+tag, created, v1.Platform{OS: "linux", Architecture: "amd64"})
	if err != nil {
		return "", err
	}
	return r.put(repository, tag, image, more)
}

// PushIndex makes an index with one image for each platform, "os/architecture[/variant]", all
// created at the given time, and puts it under a tag. It returns the index's digest.
func (r *Registry) PushIndex(repository, tag string, created time.Time, platforms ...string) (string, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, text := range platforms {
		platform, err := v1.ParsePlatform(text)
		if err != nil {
			return "", fmt.Errorf("parsing platform %q: %w", text, err)
		}
		image, err := Image(repository+":"+tag+" "+text, created, *platform)
		if err != nil {
			return "", err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	return r.put(repository, tag, index, nil)
}

// Image makes a small image whose digest depends on its label and its creation time.
func Image(label string, created time.Time, platform v1.Platform) (v1.Image, error) {
	return Kind{Manifest: types.OCIManifestSchema1, Config: types.OCIConfigJSON}.image(label, created, platform)
}

// Kind is how an image is written.
type Kind struct {
	// Manifest and Config are the media types; empty for OCI's.
	Manifest, Config types.MediaType
	// Index is the media type of an index around it; empty for none.
	Index types.MediaType
	// Labels stand in its configuration, besides one of the test.
	Labels map[string]string
}

// PushKind is Push for an image of a kind.
func (r *Registry) PushKind(repository, tag string, created time.Time, kind Kind) (string, error) {
	platform := v1.Platform{OS: "linux", Architecture: "amd64"}
	image, err := kind.image(repository+":"+tag, created, platform)
	switch {
	case err != nil:
		return "", err
	case kind.Index == "":
		return r.put(repository, tag, image, nil)
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, kind.Index), mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	return r.put(repository, tag, index, nil)
}

func (k Kind) image(label string, created time.Time, platform v1.Platform) (v1.Image, error) {
	config, err := empty.Image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config.Labels = map[string]string{"test": label}
	maps.Copy(config.Config.Labels, k.Labels)
	image := mutate.MediaType(empty.Image, cmp.Or(k.Manifest, types.OCIManifestSchema1))
	image, err = mutate.ConfigFile(mutate.ConfigMediaType(image, cmp.Or(k.Config, types.OCIConfigJSON)), config)
	if err != nil {
		return nil, fmt.Errorf("making image %s: %w", label, err)
	}
	return mutate.CreatedAt(image, v1.Time{Time: created.UTC()})
}

// artifact is an image or an index.
type artifact interface {
	remote.Taggable
	Digest() (v1.Hash, error)
	MediaType() (types.MediaType, error)
}

func (r *Registry) put(repository, tag string, pushed artifact, more []string) (string, error) {
	reference, err := name.NewTag("registry.test/"+repository+":"+tag, name.Insecure)
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithTransport(direct{r.app})}
	switch a := pushed.(type) {
	case v1.Image:
		err = remote.Write(reference, a, options...)
	case v1.ImageIndex:
		err = remote.WriteIndex(reference, a, options...)
	}
	if err == nil {
		err = r.tag(repository, pushed, more)
	}
	if err != nil {
		return "", fmt.Errorf("pushing %s: %w", reference, err)
	}
	digest, err := pushed.Digest()
	return digest.String(), err
}

// tag puts what was pushed under further tags: a request each, where the library takes two.
func (r *Registry) tag(repository string, pushed artifact, tags []string) error {
	body, err := pushed.RawManifest()
	if err != nil {
		return err
	}
	media, err := pushed.MediaType()
	if err != nil {
		return err
	}
	for _, tag := range tags {
		req := httptest.NewRequest(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, bytes.NewReader(body))
		req.Header.Set("Content-Type", string(media))
		w := httptest.NewRecorder()
		r.app.ServeHTTP(w, req)
		if w.Code != http.StatusCreated {
			return fmt.Errorf("tagging it %s: status %d", tag, w.Code)
		}
	}
	return nil
}

// direct is a transport that needs no network.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		return nil, errors.New("this registry speaks plain http")
	}
	if req.Body == nil {
		req.Body = io.NopCloser(bytes.NewReader(nil))
	}
	req = req.Clone(req.Context())
	req.RequestURI, req.RemoteAddr = req.URL.RequestURI(), "192.0.2.1:1"
	if req.Host == "" {
		req.Host = req.URL.Host
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, req)
	answer := w.Result()
	answer.Request = req
	return answer, nil
}
