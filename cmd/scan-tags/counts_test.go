package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// served is distribution on a port of loopback, and the connections that were made to it.
type served struct {
	*registrytest.Registry
	address string

	mu    sync.Mutex
	conns int
}

func serve(t *testing.T) *served {
	t.Helper()
	registry, err := registrytest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	s := &served{Registry: registry}
	server := httptest.NewUnstartedServer(registry)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
		}
	}
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(server.Close)
	s.address = server.Listener.Addr().String()
	return s
}

// stream is what git-fetch writes of a pod for each image.
func stream(t *testing.T, policy string, images ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := jsonl.NewWriter(&out)
	write := func(record any) {
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	write(jsonl.Begin{Type: jsonl.TypeBegin, Stage: "git-fetch", V: jsonl.Version, Version: script.Version, Started: script.Noon})
	write(jsonl.Source{Type: jsonl.TypeSource, Name: "config", URL: "https://git.example/c.git", Branch: "main", Revision: strings.Repeat("1", 40),
		Tree: strings.Repeat("2", 40), Store: "/store", Signature: jsonl.SignatureUnchecked})
	for i, image := range images {
		object := json.RawMessage(fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"fluxcd.io/automated":"true","fluxcd.io/tag.a":%q},"name":"p%d"},"spec":{"containers":[{"image":%q,"name":"a"}]}}`, policy, i, image))
		sum, err := jsonl.Sum(object)
		if err != nil {
			t.Fatal(err)
		}
		write(jsonl.Manifest{Type: jsonl.TypeManifest, Place: jsonl.Place{Source: "config", File: "a.yaml", Doc: i, Line: i + 1}, ID: fmt.Sprintf("Pod/p%d", i), Object: object, Sum: sum})
	}
	write(jsonl.End{Type: jsonl.TypeEnd, Stage: "git-fetch", OK: true, Complete: true, Counts: map[string]jsonl.Count{"config": {Wrote: len(images)}}, Finished: script.Noon})
	return out.Bytes()
}

// run runs the whole stage in this process, and gives the requests by the first part of their path
// after the repository: tags, manifests, blobs, or v2 for the handshake.
func (s *served) run(t *testing.T, in []byte, out io.Writer, args ...string) map[string]int {
	t.Helper()
	s.Reset()
	var said bytes.Buffer
	code := stage.Exec(t.Context(), app, stage.Env{
		Args:  append([]string{"--insecure-host", s.address, "--rps", "1e6", "--burst", "1000000"}, args...),
		Stdin: bytes.NewReader(in), Stdout: out, Stderr: &said,
		Now: func() time.Time { return script.Noon }, Getenv: func(string) string { return "" }, Version: script.Version,
	})
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, said.String())
	}
	counts := map[string]int{}
	for _, request := range s.Requests() {
		kind := "v2"
		for _, part := range []string{"tags", "manifests", "blobs"} {
			if strings.Contains(request, "/"+part+"/") {
				kind = part
			}
		}
		counts[kind]++
	}
	return counts
}

// wantFewConnections: they are used again. The library may open one while it waits for another.
func (s *served) wantFewConnections(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns > 2*imagesAtOnce {
		t.Errorf("%d connections", s.conns)
	}
}

func names(prefix string, n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%s%d", prefix, i))
	}
	return list
}

// 50 repositories of 200 tags under a semver policy: a page of tags each, a handshake for all of
// them, and no metadata.
func TestCountOfSemver(t *testing.T) {
	s := serve(t)
	var images []string
	for _, repository := range names("team/r", 50) {
		if _, err := s.Push(repository, "1.0.0", script.Noon, names("1.1.", 199)...); err != nil {
			t.Fatal(err)
		}
		images = append(images, s.address+"/"+repository+":1.0.0")
	}
	counts := s.run(t, stream(t, "semver:~1", images...), io.Discard, "--cache", "off")
	if counts["tags"] != 50 || counts["v2"] != 1 || counts["manifests"]+counts["blobs"] != 0 {
		t.Errorf("requests %v", counts)
	}
	s.wantFewConnections(t)
}

// Creation times of 200 tags: cold two requests a tag, and two more; warm none.
func TestCountOfCreationTimes(t *testing.T) {
	s := serve(t)
	for i, tag := range names("t", 200) {
		if _, err := s.Push("team/app", tag, script.Noon.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	in, cache := stream(t, "glob:*", s.address+"/team/app:t0"), t.TempDir()+"/cache"
	var cold, warm bytes.Buffer
	counts := s.run(t, in, &cold, "--cache", cache)
	if counts["manifests"] != 200 || counts["blobs"] != 200 || counts["tags"]+counts["v2"] != 2 {
		t.Errorf("cold: requests %v", counts)
	}
	s.wantFewConnections(t)
	counts = s.run(t, in, &warm, "--cache", cache)
	if counts["manifests"]+counts["blobs"] != 0 || counts["tags"]+counts["v2"] != 2 {
		t.Errorf("warm: requests %v", counts)
	}
	if !bytes.Equal(cold.Bytes(), warm.Bytes()) {
		t.Error("the warm scan says something else than the cold one")
	}
}

// 10,000 tags of which 300 match: metadata of those, and of no other.
func TestCountOfManyTags(t *testing.T) {
	s := serve(t)
	if _, err := s.Push("team/app", "x", script.Noon, names("other-", 9699)...); err != nil {
		t.Fatal(err)
	}
	for i, tag := range names("main-", 300) {
		if _, err := s.Push("team/app", tag, script.Noon.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	counts := s.run(t, stream(t, "glob:main-*", s.address+"/team/app:main-0"), &out, "--cache", "off")
	if counts["manifests"] != 300 || counts["blobs"] != 300 || counts["tags"] > 11 {
		t.Errorf("requests %v", counts)
	}
	if got := strings.Count(out.String(), `{"name":`); got != 10_000 {
		t.Errorf("%d tags", got)
	}
}

// Records go out while other repositories are still being scanned, and no more repositories are
// scanned ahead than the window holds: memory does not grow with their number.
func TestRecordsDoNotWaitForAllRepositories(t *testing.T) {
	s := serve(t)
	const n = 4 * ahead
	var images []string
	for _, repository := range names("team/r", n) {
		if _, err := s.Push(repository, "1.0.0", script.Noon); err != nil {
			t.Fatal(err)
		}
		images = append(images, s.address+"/"+repository+":1.0.0")
	}
	// The first image is needed again at the end, as a base image of many would be.
	images = append(images, images[0])
	out := &counter{t: t, served: s}
	s.run(t, stream(t, "semver:~1", images...), out, "--cache", "off")
	if out.images != n+1 {
		t.Errorf("%d images", out.images)
	}
	if out.furthest > ahead+1 {
		t.Errorf("%d repositories were asked ahead of the one being written", out.furthest)
	}
}

// counter is a slow reader that counts how many repositories were asked before it got their images.
type counter struct {
	t                *testing.T
	served           *served
	images, furthest int
}

func (c *counter) Write(p []byte) (int, error) {
	for _, line := range bytes.SplitAfter(p, []byte("\n")) {
		if !bytes.Contains(line, []byte(`"type":"image"`)) {
			continue
		}
		time.Sleep(time.Millisecond) // so that the scan gets as far ahead as it may
		asked := 0
		for _, r := range c.served.Requests() {
			if strings.Contains(r, "/tags/") {
				asked++
			}
		}
		c.furthest = max(c.furthest, asked-c.images)
		c.images++
	}
	return len(p), nil
}

func TestScanEndsWithItsContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s := &scan{window: make(chan struct{}), progress: &progress{show: func(string, int, int) {}}, order: []*repository{{done: make(chan struct{})}}}
	s.run(ctx)
}

func TestProgress(t *testing.T) {
	var shown []string
	p := &progress{show: func(label string, done, total int) {
		shown = append(shown, fmt.Sprintf("%s %d/%d", label, done, total))
	}}
	p.begin(2)
	p.looking(3)
	p.didLook()
	p.finished()
	p.didLook()
	p.didLook()
	p.finished()
	want := []string{
		"scanning repositories 0/2",
		"scanned 0 of 2 repositories, images 0/3",
		"scanned 0 of 2 repositories, images 1/3",
		"scanned 1 of 2 repositories, images 1/3",
		"scanned 1 of 2 repositories, images 2/3",
		"scanning repositories 1/2",
		"scanning repositories 2/2",
	}
	if !slices.Equal(shown, want) {
		t.Errorf("%q", shown)
	}
}
