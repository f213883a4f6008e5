package kubetest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
)

// Handler stands before the API server: it answers itself, or passes the request on to next.
type Handler func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Proxy stands between a client and the API server, and acts for every client as the admin.
type Proxy struct {
	server     *httptest.Server
	kubeconfig func(file, namespace string) error
}

// NewProxy starts a proxy on loopback; nil passes everything on. Close it after use.
func (c *Cluster) NewProxy(handler Handler) (*Proxy, error) {
	target, err := url.Parse(c.client.server)
	if err != nil {
		return nil, err
	}
	next := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Authorization", "Bearer "+c.client.token)
		},
		Transport:     c.client.http.Transport,
		FlushInterval: -1, // a watch is an answer that never ends
	}
	p := &Proxy{server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// With its body read, a request's context ends when its client goes away.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if handler == nil {
			next.ServeHTTP(w, r)
			return
		}
		handler(w, r, next)
	}))}
	p.kubeconfig = func(file, namespace string) error {
		return writeKubeconfig(file, p.server.URL, "", "", namespace)
	}
	return p, nil
}

// WriteKubeconfig writes a kubeconfig that leads through the proxy.
func (p *Proxy) WriteKubeconfig(file, namespace string) error { return p.kubeconfig(file, namespace) }

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() {
	p.server.CloseClientConnections()
	p.server.Close()
}
