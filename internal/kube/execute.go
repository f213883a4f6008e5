package kube

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// worker carries a plan out.
type worker struct {
	s    *Sync
	plan *plan
	// ctx ends when nothing new is to be started, hand when even what was begun is given up.
	ctx, hand context.Context

	mu     sync.Mutex // guards the inventory, failed and done
	failed map[string]bool
	done   int
	total  int
}

// execute writes the inventory ahead, applies, prunes, and settles the inventory.
func (s *Sync) execute(ctx context.Context, p *plan) error {
	hand, cancel := handContext(ctx)
	defer cancel()
	w := &worker{s: s, plan: p, ctx: ctx, hand: hand, failed: map[string]bool{}}
	w.writeAhead()
	if err := s.Store.Save(ctx, p.inventory); err != nil {
		return err
	}
	s.wrote = true
	w.noteDone()
	w.apply()
	if !w.stopped() {
		w.prune(p.prunes)
	}
	whole := !w.stopped()
	w.settle(whole)
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	var saved error
	if !errors.Is(context.Cause(ctx), ErrLostLease) {
		saved = s.Store.Save(settling, p.inventory)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case saved != nil:
		return saved
	case !whole:
		return errStopped
	}
	return nil
}

// handContext outlives ctx by the time that requests in hand are given. Where the lease was
// lost somebody else may be writing, and nothing is given.
func handContext(ctx context.Context) (context.Context, context.CancelFunc) {
	hand, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), ErrLostLease) {
			cancel()
			return
		}
		time.AfterFunc(handLimit, cancel)
	})
	return hand, func() { stop(); cancel() }
}

func (w *worker) stopped() bool {
	return w.ctx.Err() != nil || w.s.Stop != nil && w.s.Stop()
}

// writeAhead enters what may be there in a moment, and takes back what may no longer be true.
func (w *worker) writeAhead() {
	inv := w.plan.inventory
	for _, it := range w.plan.items {
		if !it.apply {
			continue
		}
		entry := inv.Entries[it.id]
		if entry == nil {
			entry = &Entry{ID: it.id, Source: it.Source}
			inv.Entries[it.id] = entry
		}
		entry.Version, entry.Applied, entry.Fields = it.Version, "", ""
		entry.note(extraKeep, ignoring(it.annotation))
	}
	for _, source := range w.s.Sources {
		state, known := inv.Sources[source.Name]
		if source.State.Fetched.After(state.Fetched) {
			state.Fetched = source.State.Fetched
			known = true
		}
		if known {
			inv.Sources[source.Name] = state
		}
	}
}

// noteDone reports what needs no request, and enters moves between sources.
func (w *worker) noteDone() {
	for _, it := range w.plan.items {
		switch {
		case it.apply:
			w.total++
			continue
		case w.plan.moves(it):
			w.plan.inventory.Entries[it.id].Source = it.Source
		case it.done.Action == Failed:
			w.failed[it.Source] = true
		}
		w.s.Report(*it.done)
	}
	for _, entry := range w.plan.forget {
		delete(w.plan.inventory.Entries, entry.ID)
	}
}

// settle notes what the sources stand at. A run that was stopped half-way has not brought the
// cluster there.
func (w *worker) settle(whole bool) {
	if !whole {
		return
	}
	w.mark()
	for name, state := range w.plan.states {
		w.plan.inventory.Sources[name] = state
	}
	for _, name := range w.s.Dropped {
		if len(w.plan.inventory.Held(name)) == 0 {
			delete(w.plan.inventory.Sources, name)
		}
	}
}

// each runs f for every element, so many at a time, until the run is stopped.
func each[T any](w *worker, elements []T, f func(T)) {
	var group errgroup.Group
	group.SetLimit(w.s.concurrency())
	for _, element := range elements {
		if w.stopped() {
			break
		}
		group.Go(func() error {
			if !w.stopped() {
				f(element)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// apply applies stage by stage. Kinds that come with this run's CRDs are looked up again.
func (w *worker) apply() {
	for stage := range stageCount {
		if stage == stageCRDs+1 {
			w.admitLate()
		}
		var now []*item
		for _, it := range w.plan.items {
			if it.apply && it.stage == stage && it.done == nil {
				now = append(now, it)
			}
		}
		each(w, now, w.applyItem)
	}
}

func (w *worker) applyItem(it *item) {
	before, err := w.s.look(w.hand, it)
	var a applied
	if err == nil {
		a, err = w.applyPatiently(it)
	}
	if w.s.toRecreate(it, err) {
		a, err = w.recreate(it, err)
	}
	if err != nil {
		w.noteRefusal(it, err)
		w.finish(it, Failed, "", applyError(err, it.id.GroupKind()))
		return
	}
	after := a.meta.live()
	w.mu.Lock()
	entry := w.plan.inventory.Entries[it.id]
	entry.UID, entry.Source, entry.Version = after.UID, it.Source, it.Version
	entry.Applied, entry.Fields = it.digest, after.Fields
	entry.note(extraRefused, "")
	w.mu.Unlock()
	action := outcome(it, a.code, after, false)
	it.compare(action, before, a.whole)
	w.finish(it, action, it.explain(a), nil)
}

// outcome tells a change from an apply that the server found to change nothing. Under a dry run
// the resourceVersion stays in either case; there what differs from the inventory counts as a
// change, and what the inventory is not sure of goes by the time of our last change.
func outcome(it *item, code int, after *live, dryRun bool) Action {
	switch {
	case code == http.StatusCreated:
		return Created
	case it.live == nil || it.live.ResourceVersion != after.ResourceVersion:
		return Configured
	case dryRun && (it.entry != nil && it.entry.Applied != "" || it.live.Fields != after.Fields || it.live.Changed != after.Changed):
		return Configured
	}
	return Unchanged
}

func (w *worker) finish(it *item, action Action, message string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	it.finish(action, message, err)
	if action == Failed {
		w.failed[it.Source] = true
	}
	w.done++
	w.s.Report(*it.done)
	if w.s.Progress != nil {
		w.s.Progress("applying", w.done, w.total)
	}
}

// drop takes an entry out of the inventory: its object is gone, or is not ours.
func (w *worker) drop(entry *Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.plan.inventory.Entries, entry.ID)
}

// identify notes which object an entry stands for.
func (w *worker) identify(entry *Entry, uid string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entry.UID = uid
}
