package helmrel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// plan is what a run has decided to do.
type plan struct {
	inventory *kube.Inventory
	histories map[ReleaseID]History
	items     []*item    // one for each of Run.Wanted
	order     []*item    // the same, each behind what it depends on
	removals  []*removal // in the order of the inventory
	forget    []kube.ID  // entries whose release is gone, or no longer ours
	states    map[string]kube.SourceState
	braked    *kube.RefusedError // why its uninstalls are held back
	usesUp    bool               // it uninstalls what the inventory's Confirmed allows
	changed   bool               // an entry has to be written although no release changes

	names  map[ID][]*item        // the HelmReleases by name, in whatever state they are
	claims map[ReleaseID][]*item // those that can be read, by the release that they ask for
}

// item is one HelmRelease on its way.
type item struct {
	index    int
	wanted   Wanted
	release  ReleaseID
	entry    *kube.Entry // of the inventory, before the run
	prepared *prepared
	owner    Owner
	history  History
	decision Decision
	ignored  bool
	notes    []string
	left     func(ID) bool // see Task
	needs    []*item       // what it depends on
	done     chan struct{} // closed when it was worked on, or will not be
	started  bool          // Helm was started on it
	twin     bool          // another one of the same name came before it
	result   *Result       // decided, or done
	dryRun   bool
}

// prepared is all that a release is made of.
type prepared struct {
	chart   *Chart
	values  Values
	secrets *Secrets
	digest  string
	fault   error
}

// The entry of a release in the inventory: the release is its identity, the HelmRelease stands in Extra.
const (
	releaseGroup = "helm.sh"
	releaseKind  = "Release"
	extraOwner   = "helmRelease" // namespace/name
	extraKeep    = "keep"        // "true": is not uninstalled when it leaves its source
)

func entryID(id ReleaseID) kube.ID {
	return kube.ID{Group: releaseGroup, Kind: releaseKind, Namespace: id.Namespace, Name: id.Name}
}

func ownerOf(e *kube.Entry) ID {
	namespace, name, _ := strings.Cut(e.Extra[extraOwner], "/")
	return ID{namespace, name}
}

// plan reads the cluster and decides.
func (r *Run) plan(ctx context.Context) (*plan, error) {
	inv, err := r.Store.Load(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.checkSources(inv); err != nil {
		return nil, err
	}
	p := &plan{inventory: inv, states: map[string]kube.SourceState{}}
	if len(r.Wanted) == 0 && len(inv.Entries) == 0 {
		return p, nil
	}
	both, reading := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		p.histories, err = r.Cluster.Histories(reading, r.namespaces(inv))
		return err
	})
	both.Go(func() error { r.prepare(ctx); return nil })
	both.Go(func() error { return r.newTeller(reading) })
	if err := both.Wait(); err != nil {
		return nil, err
	}
	p.decide(r)
	p.checkDrift(ctx, r)
	return p, nil
}

// namespaces are those in which this run has releases.
func (r *Run) namespaces(inv *kube.Inventory) []string {
	seen := map[string]bool{}
	for _, w := range r.Wanted {
		if w.Release != nil {
			seen[w.Release.Release().Namespace] = true
		}
	}
	for id := range inv.Entries {
		seen[id.Namespace] = true
	}
	return sortedKeys(seen)
}

// prepare reads charts and values, once.
func (r *Run) prepare(ctx context.Context) {
	if r.ready != nil {
		return
	}
	r.ready = make([]*prepared, len(r.Wanted))
	var workers errgroup.Group
	workers.SetLimit(max(r.Workers, 1) * 2)
	for i, w := range r.Wanted {
		if w.Release == nil || ignoring(w.Release) == ignoreAll {
			continue
		}
		workers.Go(func() error {
			r.ready[i] = r.prepareOne(ctx, w.Release)
			return nil
		})
	}
	_ = workers.Wait()
}

func (r *Run) prepareOne(ctx context.Context, h *HelmRelease) (p *prepared) {
	p = &prepared{}
	defer recovered(&p.fault)
	if p.fault = checkReleaseName(h.Release().Name); p.fault != nil {
		return p
	}
	if p.chart, p.fault = r.Sources.Chart(ctx, h, r.Cluster); p.fault != nil {
		p.fault = &Fault{Code: "chart", Err: p.fault}
		return p
	}
	if p.values, p.secrets, p.fault = h.Merge(ctx, r.Cluster, p.chart); p.fault != nil {
		p.fault = &Fault{Code: "values", Err: p.fault}
		return p
	}
	p.digest, p.fault = Digest(p.chart, p.values, h.Spec)
	return p
}

// recovered turns a panic into an error: charts are programs, and one that upsets Helm must not keep
// the others from being worked on.
func recovered(fault *error) {
	if v := recover(); v != nil {
		*fault = &Fault{Code: "internal", Err: fmt.Errorf("internal error: %v", v)}
	}
}

// decide compares what is wanted with what is there.
func (p *plan) decide(r *Run) {
	for i, w := range r.Wanted {
		it := &item{index: i, wanted: w, owner: Owner{Inventory: r.Inventory, Release: w.ID}, prepared: r.ready[i], dryRun: r.DryRun}
		if w.Release != nil {
			it.release = w.Release.Release()
			it.entry = p.inventory.Entries[entryID(it.release)]
			it.history = p.histories[it.release]
			it.ignored = ignoring(w.Release) == ignoreAll
		}
		p.items = append(p.items, it)
	}
	p.findDuplicates()
	earlier := p.earlier()
	for _, it := range p.items {
		it.takeNotes(earlier[it.wanted.ID])
		if it.result == nil {
			it.decide(r, p)
		}
	}
	p.arrange()
	for _, it := range p.items {
		p.changed = p.changed || it.settled() && it.entryDiffers()
	}
	p.decideRemovals(r)
	for _, f := range r.From {
		p.decideState(f)
	}
}

