package kubetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// shared is the one cluster of a test binary.
var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Main runs the tests of a package and stops the shared cluster, if one was started.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the shared cluster:", err)
			code = max(code, 1)
		}
	}
	return code
}

// Shared is the cluster of this test binary, started by the first test that asks. Under
// -short the test is skipped.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("a control plane takes some seconds to start: not under -short")
	}
	shared.once.Do(func() {
		shared.cluster, shared.err = Start(context.Background(), Options{Log: os.Stderr})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

var (
	namespaces atomic.Int64
	unfit      = regexp.MustCompile(`[^a-z0-9]+`)
)

// Namespace makes a namespace for one test. It goes with the cluster.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	name := strings.Trim(unfit.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	name = fmt.Sprintf("%.50s-%d", name, namespaces.Add(1))
	c.Must(t, "POST", "/api/v1/namespaces", "metadata: {name: "+name+"}")
	return name
}

// Must is [Cluster.Do] for a test that cannot go on without it.
func (c *Cluster) Must(t testing.TB, method, path, body string) Object {
	t.Helper()
	object, err := c.Do(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// Count runs f and returns the requests that clients with this user agent made meanwhile.
func (c *Cluster) Count(t testing.TB, agent string, f func()) []Request {
	t.Helper()
	mark, err := c.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f()
	requests, err := c.Since(t.Context(), mark, agent)
	if err != nil {
		t.Fatal(err)
	}
	return requests
}

// Writes are the requests that could have changed something.
func Writes(requests []Request) []Request {
	var writes []Request
	for _, r := range requests {
		if r.Write() {
			writes = append(writes, r)
		}
	}
	return writes
}

// Restricted makes the user and returns the path of its kubeconfig.
func (c *Cluster) Restricted(t testing.TB, u User) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), u.Name+".kubeconfig")
	if err := c.AddUser(t.Context(), u, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// Through starts a proxy for one test and returns the path of a kubeconfig that leads through
// it, with the namespace as its context's.
func (c *Cluster) Through(t testing.TB, namespace string, handler Handler) string {
	t.Helper()
	proxy, err := c.NewProxy(handler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	file := filepath.Join(t.TempDir(), "proxy.kubeconfig")
	if err := proxy.WriteKubeconfig(file, namespace); err != nil {
		t.Fatal(err)
	}
	return file
}
