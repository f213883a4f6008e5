package kube

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// refusal says whether the API server has refused an object for a reason that lies in the object or in
// the rules of the cluster, and that will most likely still be there in the next run.
func refusal(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch code := status.Status().Code; code {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	case http.StatusConflict:
		return conflictsIn(err) != nil
	default:
		return code >= 400 && code < 500
	}
}

// noteRefusal remembers what was refused.
func (w *worker) noteRefusal(it *item, err error) {
	if !refusal(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan.inventory.Entries[it.id].note(extraRefused, it.digest)
}

// askAgain puts what the API server refused in an earlier run to it as a question: if that is all that
// there is to do, and it is still refused, the run writes nothing and takes no lease.
func (s *Sync) askAgain(ctx context.Context, p *plan) error {
	if s.DryRun {
		return nil // it asks for every object
	}
	var group errgroup.Group
	group.SetLimit(s.concurrency())
	for _, it := range p.items {
		if !it.apply || it.late || it.entry == nil || it.entry.Extra[extraRefused] != it.digest {
			continue
		}
		group.Go(func() error {
			_, err := s.applyOnce(ctx, it, true)
			if refusal(err) && !s.toRecreate(it, err) && !strings.Contains(err.Error(), "does not support dry run") {
				it.apply = false
				it.finish(Failed, "", applyError(err, it.id.GroupKind()))
			}
			return nil
		})
	}
	return group.Wait()
}
