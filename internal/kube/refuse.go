package kube

import (
	"fmt"
	"time"
)

// checkSources refuses a run that would go back in time, or that has lost objects on the way.
func (s *Sync) checkSources(inv *Inventory) error {
	for _, source := range s.Sources {
		before, known := inv.Sources[source.Name]
		if !known {
			continue
		}
		if err := s.checkStale(source, before); err != nil {
			return err
		}
		if err := s.checkFewer(source, before); err != nil {
			return err
		}
	}
	return nil
}

// checkStale: a slow pipeline must not undo what a quick one has applied meanwhile.
func (s *Sync) checkStale(source Source, before SourceState) error {
	if s.Replay || source.State.Fetched.IsZero() || !source.State.Fetched.Before(before.Fetched) {
		return nil
	}
	return &RefusedError{Code: "stale", Hint: "fetch again; --replay applies a recorded stream on purpose",
		Message: fmt.Sprintf("source %s is stale: it was fetched at %s, and a fetch of %s has been applied since",
			source.Name, source.State.Fetched.UTC().Format(time.RFC3339), before.Fetched.UTC().Format(time.RFC3339))}
}

// checkFewer: the same commit, read by the same program in the same way, holds the same objects.
// If there are fewer, something upstream has lost them, however whole the stream looks.
func (s *Sync) checkFewer(source Source, before SourceState) error {
	now := source.State
	if s.AllowFewer || !s.Prune || !source.Whole || !now.sameInput(before) || now.Manifests >= before.Manifests {
		return nil
	}
	return &RefusedError{Code: "fewer", Hint: "--allow-fewer deletes what is missing all the same",
		Message: fmt.Sprintf("source %s brings %d objects, and brought %d at the same revision %.12s before: nothing was changed",
			source.Name, now.Manifests, before.Manifests, now.Revision)}
}
