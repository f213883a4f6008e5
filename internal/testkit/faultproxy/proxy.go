package faultproxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is what goes wrong with a request. What is set happens in the order of the fields.
type Fault struct {
	// Match is a regular expression over "METHOD http://host/path?query"; empty for every request.
	Match string
	// Nth counts the matching requests from 1; 0 stands for every one.
	Nth int
	// Delay is how long the request waits before anything else happens to it.
	Delay time.Duration
	// Silent never answers; the server does not get to see the request.
	Silent bool
	// Drop closes the connection; the server does not get to see the request.
	Drop bool
	// Status answers with this code in the server's place, with Header and Body.
	Status int
	Header http.Header
	Body   string
	// Cut lets the server answer, and closes the connection once CutAfter bytes of its body
	// have passed. With 0 the client gets nothing at all of an answer to work that was done.
	Cut      bool
	CutAfter int64
}

// Proxy is an HTTP proxy for a closed world: it knows the hosts that it was told of.
type Proxy struct {
	mu       sync.Mutex
	hosts    map[string]http.Handler
	faults   []*armed
	requests []string

	server *http.Server
	closed chan struct{}
}

type armed struct {
	Fault
	match *regexp.Regexp
	seen  int
}

// New returns a proxy without hosts and faults.
func New() *Proxy {
	return &Proxy{hosts: map[string]http.Handler{}, closed: make(chan struct{})}
}

// Handle answers for a host, with or without port, by a handler.
func (p *Proxy) Handle(host string, h http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts[host] = h
}

// Forward answers for a host by the plain HTTP server at an address (host:port).
func (p *Proxy) Forward(host, address string) {
	p.Handle(host, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: address})
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1, // git's progress, and what is cut, must not wait in a buffer
		Transport:     &http.Transport{Proxy: nil},
	})
}

// Inject adds a fault. Its match must compile.
func (p *Proxy) Inject(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, &armed{Fault: f, match: regexp.MustCompile(f.Match)})
}

// Clear forgets all faults.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Requests are the requests so far, as "METHOD http://host/path?query", in the order in which
// they came.
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Forget empties the list of requests.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

// Start listens on a port of loopback and returns its URL.
func (p *Proxy) Start() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("starting the proxy: %w", err)
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// Close ends the proxy and every request that it keeps waiting.
func (p *Proxy) Close() error {
	p.mu.Lock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	server := p.server
	p.mu.Unlock()
	if server == nil {
		return nil
	}
	if err := server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stopping the proxy: %w", err)
	}
	return nil
}

// ServeHTTP is one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if r.URL.Host != "" {
		host = r.URL.Host // a proxy's request; the header may say something else
	}
	handler, faults := p.take(fmt.Sprintf("%s http://%s%s", r.Method, host, r.URL.RequestURI()), host)
	for _, f := range faults {
		w = p.spoil(w, r, f)
		if w == nil {
			return
		}
	}
	if handler == nil {
		http.Error(w, "no host "+host+" here", http.StatusBadGateway)
		return
	}
	// From here on it is a request like one that was made directly.
	r.URL.Scheme, r.URL.Host, r.Host = "", "", host
	r.RequestURI = r.URL.RequestURI()
	handler.ServeHTTP(w, r)
	if c, ok := w.(*cutter); ok && c.done {
		panic(http.ErrAbortHandler)
	}
}

// take notes a request and finds out who answers it and what goes wrong with it.
func (p *Proxy) take(line, host string) (http.Handler, []Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, line)
	var due []Fault
	for _, f := range p.faults {
		if !f.match.MatchString(line) {
			continue
		}
		f.seen++
		if f.Nth == 0 || f.Nth == f.seen {
			due = append(due, f.Fault)
		}
	}
	handler, known := p.hosts[host]
	if name, _, err := net.SplitHostPort(host); err == nil && !known {
		handler = p.hosts[name]
	}
	return handler, due
}

// spoil does to a request what the fault says. It returns nil where the request is over.
func (p *Proxy) spoil(w http.ResponseWriter, r *http.Request, f Fault) http.ResponseWriter {
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
		case <-p.closed:
		}
	}
	switch {
	case f.Silent:
		select {
		case <-r.Context().Done():
		case <-p.closed:
		}
		panic(http.ErrAbortHandler)
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		if w.Header().Get("Content-Type") == "" && strings.HasPrefix(f.Body, "{") {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
		return nil
	case f.Cut:
		return &cutter{ResponseWriter: w, left: f.CutAfter}
	}
	return w
}

// cutter swallows what comes after a number of bytes. It does not end the connection itself: a
// handler may write from another goroutine, where nobody catches the panic that it takes.
type cutter struct {
	http.ResponseWriter
	left  int64
	wrote bool // the status went out
	done  bool
}

var errCut = errors.New("the connection is cut")

func (c *cutter) WriteHeader(status int) {
	switch {
	case c.left <= 0:
		c.done = true
	case !c.wrote: // handlers that fail to write a body write a status of their own
		c.wrote = true
		c.ResponseWriter.WriteHeader(status)
	}
}

func (c *cutter) Write(b []byte) (int, error) {
	c.wrote = true
	if c.done || int64(len(b)) >= c.left {
		if !c.done && c.left > 0 {
			_, _ = c.ResponseWriter.Write(b[:c.left])
			c.Flush()
		}
		c.done = true
		return 0, errCut
	}
	c.left -= int64(len(b))
	return c.ResponseWriter.Write(b)
}

// Flush lets what was written so far go.
func (c *cutter) Flush() {
	if f, ok := c.ResponseWriter.(http.Flusher); ok && !c.done && c.left > 0 {
		f.Flush()
	}
}
