// Package charttest makes Helm charts and serves them as a Helm repository, for tests.
package charttest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
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
	answers  []string
	logins   []string
	user     string
	password string
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

// Put serves a file.
func (r *Repository) Put(at string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.archives[path.Clean(at)] = data
}

// Protect asks for a user name and a password from now on.
func (r *Repository) Protect(user, password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.user, r.password = user, password
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

// Answers are the paths that were asked for so far, each with the status of its answer.
func (r *Repository) Answers() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.answers...)
}

// Authorizations are the headers of that name which came so far, the empty ones left out.
func (r *Repository) Authorizations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.logins...)
}

// Forget forgets what was asked for.
func (r *Repository) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.answers, r.logins = nil, nil, nil
}

// noted remembers the status of an answer.
type noted struct {
	http.ResponseWriter
	status int
}

func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// ServeHTTP answers the index, with an ETag, and the archives.
func (r *Repository) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, request.URL.Path)
	override, other := r.override[request.URL.Path]
	data, found := r.archives[request.URL.Path]
	if request.URL.Path == "/index.yaml" && !found {
		data, found = r.index(), true
		sum := sha256.Sum256(data)
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sum[:8]))
	}
	if header := request.Header.Get("Authorization"); header != "" {
		r.logins = append(r.logins, header)
	}
	user, password, _ := request.BasicAuth()
	refused := r.password != "" && (user != r.user || password != r.password)
	r.mu.Unlock()
	n := &noted{w, http.StatusOK}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.answers = append(r.answers, fmt.Sprintf("%s %d", request.URL.Path, n.status))
	}()
	switch etag := w.Header().Get("ETag"); {
	case refused:
		http.Error(n, "who are you?", http.StatusUnauthorized)
	case other:
		override(n, request)
	case etag != "" && request.Header.Get("If-None-Match") == etag:
		n.WriteHeader(http.StatusNotModified)
	case found:
		_, _ = n.Write(data)
	default:
		http.NotFound(n, request)
	}
}

func (r *Repository) index() []byte {
	var out strings.Builder
	out.WriteString("apiVersion: v1\nentries:\n")
	names := map[string][]entry{}
	for _, e := range r.entries {
		names[e.name] = append(names[e.name], e)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		entries := names[name]
		fmt.Fprintf(&out, "  %s:\n", name)
		for _, e := range entries {
			fmt.Fprintf(&out, "  - apiVersion: v2\n    name: %s\n    version: %q\n    digest: %q\n    urls: [%q]\n", e.name, e.version, e.digest, e.url)
		}
	}
	return []byte(out.String())
}
