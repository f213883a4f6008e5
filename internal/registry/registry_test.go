package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// world is a network with a registry at registry.example, behind a proxy that can spoil requests.
type world struct {
	*faultproxy.Proxy
	registry *registrytest.Registry
	address  *url.URL
	slept    []time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	registry, err := registrytest.NewPaged(100)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	w := &world{Proxy: faultproxy.New(), registry: registry}
	w.Handle("registry.example", registry)
	address, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if w.address, err = url.Parse(address); err != nil {
		t.Fatal(err)
	}
	return w
}

// client asks through the proxy, and sleeps without waiting.
func (w *world) client(change func(*Options)) *Client {
	var mu sync.Mutex // images are read side by side
	now := noon
	options := Options{
		RPS: 1e6, Burst: 1e6, Parallel: 4, RequestTimeout: 20 * time.Second, Insecure: []string{"registry.example", "auth.example"},
		Transport: &http.Transport{Proxy: http.ProxyURL(w.address)},
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(d)
			w.slept = append(w.slept, d)
			return ctx.Err()
		},
	}
	if change != nil {
		change(&options)
	}
	return New(options)
}

// asked are the plain requests, without the attempts to speak TLS.
func (w *world) asked() []string {
	return slices.DeleteFunc(w.Requests(), func(r string) bool { return strings.HasPrefix(r, "CONNECT") })
}

func (w *world) push(t *testing.T, repository, tag string, created time.Time, more ...string) string {
	t.Helper()
	digest, err := w.registry.Push(repository, tag, created, more...)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func ref(t testing.TB, s string) imageref.Ref {
	t.Helper()
	r, err := imageref.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func numbered(n int) []string {
	var tags []string
	for i := range n {
		tags = append(tags, fmt.Sprintf("t%04d", i))
	}
	return tags
}

func wantFault(t *testing.T, err error, fault Fault, text string) {
	t.Helper()
	if e := known(err); e == nil || e.Fault != fault {
		t.Errorf("got %v, want fault %s", err, fault)
	} else if !strings.Contains(err.Error(), text) {
		t.Errorf("got %q, want it to say %q", err, text)
	}
}
