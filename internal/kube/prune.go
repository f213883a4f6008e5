package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// unwanted are the entries that no object of this run stands for, as far as they concern it:
// those of whole and dropped sources, and, to be named, those of sources that are not whole.
func (p *plan) unwanted(s *Sync) []*removal {
	if !s.Prune {
		return nil
	}
	whole := map[string]bool{}
	for _, source := range s.Sources {
		whole[source.Name] = source.Whole
	}
	var removals []*removal
	for _, entry := range p.inventory.sorted() {
		kind := entry.GroupKind()
		if p.wanted[entry.ID] != nil || slices.Contains(s.Skip, kind) {
			continue
		}
		isWhole, here := whole[entry.Source]
		dropped := slices.Contains(s.Dropped, entry.Source)
		if !here && !dropped {
			continue
		}
		r := &removal{entry: entry, resource: p.kinds.Find(kind, entry.Version)}
		if r.resource == nil {
			r.resource = p.kinds.Find(kind, "")
		}
		switch {
		case !s.allows(entry.ID):
			r.decide(Skipped, "not pruned: this run is for other namespaces")
		case !isWhole && !dropped:
			r.decide(Held, "held back: its source is not whole")
		case keptKinds[kind] && !slices.Contains(s.PruneKinds, kind):
			r.decide(Skipped, "not pruned: a "+kind.Kind+" takes others' objects or data with it; it has to be asked for by kind")
		case r.resource == nil:
			r.decide(Skipped, "not pruned: the cluster does not serve its kind; the inventory keeps it")
		default:
			r.stage = stageOf(kind, r.resource.Namespaced)
		}
		removals = append(removals, r)
	}
	slices.SortStableFunc(removals, func(a, b *removal) int { return b.stage - a.stage })
	return removals
}

func (r *removal) decide(action Action, message string) {
	r.result = &Result{Index: -1, ID: r.entry.ID, Source: r.entry.Source, Action: action, Message: message}
}

func (r *removal) fail(err error) {
	r.decide(Failed, "")
	r.result.Err = err
}

// decidePrunes keeps from deletion what is not, or not for certain, what we made.
func (p *plan) decidePrunes(s *Sync, seen *snapshot) {
	p.prunes = slices.DeleteFunc(p.prunes, func(r *removal) bool {
		if r.result != nil {
			return false
		}
		r.live = seen.objects[r.entry.ID]
		switch l := r.live; {
		case l == nil && seen.unseen[r.entry.ID] != nil && r.entry.UID == "" && r.entry.Extra[extraRefused] != "":
			r.decide(Skipped, "not pruned: it was refused when it was to be made, and may not be looked at; the inventory keeps it")
		case l == nil && seen.unseen[r.entry.ID] != nil:
			r.fail(explained(seen.unseen[r.entry.ID], "prune failed"))
		case l == nil:
			p.forget = append(p.forget, r.entry)
			return true
		case r.entry.UID == "" && (l.Fields == "" || l.Owner != s.Store.Owner().String()):
			// Written ahead by a run that did not get to make the object; somebody else did. Its fields may
			// be ours without our annotation: it was taken over from kubectl, and then the apply was refused.
			p.forget = append(p.forget, r.entry)
			r.decide(Skipped, "not pruned: it was never applied from here")
		case r.entry.UID != "" && r.entry.UID != l.UID:
			p.forget = append(p.forget, r.entry)
			r.decide(Skipped, "not pruned: somebody else has made it anew; the inventory forgets it")
		case l.Owner != "" && l.Owner != s.Store.Owner().String():
			p.forget = append(p.forget, r.entry)
			r.decide(Skipped, fmt.Sprintf("not pruned: its annotation says that inventory %s holds it; this one forgets it", l.Owner))
		case l.Ignore != "" || r.entry.Extra[extraKeep] != "":
			r.decide(Skipped, "not pruned: its annotation says so")
		case l.Deleting:
			r.decide(Skipped, "it is already being deleted"+finalizers(l))
		}
		return false
	})
}

// postponePrunes leaves alone what belongs to a source of which something is known to fail: a run
// that can do nothing else has nothing to write.
func (p *plan) postponePrunes() {
	failed := map[string]bool{}
	for _, it := range p.items {
		failed[it.Source] = failed[it.Source] || it.done != nil && it.done.Action == Failed
	}
	for _, r := range p.prunes {
		if r.result == nil && failed[r.entry.Source] {
			r.postpone()
		}
	}
}

func (r *removal) postpone() {
	r.decide(Skipped, "not pruned yet: objects of its source failed to apply")
}

// keepOccupied leaves alone the Namespace of an object that stays, and the CustomResourceDefinition of
// its kind: the object would go with it; and the Namespace of the inventory itself.
func (p *plan) keepOccupied(s *Sync) {
	staying := map[ID]bool{}
	for id := range p.inventory.Entries {
		staying[id] = true
	}
	for id := range p.wanted {
		staying[id] = true
	}
	for _, r := range p.prunes {
		if r.result == nil {
			delete(staying, r.entry.ID)
		}
	}
	for _, entry := range p.forget {
		delete(staying, entry.ID)
	}
	for _, r := range p.prunes {
		if r.result != nil || !keptKinds[r.entry.GroupKind()] {
			continue
		}
		if r.entry.GroupKind() == namespaceKind && r.entry.Name == s.Store.namespace {
			r.decide(Skipped, "not pruned: the inventory is kept in it, and would go with it")
			continue
		}
		for _, id := range slices.SortedFunc(maps.Keys(staying), ID.compare) {
			if p.goesWith(id, r.entry.ID) {
				r.decide(Skipped, fmt.Sprintf("not pruned: %s stays, and would go with it", id))
				break
			}
		}
	}
}

