package helmrel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// DriftMode says what becomes of a release that is as wanted, but whose objects somebody has changed.
type DriftMode string

// The modes.
const (
	DriftOff     DriftMode = "off" // nobody looks; the default
	DriftDetect  DriftMode = "detect"
	DriftCorrect DriftMode = "correct"
)

// ParseDriftMode reads a mode; nothing is the default.
func ParseDriftMode(text string) (DriftMode, error) {
	switch m := DriftMode(text); m {
	case "":
		return DriftOff, nil
	case DriftOff, DriftDetect, DriftCorrect:
		return m, nil
	}
	return "", fmt.Errorf("%q is none of off, detect and correct", text)
}

// checkDrift looks at the objects of the releases that are as wanted by their records.
func (p *plan) checkDrift(ctx context.Context, r *Run) {
	if r.Drift == DriftOff || r.Drift == "" {
		return
	}
	var workers errgroup.Group
	workers.SetLimit(max(r.Workers, 1))
	for _, it := range p.items {
		if it.settled() && it.decision.Step == StepUnchanged {
			workers.Go(func() error { it.checkDrift(ctx, r); return nil })
		}
	}
	_ = workers.Wait()
}

func (it *item) checkDrift(ctx context.Context, r *Run) {
	found, changes, err := r.Cluster.Drift(ctx, it.release, it.wanted.ID, it.history, false)
	switch {
	case err != nil:
		it.fail(&Fault{Code: "drift", Err: fmt.Errorf("comparing the release with its objects: %w", err)})
	case len(found) == 0:
	case r.Drift == DriftCorrect && !r.DryRun:
		it.decision = Decision{Step: StepCorrect, Revision: it.decision.Revision}
		it.result = nil
	case r.Drift == DriftCorrect:
		it.finish(Result{Action: Corrected, Revision: it.decision.Revision, Message: drifted(found)})
	default:
		it.finish(Result{Action: Drifted, Revision: it.decision.Revision, Message: drifted(found)})
	}
	if r.Diff && it.result != nil {
		it.show(changes)
	}
}

// correct brings the objects back to what the release's manifest says. No revision is made.
func (it *item) correct(ctx context.Context, r *Run) {
	var found []string
	var changes []ObjectChange
	err := func() (err error) {
		defer recovered(&err)
		found, changes, err = r.Cluster.Drift(ctx, it.release, it.wanted.ID, it.history, true)
		return err
	}()
	if err != nil {
		it.fail(&Fault{Code: "drift", Err: fmt.Errorf("correcting the release's objects: %w", err)})
		return
	}
	it.finish(Result{Action: Corrected, Revision: it.decision.Revision, Message: drifted(found)})
	if r.Diff {
		it.show(changes)
	}
}

func drifted(found []string) string {
	const few = 5
	text := strings.Join(found[:min(few, len(found))], "; ")
	if len(found) > few {
		text += fmt.Sprintf("; and %d more objects", len(found)-few)
	}
	return text
}

// Drift compares a release's objects with its last revision, and with correct brings them back to it. It
// names what differs. ctx bounds it loosely: Helm's requests take none.
func (c *Cluster) Drift(ctx context.Context, id ReleaseID, owner ID, h History, correct bool) (found []string, changes []ObjectChange, err error) {
	s, err := c.session(id, owner, h)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	err = within(ctx, func() (err error) {
		found, err = s.drift(lastRevision(h), correct)
		return err
	})
	slices.SortFunc(s.changes, func(a, b ObjectChange) int { return strings.Compare(a.Object, b.Object) })
	return found, s.changes, err
}
