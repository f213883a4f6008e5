package kube

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// establishLimit is how long a new kind may take until it is served.
const establishLimit = 30 * time.Second

// definedKind is the kind that a CRD defines.
func (o *Object) definedKind() (GroupKind, bool) {
	spec, _ := o.content["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	kind := GroupKind{text(spec, "group"), text(names, "kind")}
	return kind, o.ID.GroupKind() == crdKind && kind.Kind != ""
}

// definesNamespaced says whether the objects of a CRD's kind live in namespaces.
func (o *Object) definesNamespaced() bool {
	spec, _ := o.content["spec"].(map[string]any)
	return text(spec, "scope") == "Namespaced"
}

// definesVersion says whether a CRD has its kind served at a version, as far as can be told.
func (o *Object) definesVersion(version string) bool {
	spec, _ := o.content["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	return len(versions) == 0 || slices.ContainsFunc(versions, func(one any) bool {
		v, _ := one.(map[string]any)
		return text(v, "name") == version && v["served"] != false
	})
}

// admitLate waits until the kinds of this run's CRDs are served, and gives them to the objects
// that were waiting for them.
func (w *worker) admitLate() {
	var waiting []*item
	for _, it := range w.plan.items {
		if it.late && it.apply && it.done == nil {
			waiting = append(waiting, it)
		}
	}
	deadline := time.Now().Add(establishLimit)
	for pause := 50 * time.Millisecond; len(waiting) > 0 && !w.stopped(); pause = min(2*pause, time.Second) {
		kinds, err := w.s.Client.Discover(w.ctx)
		var still []*item
		for _, it := range waiting {
			crd := w.plan.crds[it.id.GroupKind()]
			switch {
			case crd.done != nil && crd.done.Action == Failed:
				w.finish(it, Failed, "", fmt.Errorf("apply failed: %s, which defines its kind, failed", crd.id))
			case err == nil && kinds.Find(it.id.GroupKind(), it.Version) != nil:
				it.resource = kinds.Find(it.id.GroupKind(), it.Version)
			case time.Now().After(deadline):
				w.finish(it, Failed, "", w.notEstablished(crd, it, err))
			default:
				still = append(still, it)
			}
		}
		waiting = still
		if len(waiting) > 0 {
			select {
			case <-w.ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// notEstablished says in the API server's words why a kind is not served.
func (w *worker) notEstablished(crd, it *item, err error) error {
	if err == nil {
		err = fmt.Errorf("the cluster does not serve %s of %s after %v%s", it.id.Kind, apiVersion(it.id.Group, it.Version), establishLimit, w.crdConditions(w.ctx, crd))
	}
	return &Error{Code: "unknown-kind", Hint: "kubectl describe crd " + crd.id.Name + " says why", Err: fmt.Errorf("apply failed: %w", err)}
}

func (w *worker) crdConditions(ctx context.Context, crd *item) string {
	var object struct {
		Status struct {
			Conditions []struct {
				Type, Status, Message string
			} `json:"conditions"`
		} `json:"status"`
	}
	if found, err := w.s.Client.Get(ctx, crd.resource, "", crd.id.Name, &object); err != nil || !found {
		return ""
	}
	var text string
	for _, c := range object.Status.Conditions {
		if c.Status == "False" && c.Message != "" {
			text += ": " + c.Message
		}
	}
	return text
}
