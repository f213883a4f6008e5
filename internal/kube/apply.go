package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// applied is what came of an apply.
type applied struct {
	code  int
	meta  partialMetadata
	whole json.RawMessage // the answer; for a diff it is the whole object
	taken []conflict      // fields that were taken from others, by force
	notes []string        // what else there is to say
}

// applyOnce sends one server-side apply. Fields that are ours to take are taken; any other conflict is
// an error.
func (s *Sync) applyOnce(ctx context.Context, it *item, dryRun bool) (applied, error) {
	var a applied
	err := s.sendApply(ctx, it, dryRun, false, &a)
	if conflicts := conflictsIn(err); conflicts != nil && s.mayTake(conflicts) {
		a.taken = conflicts
		err = s.sendApply(ctx, it, dryRun, true, &a)
	}
	return a, err
}

func (s *Sync) sendApply(ctx context.Context, it *item, dryRun, force bool, a *applied) (err error) {
	query := url.Values{"fieldManager": {Manager}, "fieldValidation": {"Strict"}, "force": {"false"}}
	if force {
		query.Set("force", "true")
	}
	if dryRun {
		query.Set("dryRun", "All")
	}
	r := request{
		method: http.MethodPatch, path: it.resource.path(it.id.Namespace, it.id.Name), query: query,
		accept: metadataOnly, contentType: applyPatch, body: it.body,
	}
	if s.Diff {
		r.accept = plainJSON
	}
	if a.code, err = s.Client.do(ctx, r, &a.whole); err != nil {
		return err
	}
	var answer partial
	if err := json.Unmarshal(a.whole, &answer); err != nil {
		return badAnswer(fmt.Errorf("reading the answer to %s %s: %w", r.method, r.path, err))
	}
	a.meta = answer.Metadata
	return nil
}

// applyPatch is the content type of a server-side apply.
const applyPatch = "application/apply-patch+yaml"

// applyPatiently applies an object, and takes it over first where it was applied client-side.
func (w *worker) applyPatiently(it *item) (applied, error) {
	var from []string
	if it.firstContact {
		if from = clientSideManagers(it.live.managed); from != nil {
			m := &partialMetadata{ResourceVersion: it.live.ResourceVersion, ManagedFields: it.live.managed}
			if err := w.s.Client.takeOver(w.hand, it.resource, it.id, m); err != nil {
				return applied{}, err
			}
		}
	}
	a, err := w.s.applyOnce(w.hand, it, false)
	for patience := time.Now().Add(accountLimit); noAccountYet(err) && time.Now().Before(patience) && !w.stopped(); {
		time.Sleep(100 * time.Millisecond)
		a, err = w.s.applyOnce(w.hand, it, false)
	}
	// Of an object without managedFields, or with none of kubectl's, the API server says only now who
	// was there before.
	if late := clientSideManagers(a.meta.ManagedFields); err == nil && it.firstContact && late != nil {
		from = append(from, late...)
		if err = w.s.Client.takeOver(w.hand, it.resource, it.id, &a.meta); err == nil {
			a, err = w.s.applyOnce(w.hand, it, false)
		}
	}
	if from != nil {
		slices.Sort(from)
		a.notes = append(a.notes, describeTakeOver(slices.Compact(from)))
		a.taken = nil // kubectl's: what else it has set by hand is said by that, too
	}
	return a, err
}

// accountLimit is how long a pod waits for the service account "default", which a controller
// makes in a new namespace.
const accountLimit = 10 * time.Second

func noAccountYet(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "error looking up service account") &&
		strings.Contains(err.Error(), `serviceaccount "default" not found`)
}

// encounter is how an object was found, and what came of it.
type encounter struct {
	known        bool // it is there, and is the one that was applied from here
	firstContact bool // it is there, and was not applied from here before
	drifted      bool // it differs although git says nothing new of it
	deleted      bool // it was applied from here and is gone
	replaced     bool // it is not the one that was applied from here

	drift  []Drift // known once it was applied
	change *Change
}

// remember keeps what the plan found, before the inventory is written ahead.
func (it *item) remember() {
	e, l := it.entry, it.live
	it.known = e != nil && l != nil && e.UID == l.UID
	it.firstContact = l != nil && (e == nil || e.Applied == "" || e.UID != l.UID)
	it.drifted = it.known && e.Applied == it.digest
	it.deleted = e != nil && e.UID != "" && l == nil
	it.replaced = e != nil && e.UID != "" && l != nil && e.UID != l.UID
}

// explain notes on the item what had drifted, and gives the message about the apply.
func (it *item) explain(a applied) string {
	it.drift = driftOf(a.taken)
	switch {
	case it.deleted:
		a.notes = append(a.notes, "it had been deleted")
	case it.replaced:
		a.notes = append(a.notes, "somebody else had made it anew")
	case it.drifted:
		if lost := driftBetween(it.live.managed, a.meta.ManagedFields); lost != nil {
			it.drift = lost
		}
		if it.drift == nil && it.live.Changed != a.meta.live().Changed {
			it.drift = []Drift{{Manager: Manager}}
		}
	}
	if it.drift != nil {
		a.notes = append(a.notes, describeDrift(it.drift))
	}
	return strings.Join(a.notes, "; ")
}
