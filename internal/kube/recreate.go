package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// toRecreate says whether an object is to be deleted and made anew. Like any deletion that needs
// --prune, and an object that the inventory knows by its UID.
func (s *Sync) toRecreate(it *item, err error) bool {
	var status apierrors.APIStatus
	return err != nil && errors.As(err, &status) && immutable(status.Status()) &&
		s.Prune && it.known && it.annotation(recreateAnnotation) == "true" && !keptKinds[it.id.GroupKind()]
}

// recreate deletes an object and makes it anew. If the run dies in between, the inventory says that
// the object is wanted and that it is not known what became of it: the next run makes it.
func (w *worker) recreate(it *item, refused error) (applied, error) {
	gone, err := w.s.Client.delete(w.hand, it.resource, it.id, it.live.UID, "Background")
	if err != nil && !errors.Is(err, errReplaced) {
		return applied{}, fmt.Errorf("deleting it, to make it anew: %w", err)
	}
	if err == nil && !gone {
		if err := w.awaitRemoved(w.hand, it); err != nil {
			return applied{}, err
		}
	}
	a, err := w.s.applyOnce(w.hand, it, false)
	a.code = http.StatusOK // for the outcome: it was there before
	a.notes = append(a.notes, "deleted and made anew: "+whatIsImmutable(refused))
	return a, err
}

// recreateLimit is how long an object that was deleted may take to be gone, for example for the grace
// period of its pods.
const recreateLimit = 40 * time.Second

func (w *worker) awaitRemoved(ctx context.Context, it *item) error {
	for deadline := time.Now().Add(recreateLimit); ; time.Sleep(100 * time.Millisecond) {
		m, err := w.s.Client.metadata(ctx, it.resource, it.id)
		switch {
		case err != nil:
			return fmt.Errorf("waiting for it to be gone, to make it anew: %w", err)
		case m == nil || m.UID != it.live.UID:
			return nil
		case time.Now().After(deadline) || w.stopped():
			return &Error{Code: "terminating", Hint: "the next run makes it anew",
				Err: fmt.Errorf("it was deleted, to be made anew, and is not gone%s", finalizers(m.live()))}
		}
	}
}

// whatIsImmutable names the fields that cannot be changed, never their values.
func whatIsImmutable(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		if fields := fieldsOf(status.Status()); fields != nil {
			return strings.Join(fields, ", ") + " cannot be changed in place"
		}
	}
	return "a field cannot be changed in place"
}
