package registry

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
)

func TestImages(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "a", "1", noon)
	index, err := w.registry.PushIndex("a", "2", noon.Add(time.Hour), "linux/arm64/v8", "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.registry.PushIndex("a", "arm", noon, "linux/arm64/v8"); err != nil {
		t.Fatal(err)
	}
	w.push(t, "a", "never", time.Time{})
	c := w.client(nil)
	images := c.Images(t.Context(), ref(t, "registry.example/a"), []string{"1", "2", "arm", "never", "absent"})
	if i := images[0]; i.Digest != first || !i.Created.Equal(noon) || i.Created.Location() != time.UTC || i.Err != nil {
		t.Errorf("image: %+v", i)
	}
	if i := images[1]; i.Digest != index || !i.Created.Equal(noon.Add(time.Hour)) || i.Err != nil {
		t.Errorf("index: %+v", i)
	}
	wantFault(t, images[2].Err, Unsupported, "no image for linux/amd64 in the index")
	wantFault(t, images[3].Err, Unsupported, "no creation time")
	wantFault(t, images[4].Err, NotFound, "reading registry.example/a:absent: the registry answers 404")
	for _, i := range images[2:] {
		if known(i.Err).Fault.Passing() {
			t.Errorf("%v would pass", i.Err)
		}
	}
	w.Forget()
	w.push(t, "a", "1", noon, "same")
	w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{"1", "same", "2"})
	if got := len(w.asked()); got != 1+2+1+3 {
		t.Errorf("a handshake, an image, a second tag of it and an index cost %d requests, want 1, 2, 1 and 3: %v", got, w.asked())
	}
	arm := w.client(func(o *Options) { o.Platform = Platform{"linux", "arm64", "v8"} })
	if got := arm.Images(t.Context(), ref(t, "registry.example/a"), []string{"arm"})[0]; got.Err != nil {
		t.Error(got.Err)
	}
}

func TestArtifactsAreNoImages(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"mediaType":"application/vnd.x"}`:                                  "no manifest of an image application/vnd.x",
		`{"schemaVersion":1,"history":[{"v1Compatibility":"{}"}]}`:           "a manifest of Docker's old schema 1, which is not read",
		`{"schemaVersion":2}`:                                                "no manifest of an image",
		`{"config":{"digest":"sha512:00"}}`:                                  "no sha256 digest",
		`{"manifests":[{"digest":"sha256:00","platform":{"os":"unknown"}}]}`: "no image for linux/amd64",
	} {
		w.Clear()
		w.Inject(faultproxy.Fault{Match: "/manifests/", Status: 200, Body: body})
		err := w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0].Err
		wantFault(t, err, Unsupported, want)
	}
}

func TestImagesStopAtAFaultOfTheHost(t *testing.T) {
	w := newWorld(t)
	tags := numbered(60)
	w.push(t, "a", "t0000", noon, tags...)
	w.Inject(faultproxy.Fault{Match: "/manifests/", Status: 429, Header: http.Header{"Retry-After": {"3600"}}})
	images := w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), tags)
	for _, i := range images {
		wantFault(t, i.Err, RateLimited, "429")
	}
	if got := len(w.asked()); got > 10 {
		t.Errorf("%d requests were made to a host that wants none", got)
	}
}

func TestOneFailedImageLeavesTheOthers(t *testing.T) {
	w := newWorld(t)
	tags := numbered(20)
	w.push(t, "a", "t0000", noon, tags...)
	w.Inject(faultproxy.Fault{Match: "/manifests/t0007", Status: 502})
	for _, i := range w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), tags) {
		if i.Tag == "t0007" {
			wantFault(t, i.Err, ServerFault, "502")
		} else if i.Err != nil {
			t.Error(i.Err)
		}
	}
}

func TestContentIsCheckedByItsDigest(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	w.Inject(faultproxy.Fault{Match: "/blobs/", Status: 200, Body: `{"created":"2030-01-01T00:00:00Z"}`})
	wantFault(t, w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0].Err, Malformed, "not what its digest says")
	w.Clear()
	w.Inject(faultproxy.Fault{Match: "/manifests/", Status: 200, Body: `{"config":{"digest":"sha256:00"}}`, Header: http.Header{"Docker-Content-Digest": {"sha256:00"}}})
	wantFault(t, w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0].Err, Malformed, "not what its digest says")
}

func TestDigest(t *testing.T) {
	w := newWorld(t)
	want := w.push(t, "a", "1", noon)
	c := w.client(nil)
	if got, err := c.Digest(t.Context(), ref(t, "registry.example/a"), "1"); got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if got := w.asked(); !slices.Equal(got, []string{"GET http://registry.example/v2/", "HEAD http://registry.example/v2/a/manifests/1"}) {
		t.Errorf("asked %v", got)
	}
	_, err := c.Digest(t.Context(), ref(t, "registry.example/a"), "2")
	wantFault(t, err, NotFound, "looking for registry.example/a:2: the registry answers 404")
	// The header is not mandatory: the manifest itself is.
	w.Inject(faultproxy.Fault{Match: "HEAD .*/manifests/1", Nth: 1, Status: 200})
	if got, err := c.Digest(t.Context(), ref(t, "registry.example/a"), "1"); got != want || err != nil {
		t.Errorf("without the header: %s, %v", got, err)
	}
	w.Inject(faultproxy.Fault{Match: "/manifests/", Status: 500})
	_, err = c.Digest(t.Context(), ref(t, "registry.example/a"), "1")
	wantFault(t, err, ServerFault, "looking for registry.example/a:1")
}