// earlier are the releases that HelmReleases asked for before they asked for others.
func (p *plan) earlier() map[ID][]ReleaseID {
	found := map[ID][]ReleaseID{}
	for id, e := range p.inventory.Entries {
		release := ReleaseID{id.Namespace, id.Name}
		if !gone(p.histories[release]) {
			found[ownerOf(e)] = append(found[ownerOf(e)], release)
		}
	}
	return found
}

// takeNotes says what is not done for a HelmRelease although it may look so.
func (it *item) takeNotes(held []ReleaseID) {
	if it.wanted.Release == nil || it.ignored {
		return
	}
	for _, id := range held {
		if id != it.release {
			it.notes = append(it.notes, fmt.Sprintf("its earlier release %s is left in place until the HelmRelease is gone", id))
		}
	}
	slices.Sort(it.notes)
}

// findDuplicates blocks HelmReleases of one name, and those that claim one release, except the one
// that has it.
func (p *plan) findDuplicates() {
	p.names, p.claims = map[ID][]*item{}, map[ReleaseID][]*item{}
	for _, it := range p.items {
		p.names[it.wanted.ID] = append(p.names[it.wanted.ID], it)
		if it.wanted.Release != nil {
			p.claims[it.release] = append(p.claims[it.release], it)
		}
	}
	for _, same := range p.names {
		for i, it := range same {
			if len(same) > 1 {
				it.twin = i > 0
				other := same[(i+1)%len(same)]
				it.fail(&Fault{Code: "duplicate", Hint: "a HelmRelease belongs into one place of one source",
					Err: fmt.Errorf("HelmRelease %s is there more than once, in %s", it.wanted.ID, sources(it, other))})
			}
		}
	}
	for release, same := range p.claims {
		for i, it := range same {
			if len(same) == 1 || it.result != nil || it.has() {
				continue
			}
			other := same[(i+1)%len(same)]
			it.block(Decision{Step: StepBlocked, Revision: lastRevision(it.history), Code: CodeForeign,
				Why:  fmt.Sprintf("HelmRelease %s asks for release %s too", other.wanted.ID, release),
				Hint: "give each HelmRelease a spec.releaseName of its own"})
		}
	}
}

func sources(a, b *item) string {
	if a.wanted.Source == b.wanted.Source {
		return "source " + a.wanted.Source
	}
	return "sources " + a.wanted.Source + " and " + b.wanted.Source
}

// has reports whether the release in the cluster is this HelmRelease's by its labels.
func (it *item) has() bool {
	if len(it.history) == 0 {
		return false
	}
	last := it.history[len(it.history)-1]
	inventory, owner := it.owner.labels()
	return last.Inventory == inventory && last.Owner == owner
}

func (it *item) decide(r *Run, p *plan) {
	switch e := it.entry; {
	case it.wanted.Release == nil:
		it.fail(it.wanted.Fault)
	case it.ignored:
		it.finish(Result{Action: Unchanged, Revision: lastRevision(it.history), Message: "its annotation says ignore"})
	case e != nil && e.Source != it.wanted.Source && !r.released(e.Source):
		it.fail(&Fault{Code: "held-elsewhere", Hint: "take it out of that source first; it moves when both sources are in one whole stream",
			Err: fmt.Errorf("source %s holds the release", e.Source)})
	case isUnverified(it.prepared.fault):
		it.block(unverified(it.prepared.fault, it.history))
	case gone(it.history) && it.wanted.Release.Metadata.Annotations[migrateAnnotation] != "":
		it.block(migration)
	case it.prepared.fault != nil:
		it.fail(it.prepared.fault)
	default:
		it.left = func(other ID) bool { return p.left(r, it.entry, labelOf(other.Namespace, other.Name)) }
		it.decision = Decide(it.history, Wish{
			Digest: it.prepared.digest, Owner: it.owner, Left: func(owner string) bool { return p.left(r, it.entry, owner) },
			Known: e != nil && ownerOf(e) == it.wanted.ID, Adopt: r.Adopt, Again: r.Again,
			Rollback: it.wanted.Release.Spec.Rollback.Enable, Retries: it.wanted.Release.Spec.Rollback.Retries(),
			Test: it.wanted.Release.Spec.Test.Enable, Timeout: it.wanted.Release.Spec.HelmTimeout(), Now: r.now(),
		})
		switch it.decision.Step {
		case StepBlocked:
			it.block(it.decision)
		case StepUnchanged:
			it.finish(Result{Action: Unchanged, Revision: it.decision.Revision})
		}
	}
}

// left reports whether the HelmRelease that owns a release by its label is gone for good: the
// inventory knows it, its source is here and whole, and does not hold it.
func (p *plan) left(r *Run, e *kube.Entry, owner string) bool {
	if e == nil || !r.released(e.Source) {
		return false
	}
	was := ownerOf(e)
	return labelOf(was.Namespace, was.Name) == owner && len(p.names[was]) == 0
}

// quiet says that nothing is to be written.
func (p *plan) quiet() bool {
	for _, it := range p.items {
		if it.result == nil {
			return false
		}
	}
	for _, u := range p.removals {
		if u.result == nil {
			return false
		}
	}
	return !p.changed && len(p.forget) == 0 && len(p.states) == 0
}

func (p *plan) reportAll(r *Run) {
	for _, it := range p.items {
		r.Report(*it.result)
	}
	for _, u := range p.removals {
		r.Report(*u.result)
	}
}

func lastRevision(h History) int {
	if len(h) == 0 {
		return 0
	}
	return h[len(h)-1].Version
}
