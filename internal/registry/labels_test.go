package registry

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
)

func TestCreationTimeOfAConfiguration(t *testing.T) {
	const first, second = "org.opencontainers.image.created", "org.label-schema.build-date"
	for _, test := range []struct {
		config, want, labelled, doubt string
	}{
		{`{"created":"2026-01-01T00:00:00Z"}`, "2026-01-01", "2026-01-01", ""},
		{`{"created":"1970-01-01T00:00:00Z"}`, "1970-01-01", "1970-01-01", ""},
		{`{"created":"2026-01-01T01:00:00+02:00"}`, "2025-12-31", "2025-12-31", ""},
		{`{"created":"2026-01-01T00:00:00Z","config":{"Labels":{"` + first + `":"2026-02-02T00:00:00Z"}}}`, "2026-01-01", "2026-02-02", ""},
		{`{"created":"2026-01-01T00:00:00Z","config":{"Labels":{"` + second + `":"2026-02-02T00:00:00.5+00:00"}}}`, "2026-01-01", "2026-02-02", ""},
		{`{"created":"2026-01-01T00:00:00Z","config":{"Labels":{"` + second + `":"2026-02-02T00:00:00Z","` + first + `":"2026-03-03T00:00:00Z"}}}`, "2026-01-01", "2026-03-03", ""},
		{`{"created":"2026-01-01T00:00:00Z","config":{"Labels":null},"container_config":{"Labels":{"` + first + `":"2026-02-02T00:00:00Z"}}}`, "2026-01-01", "2026-02-02", ""},
		{`{"created":"2026-01-01T00:00:00Z","config":{"Labels":{"` + first + `":"yesterday"}}}`, "2026-01-01", "2026-01-01", `its label says that it was created "yesterday", which is no time as in 2026-01-31T00:00:00Z`},
		{`{"config":{"Labels":{"` + first + `":"2026-02-02T00:00:00Z"}}}`, "the image's configuration holds no creation time", "2026-02-02", ""},
		{`{"created":"soon"}`, "the image's configuration holds no creation time that can be read", "the image's configuration holds no creation time that can be read", ""},
		{`{"created":"0001-01-01T00:00:00Z"}`, "the image's configuration holds no creation time", "the image's configuration holds no creation time", ""},
		{`{}`, "the image's configuration holds no creation time", "the image's configuration holds no creation time", ""},
		{`[]`, "the image's configuration cannot be read", "the image's configuration cannot be read", ""},
		{`{"created":5}`, "the image's configuration cannot be read", "the image's configuration cannot be read", ""},
	} {
		for _, labels := range []bool{false, true} {
			created, doubt, err := parseConfig([]byte(test.config)).time(labels)
			got, want, wantDoubt := created.Format(time.DateOnly), test.want, ""
			if labels {
				want, wantDoubt = test.labelled, test.doubt
			}
			if err != nil {
				got = err.Error()
			}
			if got != want || doubt != wantDoubt {
				t.Errorf("%s, labels %v: %s, doubt %q, want %s and %q", test.config, labels, got, doubt, want, wantDoubt)
			}
		}
	}
}

// The rows of what a tag may lead to, each against a registry: Docker's and OCI's types of images
// and indexes.
func TestEveryMediaType(t *testing.T) {
	w := newWorld(t)
	for i, image := range []registrytest.Kind{
		{Manifest: types.OCIManifestSchema1, Config: types.OCIConfigJSON},
		{Manifest: types.DockerManifestSchema2, Config: types.DockerConfigJSON},
	} {
		for j, index := range []types.MediaType{"", types.OCIImageIndex, types.DockerManifestList} {
			tag := fmt.Sprintf("t%d%d", i, j)
			image.Index = index
			if _, err := w.registry.PushKind("a", tag, noon, image); err != nil {
				t.Fatal(err)
			}
			if got := w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{tag})[0]; got.Err != nil || !got.Created.Equal(noon) {
				t.Errorf("%+v: %+v", image, got)
			}
		}
	}
}

// Labels count for the repositories named only, and are kept with what is known of an image.
func TestUseLabels(t *testing.T) {
	w := newWorld(t)
	built := noon.Add(-time.Hour)
	if _, err := w.registry.PushKind("a", "1", noon, registrytest.Kind{Labels: map[string]string{"org.opencontainers.image.created": built.Format(time.RFC3339)}}); err != nil {
		t.Fatal(err)
	}
	cache := &shelf{texts: map[string][]byte{}}
	for _, test := range []struct {
		globs Globs
		want  time.Time
	}{{nil, noon}, {Globs{"registry.example/*"}, built}, {Globs{"other/*"}, noon}} {
		c := w.client(func(o *Options) { o.UseLabels, o.Cache = test.globs, cache })
		if got := c.Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0]; !got.Created.Equal(test.want) {
			t.Errorf("%v: %+v", test.globs, got)
		}
		c.Done(t.Context(), ref(t, "registry.example/a"))
	}
	if cache.saved != 1 {
		t.Errorf("saved %d times", cache.saved)
	}
}
