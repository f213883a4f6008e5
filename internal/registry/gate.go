package registry

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How a host's rate follows its answers. A 429 halves rate and burst, down to the floor; after so
// many other answers in a row they grow by half, up to what was configured. Flux waited 20 minutes
// before it grew a rate: this process lives for less, so it counts answers instead.
const (
	slowest    = rate.Limit(0.1) // requests per second
	cleanCount = 50
)

// gate is what stands before one host: a rate, and a time before which it wants no request.
type gate struct {
	mu      sync.Mutex
	limiter *rate.Limiter
	until   time.Time

	rate   rate.Limit // as configured
	burst  int
	slowed int // how often it was
	clean  int // the answers since the rate was last changed
}

func (c *Client) gate(host string) *gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[host]
	if g == nil {
		g = newGate(rate.Limit(c.options.RPS), c.options.Burst)
		c.gates[host] = g
	}
	return g
}

func newGate(limit rate.Limit, burst int) *gate {
	return &gate{limiter: rate.NewLimiter(limit, burst), rate: limit, burst: burst}
}

// wait waits for the gate to open. What it gives goes to [gate.learn] with the answer.
func (c *Client) wait(ctx context.Context, g *gate) (slowed int, err error) {
	now := c.options.Now()
	g.mu.Lock()
	pause := g.until.Sub(now)
	if pause > 0 {
		now = now.Add(pause)
	}
	delay := max(pause, 0) + g.limiter.ReserveN(now, 1).DelayFrom(now)
	slowed = g.slowed
	g.mu.Unlock()
	if delay <= 0 {
		return slowed, ctx.Err()
	}
	return slowed, c.options.Sleep(ctx, delay)
}

// close keeps requests back until a time.
func (g *gate) close(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.until) {
		g.until = until
	}
}

// learn adapts the rate to an answer. Requests that were under way together and meet with the same
// refusal slow the host down once.
func (g *gate) learn(tooMany bool, slowed int, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case tooMany && slowed == g.slowed:
		g.slowed++
		g.clean = 0
		g.limiter.SetLimitAt(now, max(g.limiter.Limit()/2, min(slowest, g.rate)))
		g.limiter.SetBurstAt(now, max(g.limiter.Burst()/2, 1))
	case tooMany || g.limiter.Limit() >= g.rate && g.limiter.Burst() >= g.burst:
	default:
		if g.clean++; g.clean < cleanCount {
			return
		}
		g.clean = 0
		g.limiter.SetLimitAt(now, min(g.limiter.Limit()*3/2, g.rate))
		g.limiter.SetBurstAt(now, min(g.limiter.Burst()*3/2+1, g.burst))
	}
}
