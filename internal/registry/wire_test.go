package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
)

// SAFETY 30: a registry that accepts the connection and stays silent costs one wait for the whole
// host, whatever is asked of it.
func TestSafety30SilentRegistry(t *testing.T) {
	w := newWorld(t)
	w.Inject(faultproxy.Fault{Match: "^GET http://registry.example", Silent: true})
	c := w.client(func(o *Options) { o.RequestTimeout = 300 * time.Millisecond })
	start := time.Now()
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		_, err := c.Tags(t.Context(), ref(t, "registry.example/"+name))
		wantFault(t, err, Silent, "does not answer in time")
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	// Silent in the middle of an answer.
	w = newWorld(t)
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			rw.Write([]byte(`{"tags":["a"`))
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	_, err := w.client(func(o *Options) { o.RequestTimeout = 300 * time.Millisecond }).Tags(t.Context(), ref(t, "registry.example/a"))
	wantFault(t, err, Silent, "does not answer in time")
}

func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.Inject(faultproxy.Fault{Match: "^GET", Silent: true})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := w.client(nil).Tags(ctx, ref(t, "registry.example/a"))
	wantFault(t, err, Silent, "")
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c := New(Options{RPS: 100, Burst: 10, Insecure: []string{"127.0.0.1"}})
	_, err = c.Tags(t.Context(), ref(t, address+"/a"))
	wantFault(t, err, Unreachable, "connection refused")
}

func TestLinkLocalIsRefused(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[fe80::1]:5000", "[fd00:ec2::254]", "[::ffff:169.254.1.1]"} {
		c := New(Options{RPS: 100, Burst: 10, Insecure: []string{host}})
		_, err := c.Tags(t.Context(), ref(t, host+"/a"))
		wantFault(t, err, Refused, "link-local")
	}
}

// tlsWorld answers https for any host name with one handler.
func tlsWorld(t *testing.T, handler http.Handler) *http.Transport {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return transport
}

// The library's own pagination fails here: a registry on a local name that speaks TLS, behind a
// proxy, and links to http.
func TestPagesOverTLSOnLocalNames(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("last") == "b":
			fmt.Fprint(w, `{"tags":["c"]}`)
		case r.URL.Path != "/v2/":
			w.Header().Set("Link", `<http://`+r.Host+`/v2/a/tags/list?last=b>; rel="next"`)
			fmt.Fprint(w, `{"tags":["b","a"]}`)
		}
	})
	for _, host := range []string{"127.0.0.1", "127.0.0.1:5000", "example.com", "registry.local"} {
		transport := tlsWorld(t, handler)
		transport.TLSClientConfig.ServerName = "example.com"
		c := New(Options{RPS: 1000, Burst: 100, Transport: transport})
		tags, err := c.Tags(t.Context(), ref(t, host+"/a"))
		if err != nil || strings.Join(tags, "") != "abc" {
			t.Errorf("%s: %v, %v", host, tags, err)
		}
	}
}

func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"tags":["a"]}`)
	}))
	defer server.Close()
	server.Config.ErrorLog = nil
	host := strings.TrimPrefix(server.URL, "https://")
	_, err := New(Options{RPS: 100, Burst: 100}).Tags(t.Context(), ref(t, strings.Replace(host, "127.0.0.1", "127.0.0.2", 1)+"/a"))
	if err == nil {
		t.Error("a certificate for another address was accepted")
	}
	c := New(Options{RPS: 100, Burst: 100, Insecure: []string{host}})
	if tags, err := c.Tags(t.Context(), ref(t, host+"/a")); err != nil || len(tags) != 1 {
		t.Errorf("an insecure host: %v, %v", tags, err)
	}
}

func TestPlainHTTPOnlyWhereAllowed(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := New(Options{RPS: 100, Burst: 100}).Tags(t.Context(), ref(t, strings.TrimPrefix(server.URL, "http://")+"/a"))
	wantFault(t, err, PlainHTTP, "plain http")
}
