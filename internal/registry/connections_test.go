package registry

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
)

// counted is a server that counts connections and the protocols spoken over them.
type counted struct {
	*httptest.Server
	mu     sync.Mutex
	conns  int
	protos map[string]int
}

func count(t *testing.T, handler http.Handler, start func(*httptest.Server)) *counted {
	t.Helper()
	c := &counted{protos: map[string]int{}}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.protos[r.Proto]++
		c.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	c.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.mu.Lock()
			c.conns++
			c.mu.Unlock()
		}
	}
	start(c.Server)
	t.Cleanup(c.Close)
	return c
}

func paged(t *testing.T) *registrytest.Registry {
	t.Helper()
	registry, err := registrytest.NewPaged(10)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	for _, tag := range numbered(40) {
		if _, err := registry.Push("a", tag, noon); err != nil {
			t.Fatal(err)
		}
	}
	return registry
}

// The pages of a list go over one connection: the library that lists tags for others makes one each.
func TestPagesShareAConnection(t *testing.T) {
	s := count(t, paged(t), (*httptest.Server).Start)
	host := s.Listener.Addr().String()
	c := New(Options{RPS: 1000, Burst: 1000, Parallel: 4, Insecure: []string{host}})
	tags, err := c.Tags(t.Context(), ref(t, host+"/a"))
	if err != nil || len(tags) != 40 {
		t.Fatalf("%d tags, %v", len(tags), err)
	}
	if s.conns > 2 { // one was for an attempt to speak TLS
		t.Errorf("%d connections", s.conns)
	}
}

func TestHTTP2(t *testing.T) {
	s := count(t, paged(t), func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() })
	host := s.Listener.Addr().String()
	c := New(Options{RPS: 1000, Burst: 1000, Parallel: 8, Insecure: []string{host}})
	tags, err := c.Tags(t.Context(), ref(t, host+"/a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range c.Images(t.Context(), ref(t, host+"/a"), tags) {
		if image.Err != nil {
			t.Fatal(image.Err)
		}
	}
	if s.conns != 1 || len(s.protos) != 1 || s.protos["HTTP/2.0"] == 0 {
		t.Errorf("%d connections, requests %v", s.conns, s.protos)
	}
}
