package helmrel

import (
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// checkSources refuses a run that would go back in time, or that has lost objects on the way.
func (r *Run) checkSources(inv *kube.Inventory) error {
	for _, f := range r.From {
		before, known := inv.Sources[f.Name]
		now := f.State
		switch {
		case !known:
		case !r.Replay && !now.Fetched.IsZero() && now.Fetched.Before(before.Fetched):
			return &kube.RefusedError{Code: "stale", Hint: "fetch again; --replay applies a recorded stream on purpose",
				Message: fmt.Sprintf("source %s is stale: it was fetched at %s, and a fetch of %s has been applied since",
					f.Name, now.Fetched.UTC().Format(time.RFC3339), before.Fetched.UTC().Format(time.RFC3339))}
		case r.Prune && !r.AllowFewer && f.Whole && now.Manifests < before.Manifests && now.Revision == before.Revision &&
			now.Tool == before.Tool && slices.Equal(now.Paths, before.Paths):
			return &kube.RefusedError{Code: "fewer", Hint: "--allow-fewer uninstalls what is missing all the same",
				Message: fmt.Sprintf("source %s brings %d HelmReleases, and brought %d at the same revision %.12s before: nothing was changed",
					f.Name, now.Manifests, before.Manifests, now.Revision)}
		}
	}
	return nil
}

// decideState notes a source's state where it says something new. That a quiet run came later than the
// one before is not worth a write.
func (p *plan) decideState(f kube.Source) {
	before, known := p.inventory.Sources[f.Name]
	if !known && f.State.Manifests == 0 {
		return // a source without a HelmRelease is no business of ours
	}
	next := before
	if f.Whole {
		next = f.State
	}
	next.Fetched = before.Fetched
	if f.State.Fetched.After(before.Fetched) {
		next.Fetched = f.State.Fetched
	}
	same := next.Revision == before.Revision && next.Tool == before.Tool && next.Manifests == before.Manifests && slices.Equal(next.Paths, before.Paths)
	if !same || !known {
		p.states[f.Name] = next
	}
}
