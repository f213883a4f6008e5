package helmrel

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

// sight answers for a short while what was just looked at. Helm asks for an object up to three times in a
// row: whether it is there, what it is, and what it is once more for the patch. What is written
// meanwhile is forgotten, and so is everything once Helm has done its writing: what waits for an object
// must see it change.
type sight struct {
	mu    sync.Mutex
	probe *probe // where set, it sends what is written
	blind int    // while it is not 0, nothing is answered or remembered
	seen  map[string]*answer
}

// answer is what the API server said of one object.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// over makes it stand between a client and the network.
func (s *sight) over(next http.RoundTripper) http.RoundTripper { return &looking{s, next} }

type looking struct {
	*sight
	next http.RoundTripper
}

// RoundTrip makes it a transport.
func (l *looking) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && l.probe != nil {
		return l.probe.send(r, l.next, l.recall(r.URL.Path))
	}
	if r.Method != http.MethodGet {
		l.forget(r.URL.Path)
		response, err := l.next.RoundTrip(r)
		l.forget(r.URL.Path)
		return response, err
	}
	if query := r.URL.Query(); len(query) > 1 || len(query) == 1 && !query.Has("timeout") {
		return l.next.RoundTrip(r)
	}
	if a := l.recall(r.URL.Path); a != nil {
		return a.to(r), nil
	}
	response, err := l.next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	a := &answer{response.StatusCode, response.Header, body}
	l.remember(r.URL.Path, a)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (a *answer) to(r *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Header: a.header.Clone(), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
}

func (s *sight) recall(path string) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[path]
}

func (s *sight) remember(path string, a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blind == 0 {
		s.seen[path] = a
	}
}

// absent notes that an object is known not to be there.
func (s *sight) absent(path string) {
	body := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not found"}`
	s.remember(path, &answer{http.StatusNotFound, http.Header{"Content-Type": {"application/json"}}, []byte(body)})
}

// forget drops an object, and all of a collection that something is made in.
func (s *sight) forget(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for known := range s.seen {
		if known == path || strings.HasPrefix(known, path+"/") {
			delete(s.seen, known)
		}
	}
}

// clear forgets everything.
func (s *sight) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = map[string]*answer{}
}

// close forgets everything, and remembers nothing until it is opened.
func (s *sight) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blind++
	s.seen = map[string]*answer{}
}

func (s *sight) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blind--
}
