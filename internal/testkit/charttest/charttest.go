// Package charttest makes Helm charts and serves them as a Helm repository, for tests.
package charttest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"sort"
	"strings"
	"sync"
	"testing"
)

// Archive packs files, named relative to the chart's top, as helm package does. The same files give
// the same bytes.
func Archive(name string, files map[string]string) []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	tape := tar.NewWriter(zip)
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		header := &tar.Header{Name: name + "/" + n, Mode: 0o644, Size: int64(len(files[n]))}
		must(tape.WriteHeader(header))
		_, err := tape.Write([]byte(files[n]))
		must(err)
	}
	must(tape.Close())
	must(zip.Close())
	return out.Bytes()
}

func must(err error) {
	if err != nil {
		panic(err) // writing to memory
	}
}

// Repository is a Helm repository on loopback.
type Repository struct {
	// URL is the repository's address, http://127.0.0.1:port.
	URL string

	mu       sync.Mutex
	entries  []entry
	archives map[string][]byte
	requests []string
	override map[string]http.HandlerFunc
}

type entry struct{ name, version, url, digest string }

// Start serves an empty repository until the test ends.
func Start(t testing.TB) *Repository {
	r := &Repository{archives: map[string][]byte{}, override: map[string]http.HandlerFunc{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// Host is the repository's host:port.
func (r *Repository) Host() string { return strings.TrimPrefix(r.URL, "http://") }

// Add puts a chart into the repository.
func (r *Repository) Add(name, version string, files map[string]string) {
	data := Archive(name, files)
	sum := sha256.Sum256(data)
	file := name + "-" + version + ".tgz"
	r.AddEntry(name, version, file, hex.EncodeToString(sum[:]))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.archives["/"+file] = data
}

// AddEntry puts an entry into the index without an archive.
func (r *Repository) AddEntry(name, version, url, digest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, entry{name, version, url, digest})
}

// Handle answers a path in another way.
func (r *Repository) Handle(at string, f http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.override[path.Clean(at)] = f
}

// Requests are the paths that were asked for so far, in order.
func (r *Repository) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.requests...)
}

// ServeHTTP answers the index and the archives.
func (r *Repository) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, request.URL.Path)
	override, other := r.override[request.URL.Path]
	data, found := r.archives[request.URL.Path]
	if request.URL.Path == "/index.yaml" {
		data, found = r.index(), true
	}
	r.mu.Unlock()
	switch {
	case other:
		override(w, request)
	case found:
		_, _ = w.Write(data)
	default:
		http.NotFound(w, request)
	}
}

func (r *Repository) index() []byte {
	var out strings.Builder
	out.WriteString("apiVersion: v1\nentries:\n")
	names := map[string][]entry{}
	for _, e := range r.entries {
		names[e.name] = append(names[e.name], e)
	}
	for name, entries := range names {
		fmt.Fprintf(&out, "  %s:\n", name)
		for _, e := range entries {
			fmt.Fprintf(&out, "  - apiVersion: v2\n    name: %s\n    version: %q\n    digest: %q\n    urls: [%q]\n", e.name, e.version, e.digest, e.url)
		}
	}
	return []byte(out.String())
}
