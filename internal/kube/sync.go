package kube

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sync is one run: what is wanted, and how to go about it.
type Sync struct {
	Client *Client
	Store  *Store
	Lease  *Lease

	// Objects are wanted. Results refer to them by their index.
	Objects []*Object
	// Sources are those that the objects come from, and others that are known to be empty.
	Sources []Source
	// Dropped names sources that are gone for good: all that the inventory holds of them may go.
	Dropped []string

	// Prune allows deletion. Without it no DELETE is sent.
	Prune bool
	// DryRun asks the API server what would happen, and changes nothing.
	DryRun bool
	// Replay passes a stream that was fetched before the one that was applied last.
	Replay bool
	// AllowFewer passes a source that brings fewer objects than the same input brought before.
	AllowFewer bool
	// Brake limits how much is deleted.
	Brake Brake
	// PruneKinds are kinds that are deleted although others' objects or data go with them: Namespaces,
	// CustomResourceDefinitions, PersistentVolumes and PersistentVolumeClaims are not unless named here.
	PruneKinds []GroupKind
	// Foreground deletes what an object owns before the object; else it goes afterwards.
	Foreground bool
	// Skip are kinds to leave alone altogether.
	Skip []GroupKind
	// AllowNamespaces, where not nil, are the namespaces that may be looked at and changed: what is in
	// them, and they themselves.
	AllowNamespaces []string
	// DefaultNamespace is for namespaced objects whose manifest names none.
	DefaultNamespace string
	// Concurrency is how many requests are under way at a time; 16 when zero.
	Concurrency int
	// Force are managers whose fields are taken where they conflict with what is wanted; with ForceAll
	// everybody's are. Those that people have set by hand (with kubectl) are taken in any case.
	Force    []string
	ForceAll bool
	// Verify asks the API server about every object, in place of trusting digests.
	Verify bool
	// Diff gives results of changed objects the object before and after: one more request each.
	Diff bool
	// Events is the program that Kubernetes Events are written in the name of: one about each object
	// that failed, and one about the inventory, of a run that wrote. Empty for none.
	Events string
	// Wait waits until what is wanted is ready, or cannot become so.
	Wait bool

	// ID names the run in what is kept of it; empty for none.
	ID string

	// Report takes each result as soon as there is one, one call at a time.
	Report func(Result)
	// Unheld, where set, is told of each of Dropped of which the inventory holds nothing.
	Unheld func(source string)
	// Stop, where set, says that no new change is to be started.
	Stop func() bool
	// Progress, where set, is told how far long work is.
	Progress func(label string, done, total int)

	counts   map[string]int // of the results
	failures []Result
	wrote    bool // it has written the inventory ahead
}

// Source is one source of the objects.
type Source struct {
	Name string
	// State is what the inventory is to remember of it. A zero Fetched is not compared.
	State SourceState
	// Whole says that all its objects are here. The caller vouches for it: what the inventory
	// holds of a whole source and is not wanted may be deleted.
	Whole bool
}

// Action says what happened to an object, or under a dry run would.
type Action string

// The actions. An object that is held back is one that would be pruned were its source whole, or
// were there fewer of them.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged"
	Pruned     Action = "pruned"
	Skipped    Action = "skipped"
	Failed     Action = "failed"
	Held       Action = "held"
)

// Result is what happened to one object.
type Result struct {
	// Index is the object's in Sync.Objects; -1 for one that is only in the inventory.
	Index  int
	ID     ID
	Source string
	Action Action
	// Message says why, where the action does not say it all.
	Message string
	// Drift is what others had changed and was put right.
	Drift []Drift
	// Change is set with Sync.Diff, where the object was changed, or under a dry run would be.
	Change *Change
	// Err is set when the action is Failed. See [Explain].
	Err error
	// NotReady says that the object was applied, but did not become ready. It comes as a second
	// result of the same object.
	NotReady bool
	// Waiting is, with NotReady, how many others are still waited for.
	Waiting int
}

// errStopped ends a run that was told to stop before all was done.
var errStopped = errors.New("stopped before all was done")

// Run does it. Results of single objects go to Report, failed ones included; an error is about
// the run as a whole: [*RefusedError], [*LockedError], [ErrLostLease], or why the API server
// cannot be used. A run whose deletions were held back has done all else, and ends with a
// [*RefusedError].
func (s *Sync) Run(ctx context.Context) error {
	s = s.counting()
	plan, err := s.planOnce(ctx)
	if err != nil {
		return err
	}
	for _, source := range plan.inventory.Unheld(s.Dropped) {
		if s.Unheld != nil {
			s.Unheld(source)
		}
	}
	switch {
	case s.DryRun:
		err = s.rehearse(ctx, plan)
	case plan.quiet():
		plan.reportRest(s)
	default:
		err = s.change(ctx, plan)
	}
	if err == nil {
		err = s.wait(ctx, plan)
	}
	s.announce(ctx, plan)
	if err == nil && plan.braked != nil {
		err = plan.braked
	}
	return err
}

// change takes the lease and carries the plan out.
func (s *Sync) change(ctx context.Context, plan *plan) error {
	leased, lease, err := s.Lease.Acquire(ctx)
	if err != nil {
		return err
	}
	err = s.write(leased, plan, lease.Waited)
	// The context may have ended; what is in hand is settled all the same.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	if released := lease.Release(settling); err == nil {
		err = released
	}
	return err
}

// write makes sure of the plan, now that nobody else writes, and carries it out.
func (s *Sync) write(ctx context.Context, plan *plan, waited bool) error {
	inv, err := s.Store.Load(ctx)
	if err != nil {
		return err
	}
	if waited || inv.version() != plan.inventory.version() {
		again, err := s.planOnce(ctx)
		if err != nil {
			return err
		}
		*plan = *again
	}
	if plan.quiet() {
		plan.reportRest(s)
		return nil
	}
	return s.execute(ctx, plan)
}

// planOnce reads the cluster and decides.
func (s *Sync) planOnce(ctx context.Context) (*plan, error) {
	var kinds *Kinds
	var inv *Inventory
	both, reading := errgroup.WithContext(ctx)
	both.Go(func() (err error) { kinds, err = s.Client.Discover(reading); return err })
	both.Go(func() (err error) { inv, err = s.Store.Load(reading); return err })
	if err := both.Wait(); err != nil {
		return nil, err
	}
	if err := s.checkSources(inv); err != nil {
		return nil, err
	}
	kinds, err := s.discoverYoung(ctx, kinds)
	if err != nil {
		return nil, err
	}
	p := s.newPlan(kinds, inv)
	seen, err := s.Client.look(ctx, p.toLookAt(s), s.concurrency(), s.AllowNamespaces != nil)
	if err != nil {
		return nil, err
	}
	p.decideItems(s, seen)
	if err := s.verify(ctx, p); err != nil {
		return nil, err
	}
	if err := s.askAgain(ctx, p); err != nil {
		return nil, err
	}
	p.decideRest(s, seen)
	return p, nil
}

func (s *Sync) concurrency() int {
	if s.Concurrency <= 0 {
		return 16
	}
	return s.Concurrency
}

// The time that a run has, once it is told to stop, to finish the requests in hand and then to
// settle inventory and lease.
const (
	handLimit   = 6 * time.Second
	settleLimit = 4 * time.Second
)
