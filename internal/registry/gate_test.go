package registry

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
)

func TestRateHalvesAndRecovers(t *testing.T) {
	g := newGate(8, 10)
	want := func(what string, limit rate.Limit, burst int) {
		t.Helper()
		if g.limiter.Limit() != limit || g.limiter.Burst() != burst {
			t.Errorf("%s: %v and %d, want %v and %d", what, g.limiter.Limit(), g.limiter.Burst(), limit, burst)
		}
	}
	clean := func(n int) {
		for range n {
			g.learn(false, g.slowed, noon)
		}
	}
	clean(200)
	want("nothing happened", 8, 10)
	g.learn(true, 0, noon)
	want("a 429", 4, 5)
	g.learn(true, 0, noon)
	want("a 429 to a request of the same time", 4, 5)
	g.learn(true, 1, noon)
	want("a 429 to a later request", 2, 2)
	clean(cleanCount - 1)
	want("not long enough", 2, 2)
	clean(1)
	want("long enough", 3, 4)
	clean(cleanCount)
	want("again", 4.5, 7)
	clean(2 * cleanCount)
	want("as configured, and not more", 8, 10)
	for i := range 20 {
		g.learn(true, g.slowed, noon.Add(time.Duration(i)))
	}
	want("the floor", 0.1, 1)
	g = newGate(0.05, 1)
	g.learn(true, 0, noon)
	want("configured below the floor", 0.05, 1)
}

// A host that says 429 once is asked at half the rate from then on; another host is not.
func TestTooManyRequestsSlowTheHostDown(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	w.Inject(faultproxy.Fault{Match: "/tags/list", Nth: 1, Status: 429, Header: http.Header{"Retry-After": {"3"}}})
	c := w.client(func(o *Options) { o.RPS, o.Burst = 100, 100 })
	if _, err := c.Tags(t.Context(), ref(t, "registry.example/a")); err != nil {
		t.Fatal(err)
	}
	if got := c.gate("registry.example").limiter.Limit(); got != 50 {
		t.Errorf("rate %v", got)
	}
	if got := c.gate("other.example").limiter.Limit(); got != 100 {
		t.Errorf("rate of another host %v", got)
	}
}