// goesWith says whether an object is deleted with another: with its Namespace, or with the definition
// of its kind.
func (p *plan) goesWith(id, other ID) bool {
	switch other.GroupKind() {
	case namespaceKind:
		return id.Namespace == other.Name
	case crdKind:
		r := p.kinds.Find(id.GroupKind(), "")
		return r != nil && r.Plural+"."+r.Group == other.Name
	}
	return false
}

// How long a run waits for what it deleted to be gone, and how long one that is to wait for what it
// applied does. What takes longer (finalizers, a long grace period) stays in the inventory until a
// later run finds it gone.
const (
	goneLimit        = 3 * time.Second
	patientGoneLimit = time.Minute
)

// errReplaced says that an object is not the one that was to be deleted.
var errReplaced = errors.New("the object was replaced")

// delete deletes one object, if it still is the one with this UID. It returns whether the object
// is gone already.
func (c *Client) delete(ctx context.Context, r *Resource, id ID, uid, propagation string) (gone bool, err error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation,
		"preconditions": map[string]string{"uid": uid},
	})
	if err != nil {
		return false, err
	}
	var answer struct {
		Kind string `json:"kind"`
	}
	_, err = c.do(ctx, request{method: http.MethodDelete, path: r.path(id.Namespace, id.Name),
		accept: metadataOnly + "," + plainJSON, contentType: plainJSON, body: body}, &answer)
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case apierrors.IsConflict(err):
		return c.replaced(ctx, r, id, uid, err)
	case err != nil:
		return false, err
	}
	// An object that finalizers or a grace period keep alive is sent back, a Status otherwise.
	return answer.Kind == "Status", nil
}

// replaced finds out what a DELETE was refused for with a conflict: that the object has another UID, or
// for a reason that a webhook gave, or because its namespace is going.
func (c *Client) replaced(ctx context.Context, r *Resource, id ID, uid string, refused error) (gone bool, err error) {
	switch m, err := c.metadata(ctx, r, id); {
	case err != nil:
		return false, refused
	case m == nil:
		return true, nil
	case m.UID != uid:
		return false, errReplaced
	}
	return false, refused
}

// prune deletes stage by stage, in the reverse order of applying.
func (w *worker) prune(removals []*removal) {
	var lingering []*removal
	var mu sync.Mutex
	for stage := stageCount - 1; stage >= 0; stage-- {
		var now []*removal
		for _, r := range removals {
			if r.result == nil && r.stage == stage {
				now = append(now, r)
			}
		}
		each(w, now, func(r *removal) {
			if w.failed[r.entry.Source] {
				r.postpone()
				return
			}
			if refused := w.occupant(removals, r); refused != nil {
				r.decide(Skipped, fmt.Sprintf("not pruned yet: %s is still there, and would go with it", refused.ID))
				return
			}
			uid := r.entry.UID
			if uid == "" {
				uid = r.live.UID
			}
			gone, err := w.s.Client.delete(w.hand, r.resource, r.entry.ID, uid, w.s.propagation())
			switch {
			case errors.Is(err, errReplaced):
				w.drop(r.entry)
				r.decide(Skipped, "not pruned: somebody else has made it anew; the inventory forgets it")
			case err != nil:
				r.fail(refusedError(err, r.entry.GroupKind(), "prune failed"))
			case gone:
				w.drop(r.entry)
				r.decide(Pruned, "")
			default:
				w.identify(r.entry, uid)
				mu.Lock()
				lingering = append(lingering, r)
				mu.Unlock()
			}
		})
	}
	w.awaitGone(lingering)
	for _, r := range removals {
		if r.result != nil {
			w.s.Report(*r.result)
		}
	}
}

// occupant is an object that could not be deleted and that a removal would take along; nil for none.
// What is taken along is of an earlier stage, and has been tried.
func (w *worker) occupant(removals []*removal, r *removal) *Result {
	if !keptKinds[r.entry.GroupKind()] {
		return nil
	}
	for _, other := range removals {
		if other.stage > r.stage && other.result != nil && other.result.Action == Failed && w.plan.goesWith(other.entry.ID, r.entry.ID) {
			return other.result
		}
	}
	return nil
}

func (s *Sync) propagation() string {
	if s.Foreground {
		return "Foreground"
	}
	return "Background"
}

// awaitGone drops entries as their objects go.
func (w *worker) awaitGone(lingering []*removal) {
	limit := goneLimit
	if w.s.Wait {
		limit = patientGoneLimit
	}
	deadline := time.Now().Add(limit)
	for pause := 50 * time.Millisecond; len(lingering) > 0; pause = min(2*pause, time.Second) {
		lingering = slices.DeleteFunc(lingering, func(r *removal) bool {
			m, err := w.s.Client.metadata(w.hand, r.resource, r.entry.ID)
			switch {
			case err != nil:
				return false
			case m == nil || m.UID != r.live.UID:
				w.drop(r.entry)
				r.decide(Pruned, "")
				return true
			}
			r.live = m.live()
			return false
		})
		if w.ctx.Err() != nil || time.Now().After(deadline) {
			break
		}
		select {
		case <-w.ctx.Done():
		case <-time.After(pause):
		}
	}
	for _, r := range lingering {
		r.decide(Pruned, "it is being deleted"+finalizers(r.live))
	}
}
