package helmrel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// Run is one reconciliation: what is wanted, and how to go about it.
type Run struct {
	Cluster *Cluster
	Sources *Sources
	Store   *kube.Store
	Lease   *kube.Lease
	// Inventory is the identity of the inventory, which the releases are labelled with.
	Inventory ID

	// Wanted are the HelmReleases, in the order in which results are reported.
	Wanted []Wanted
	// From are the sources that they come from, and others that hold none.
	From []kube.Source
	// Dropped names sources that are gone for good.
	Dropped []string
	// Objects are the wanted HelmReleases as the cluster holds them, where they were read from there; nil
	// has them looked up.
	Objects []Object
	// Namespaces, where not nil, are those that HelmReleases were looked for in: one of another is not gone.
	Namespaces []string

	// Prune allows to uninstall. Without it nothing is.
	Prune bool
	// Brake limits how much is uninstalled.
	Brake kube.Brake
	// DryRun renders and asks the API server what it thinks, and changes nothing.
	DryRun bool
	// Replay passes a stream that was fetched before the one that was applied last, AllowFewer a
	// source that brings fewer HelmReleases than the same input brought before.
	Replay, AllowFewer bool
	// Adopt takes over releases that somebody made by hand, Again tries what failed before.
	Adopt, Again bool
	// Diff asks for the changes of single objects.
	Diff bool
	// Drift says whether the objects of releases are looked at that are as wanted; off when empty.
	Drift DriftMode
	// CRDs is the policy for the definitions that charts hold; create when empty.
	CRDs CRDPolicy
	// Workers is how many releases are worked on at a time; 1 when zero.
	Workers int

	// ID names the run in what is kept of it; empty for none.
	ID string

	// Report takes each result, in the order of Wanted, then those that are in the inventory only.
	Report func(Result)
	// Unheld, where set, is told of each of Dropped of which the inventory holds nothing.
	Unheld func(source string)
	// Stop, where set, says that no new change is to be started.
	Stop func() bool
	// Progress, where set, is told how many releases are done.
	Progress func(done, total int)

	// Events, where set, are told to the HelmReleases that the cluster holds.
	Events *kube.Notices
	// Note, where set, is told of what fails nothing: that no status can be written.
	Note func(string)

	// teller keeps the cluster's HelmReleases up to date; nil in a dry run.
	teller *teller
	// ready holds what was prepared, so that planning anew under the lease costs two requests.
	ready []*prepared
}

// Wanted is a HelmRelease of a source.
type Wanted struct {
	Source string
	// ID is its identity, with the namespace settled.
	ID ID
	// APIVersion is that of its manifest.
	APIVersion string
	// Release is what it says; nil where Fault says why it cannot be read.
	Release *HelmRelease
	Fault   error
}

// Action says what happened to a release, or under a dry run would.
type Action string

// The actions. A release that is held back is one that would be uninstalled were its source whole, or
// were there fewer of them.
const (
	Installed   Action = "installed"
	Upgraded    Action = "upgraded"
	Unchanged   Action = "unchanged"
	RolledBack  Action = "rolled-back"
	Tested      Action = "tested"  // nothing but its tests had to be run
	Drifted     Action = "drifted" // it is as wanted, but somebody has changed its objects
	Corrected   Action = "corrected"
	Uninstalled Action = "uninstalled"
	Blocked     Action = "blocked"
	Failed      Action = "failed"
	Held        Action = "held"
)

// Result is what happened to one release. Its texts hold no secret.
type Result struct {
	// Index is that of Wanted; -1 for a release that is in the inventory only.
	Index       int
	Source      string
	HelmRelease ID
	Release     ReleaseID // zero where the HelmRelease could not be read
	Action      Action
	// Chart, Version and ChartRevision name the chart; empty where it was not loaded.
	Chart, Version, ChartRevision string
	// Revision is the release's last one; 0 for none.
	Revision int
	// Message says why. Code and Hint are set when something is wrong: a word for programs, and
	// what to do about it.
	Message, Code, Hint string
	// Changes are what it changed of single objects, with Run.Diff.
	Changes []ObjectChange
	// Outcome is what Helm did; zero where it had nothing to do.
	Outcome Outcome
	// Notes say what was decided about the chart.
	Notes []string
}

var errStopped = errors.New("stopped before all was done")

// settleLimit is the time that a stopped run has to write its inventory and release its lease.
const settleLimit = 6 * time.Second

