package helmrel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// removal is a release that no HelmRelease asks for any more.
type removal struct {
	entry   *kube.Entry
	release ReleaseID
	history History
	dryRun  bool
	result  *Result
}

// decideRemovals finds the releases whose HelmRelease has left. One that is wanted but cannot be read,
// or asks for a release of another name now, has not left.
func (p *plan) decideRemovals(r *Run) {
	var entries []*kube.Entry
	for _, f := range r.From {
		entries = append(entries, p.inventory.Held(f.Name)...)
	}
	for _, source := range r.Dropped {
		if !slices.ContainsFunc(r.From, func(f kube.Source) bool { return f.Name == source }) {
			entries = append(entries, p.inventory.Held(source)...)
		}
	}
	for _, e := range entries {
		id := ReleaseID{e.Namespace, e.Name}
		switch {
		case len(p.claims[id]) > 0, r.Namespaces != nil && !slices.Contains(r.Namespaces, ownerOf(e).Namespace):
			continue
		case gone(p.histories[id]):
			p.forget = append(p.forget, e.ID) // somebody else was quicker
			continue
		case len(p.names[ownerOf(e)]) > 0:
			continue
		}
		u := &removal{entry: e, release: id, history: p.histories[id], dryRun: r.DryRun}
		u.decide(r, p)
	}
	p.brake(r)
}

// brake holds the uninstalls back where they are too many. A release that has changed since is
// another victim.
func (p *plan) brake(r *Run) {
	var victims []kube.Victim
	for _, u := range p.removals {
		if u.result == nil {
			victims = append(victims, kube.Victim{ID: u.entry.ID, UID: fmt.Sprintf("revision %d", lastRevision(u.history))})
		}
	}
	p.usesUp, p.braked = r.Brake.Check(p.inventory, kube.Owner(r.Inventory), victims)
	for _, u := range p.removals {
		if p.braked != nil && u.result == nil {
			u.finish(Result{Action: Held, Revision: lastRevision(u.history), Message: "held back: too much would be uninstalled at once"})
		}
	}
}

// gone reports whether no release is left of a history.
func gone(h History) bool { return len(h) == 0 || h[len(h)-1].Status == statusUninstalled }

func (u *removal) decide(r *Run, p *plan) {
	inventory, owner := Owner{r.Inventory, ownerOf(u.entry)}.labels()
	last := u.history[len(u.history)-1]
	switch {
	case !r.Prune:
		return
	case !r.released(u.entry.Source):
		u.finish(Result{Action: Held, Revision: last.Version, Message: "source " + u.entry.Source + " is not whole"})
	case u.entry.Extra[extraKeep] == "true":
		p.forget = append(p.forget, u.entry.ID)
		u.finish(Result{Action: Unchanged, Revision: last.Version, Message: "its HelmRelease is gone; the release stays, as its annotation said"})
	case last.Inventory != inventory || last.Owner != owner:
		p.forget = append(p.forget, u.entry.ID)
		u.finish(Result{Action: Unchanged, Revision: last.Version, Message: "its HelmRelease is gone; the release stays: it is somebody else's by now"})
	case last.foreignWork(r.now(), DefaultTimeout):
		u.finish(Result{Action: Blocked, Revision: last.Version, Code: CodePending,
			Message: fmt.Sprintf("revision %d is %s, and was not begun here: another Helm is at work, or was killed", last.Version, last.Status),
			Hint:    "a later run uninstalls it once that is older than " + inWords(DefaultTimeout)})
	}
	p.removals = append(p.removals, u)
}

func (u *removal) run(ctx context.Context, r *Run) {
	if u.dryRun {
		u.finish(Result{Action: Uninstalled, Message: "its HelmRelease is gone"})
		return
	}
	err := func() (err error) {
		defer recovered(&err)
		return r.Cluster.Uninstall(ctx, u.release, ownerOf(u.entry), u.history)
	}()
	var taken *TakenError
	if errors.As(err, &taken) {
		u.finish(Result{Action: Blocked, Revision: lastRevision(u.history), Message: err.Error(), Code: CodeForeign, Hint: takenHint})
		return
	}
	if err != nil {
		u.finish(Result{Action: Failed, Revision: lastRevision(u.history), Message: err.Error(), Code: "helm",
			Hint: "the release stays in the inventory; the next run tries again"})
		return
	}
	u.finish(Result{Action: Uninstalled, Message: "its HelmRelease is gone"})
}

func (u *removal) finish(result Result) {
	result.Index, result.Source, result.HelmRelease, result.Release = -1, u.entry.Source, ownerOf(u.entry), u.release
	result.Message = oneLine(result.Message)
	u.result = &result
}
