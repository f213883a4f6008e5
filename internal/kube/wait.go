package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	unstructuredjson "k8s.io/apimachinery/pkg/util/json"
)

// passiveGroups and passiveKinds are ready as soon as they exist; asking for them would read
// Secrets for nothing.
var (
	passiveGroups = map[string]bool{
		"rbac.authorization.k8s.io": true, "admissionregistration.k8s.io": true, "networking.k8s.io": true,
		"scheduling.k8s.io": true, "storage.k8s.io": true,
	}
	passiveKinds = map[string]bool{"ConfigMap": true, "Secret": true, "ServiceAccount": true, "LimitRange": true, "Namespace": true}
)

func (it *item) toWaitFor() bool {
	switch {
	case it.done == nil, it.resource == nil, !it.resource.canList():
		return false
	case passiveGroups[it.id.Group], it.id.Group == "" && passiveKinds[it.id.Kind]:
		return false
	}
	return it.done.Action == Created || it.done.Action == Configured || it.done.Action == Unchanged
}

// waiter waits for objects, in rounds.
type waiter struct {
	s       *Sync
	began   time.Time
	left    []*waited
	done    int
	lists   map[*Resource]*lister
	classes map[string]binding // by name of a StorageClass
}

// waited is an object that is not ready yet.
type waited struct {
	*item
	uid    string
	object *unstructured.Unstructured // nil where there is none
	unseen *verdict                   // why it could not be looked at
	state  verdict                    // as it was judged last

	asked    time.Time // when its pods were looked at last
	troubled time.Time // since when they are in trouble, without a pause
	words    string    // the trouble
}

// wait waits until everything that was applied is ready, and reports what is not: as soon as it does
// not look as if it would become so, and else when the context ends. It does not fail the run.
func (s *Sync) wait(ctx context.Context, p *plan) error {
	if !s.Wait || s.DryRun {
		return nil
	}
	w := &waiter{s: s, began: time.Now(), lists: map[*Resource]*lister{}, classes: map[string]binding{}}
	for _, it := range p.items {
		if !it.toWaitFor() {
			continue
		}
		w.left = append(w.left, &waited{item: it, uid: p.inventory.Entries[it.id].UID, state: verdict{words: "it was not looked at"}})
		if w.lists[it.resource] == nil {
			w.lists[it.resource] = &lister{client: s.Client, r: it.resource, label: s.Store.Owner().label(), narrow: s.AllowNamespaces != nil}
		}
	}
	for pause := 100 * time.Millisecond; len(w.left) > 0; pause = min(pause*3/2, 3*time.Second) {
		if w.round(ctx); len(w.left) == 0 {
			break
		}
		select {
		case <-ctx.Done():
			w.giveUp()
		case <-time.After(pause):
		}
	}
	return nil
}

// round looks at everything once.
func (w *waiter) round(ctx context.Context) {
	w.look(ctx)
	if ctx.Err() != nil {
		return
	}
	for _, it := range w.left {
		it.state = w.judge(ctx, it)
	}
	w.askPods(ctx)
	var still, gone []*waited
	for _, it := range w.left {
		switch it.state.end {
		case ready:
			w.done++
		case lost:
			w.done++
			gone = append(gone, it)
		default:
			still = append(still, it)
		}
	}
	for _, it := range gone {
		w.report(it, it.state.err(), len(still))
	}
	if w.s.Progress != nil {
		w.s.Progress("ready", w.done, w.done+len(still))
	}
	w.left = still
}

func (w *waiter) report(it *waited, err error, others int) {
	w.s.Report(Result{Index: it.index, ID: it.id, Source: it.Source, Action: Failed, NotReady: true, Waiting: others, Err: err})
}

// giveUp reports what is left when the time is over.
func (w *waiter) giveUp() {
	for _, it := range w.left {
		w.report(it, &Error{Code: "not-ready", Hint: "--timeout sets how long to wait",
			Err: fmt.Errorf("not ready in time: %s", it.state.with(it.words))}, 0)
	}
	w.left = nil
}

// look reads all objects: one list for each kind.
func (w *waiter) look(ctx context.Context) {
	byKind := map[*Resource][]*waited{}
	for _, it := range w.left {
		byKind[it.resource] = append(byKind[it.resource], it)
	}
	var group errgroup.Group
	group.SetLimit(w.s.concurrency())
	for r, items := range byKind {
		group.Go(func() error { w.lists[r].look(ctx, items); return nil })
	}
	_ = group.Wait()
}

// lister reads the objects of one kind: by one list of those with our label, by one for each namespace
// where more is forbidden, and object by object where all lists are.
type lister struct {
	client *Client
	r      *Resource
	label  string
	narrow bool            // the whole cluster must not be listed
	closed map[string]bool // namespaces that must not be listed
}

func (l *lister) look(ctx context.Context, items []*waited) {
	byNamespace := map[string][]*waited{}
	for _, it := range items {
		it.object, it.unseen = nil, nil
		byNamespace[it.id.Namespace] = append(byNamespace[it.id.Namespace], it)
	}
	if len(byNamespace) > 1 && !l.narrow && l.list(ctx, "", items) {
		return
	}
	for namespace, items := range byNamespace {
		if len(items) == 1 || l.closed[namespace] || !l.list(ctx, namespace, items) {
			for _, it := range items {
				it.object, it.unseen = l.get(ctx, it)
			}
		}
	}
}

// list says whether it may be listed.
func (l *lister) list(ctx context.Context, namespace string, items []*waited) (allowed bool) {
	var answer struct {
		Items []json.RawMessage `json:"items"`
	}
	_, err := l.client.do(ctx, request{method: http.MethodGet, path: l.r.path(namespace, ""),
		query: url.Values{"labelSelector": {InventoryLabel + "=" + l.label}}}, &answer)
	if apierrors.IsForbidden(err) {
		l.narrow = true
		if namespace != "" {
			if l.closed == nil {
				l.closed = map[string]bool{}
			}
			l.closed[namespace] = true
		}
		return false
	}
	found := map[ID]*unstructured.Unstructured{}
	for _, raw := range answer.Items {
		object, decoded := l.decode(raw)
		if decoded != nil {
			err = decoded
			break
		}
		found[ID{l.r.Group, l.r.Kind, object.GetNamespace(), object.GetName()}] = object
	}
	for _, it := range items {
		switch it.object = found[it.id]; {
		case err != nil:
			it.unseen = unseen(err)
		case it.object == nil: // gone, or without our label
			it.object, it.unseen = l.get(ctx, it)
		}
	}
	return true
}

// get reads one object; nil where there is none.
func (l *lister) get(ctx context.Context, it *waited) (*unstructured.Unstructured, *verdict) {
	var raw json.RawMessage
	found, err := l.client.Get(ctx, l.r, it.id.Namespace, it.id.Name, &raw)
	if err != nil {
		return nil, unseen(err)
	}
	if !found {
		return nil, nil
	}
	object, err := l.decode(raw)
	if err != nil {
		return nil, unseen(err)
	}
	return object, nil
}

// decode reads an object. Those of a list say neither kind nor version.
func (l *lister) decode(raw []byte) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := unstructuredjson.Unmarshal(raw, &object.Object); err != nil {
		return nil, badAnswer(err)
	}
	object.SetAPIVersion(apiVersion(l.r.Group, l.r.Version))
	object.SetKind(l.r.Kind)
	return object, nil
}

// unseen is the verdict on what could not be looked at. What is forbidden stays so.
func unseen(err error) *verdict {
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return &verdict{end: lost, because: explained(err, "waiting for it")}
	}
	return &verdict{words: err.Error()}
}