// Do carries the run out. Results of single releases go to Report, failed ones included; an error is
// about the run as a whole: [*kube.RefusedError], [*kube.LockedError], [kube.ErrLostLease], or why the
// API server cannot be used. A run whose uninstalls were held back has done all else, and ends with a
// [*kube.RefusedError].
func (r *Run) Do(ctx context.Context) error {
	p, err := r.plan(ctx)
	if err != nil {
		return err
	}
	for _, source := range p.inventory.Unheld(r.Dropped) {
		if r.Unheld != nil {
			r.Unheld(source)
		}
	}
	if r.DryRun {
		return errors.Join(r.act(ctx, p), p.heldBack()) // every step of a dry run only asks
	}
	defer func() { r.teller.close(ctx, r.Workers) }()
	if p.quiet() {
		p.reportAll(r)
		r.teller.all(ctx, p.items, r.Workers)
		return p.heldBack()
	}
	leased, lease, err := r.Lease.Acquire(ctx)
	if err != nil {
		return err
	}
	err = r.write(leased)
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	return errors.Join(err, lease.Release(settling))
}

// write plans anew, now that nobody else writes, and acts.
func (r *Run) write(ctx context.Context) error {
	p, err := r.plan(ctx)
	if err != nil {
		return err
	}
	if p.quiet() {
		p.reportAll(r)
		r.teller.all(ctx, p.items, r.Workers)
		return p.heldBack()
	}
	p.writeAhead(r)
	if err := r.Store.Save(ctx, p.inventory); err != nil {
		return err
	}
	stopped := r.act(ctx, p)
	p.settle(r, stopped == nil)
	p.mark(r)
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	return errors.Join(stopped, r.Store.Save(settling, p.inventory), p.heldBack())
}

// heldBack is why not all of the plan was carried out; nil where it was.
func (p *plan) heldBack() error {
	if p.braked == nil {
		return nil
	}
	return p.braked
}

// act installs and upgrades, several at a time, and then uninstalls. A run that is told to stop
// finishes what it has in hand.
func (r *Run) act(ctx context.Context, p *plan) error {
	installs := 0
	for _, it := range p.items {
		if it.result == nil && it.decision.Step == StepInstall {
			installs++
		}
	}
	r.Cluster.present.expect(installs)
	report := &inOrder{run: r, waiting: make([]*Result, len(p.items)), total: len(p.items)}
	var workers errgroup.Group
	workers.SetLimit(max(r.Workers, 1))
	for _, it := range p.order {
		workers.Go(func() error {
			defer close(it.done)
			switch {
			case it.result != nil: // decided already
			case !it.await() && it.result == nil, r.stopped(ctx):
				return nil
			case it.result != nil: // what it depends on was not
			default:
				it.run(ctx, r)
			}
			r.teller.result(ctx, it)
			report.done(it.result)
			return nil
		})
	}
	_ = workers.Wait()
	report.rest()
	if r.stopped(ctx) {
		return stopReason(ctx)
	}
	for _, u := range p.removals {
		if u.result == nil && r.stopped(ctx) {
			return stopReason(ctx)
		}
		if u.result == nil {
			u.run(ctx, r)
		}
		r.Report(*u.result)
	}
	return nil
}

// now is the time by which ages are judged.
func (r *Run) now() time.Time {
	if r.Lease == nil || r.Lease.Now == nil {
		return time.Time{}
	}
	return r.Lease.Now()
}

func (r *Run) stopped(ctx context.Context) bool {
	return ctx.Err() != nil || r.Stop != nil && r.Stop()
}

func stopReason(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return errStopped
}

// inOrder reports results in the order of the items, whatever the order in which they come.
type inOrder struct {
	run     *Run
	mu      sync.Mutex
	waiting []*Result
	next    int
	count   int
	total   int
}

func (o *inOrder) done(result *Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting[result.Index] = result
	o.count++
	if o.run.Progress != nil {
		o.run.Progress(o.count, o.total)
	}
	for o.next < len(o.waiting) && o.waiting[o.next] != nil {
		o.run.Report(*o.waiting[o.next])
		o.next++
	}
}

// rest reports what was done behind something that was not, in a run that was stopped.
func (o *inOrder) rest() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, result := range o.waiting[o.next:] {
		if result != nil {
			o.run.Report(*result)
		}
	}
}

// released reports whether a source has let go of what it no longer wants: it is here and whole, or it
// was dropped.
func (r *Run) released(source string) bool {
	return slices.Contains(r.Dropped, source) || slices.ContainsFunc(r.From, func(f kube.Source) bool { return f.Name == source && f.Whole })
}
