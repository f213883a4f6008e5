package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// A newer run that was killed half-way has changed something: an older stream does not take that back.
func TestSafety25StaleAfterAKilledRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustRun(0, stream(fetched{name: "config", yaml: configMaps("a")}), "--prune")
	direct := w.kubeconfig
	var patches atomic.Int32
	var kill func()
	w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch && patches.Add(1) == 2 {
			kill()
			return
		}
		next.ServeHTTP(rw, r)
	})
	at := func(minute int) time.Time { return script.Noon.Add(time.Duration(minute) * time.Minute) }
	newer := w.command(stream(fetched{name: "config", revision: strings.Repeat("4", 40), at: at(2), yaml: configMaps("a", "b", "c")}), "--prune", "--concurrency", "1")
	kill = func() { _ = newer.Process.Kill() }
	if err := newer.Run(); err == nil {
		t.Fatal("the newer run was not killed")
	}
	w.kubeconfig = direct
	w.expireLease()
	stale := stream(fetched{name: "config", revision: strings.Repeat("3", 40), at: at(1), yaml: configMaps("a")})
	if writes := w.writes(func() { w.mustRun(4, stale, "--prune") }); len(writes) > 0 {
		t.Errorf("a stale stream wrote: %v", writes)
	}
	if !w.has("b") {
		t.Error("what the newer run had brought is gone")
	}
}
