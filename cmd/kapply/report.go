package main

import (
	"slices"
	"sync"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/reconcile"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// report writes results in the order of the manifests, whatever order they come in.
type report struct {
	s  *stage.IO
	o  options
	in *input

	mu       sync.Mutex
	slots    []*kube.Result // by manifest
	next     int            // the first manifest whose result is not written
	pruned   []kube.Result
	held     map[string][]string // by source
	notReady []kube.Result
	totals   map[kube.Action]int
}

func newReport(s *stage.IO, o options, in *input) *report {
	r := &report{s: s, o: o, in: in, slots: make([]*kube.Result, len(in.manifests)), held: map[string][]string{}, totals: map[kube.Action]int{}}
	for i, m := range in.manifests {
		if m.err != nil {
			r.slots[i] = &kube.Result{ID: m.id, Source: m.place.Source, Action: kube.Failed,
				Err: &kube.Error{Code: "bad-object", Err: m.err}}
		}
	}
	return r
}

// take takes a result as soon as there is one.
func (r *report) take(result kube.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case result.NotReady:
		r.notReady = append(r.notReady, result)
		if result.Waiting > 0 {
			r.s.Infof("%s %v; waiting for %d more", result.ID, result.Err, result.Waiting)
		}
	case result.Index < 0:
		r.pruned = append(r.pruned, result)
	default:
		r.slots[r.in.index[result.Index]] = &result
		r.flush(false)
	}
}

// flush writes what is next in order; all of it once no more results come.
func (r *report) flush(all bool) {
	for ; r.next < len(r.slots); r.next++ {
		result := r.slots[r.next]
		if result == nil {
			if all {
				continue // the run ended before its turn
			}
			return
		}
		r.write(*result, r.in.manifests[r.next])
	}
}

// write writes one apply record and, where it failed, the error record that goes with it.
func (r *report) write(result kube.Result, m manifest) {
	record := jsonl.Apply{
		Source: result.Source, ID: result.ID.String(), Group: result.ID.Group, Kind: result.ID.Kind,
		Namespace: result.ID.Namespace, Name: result.ID.Name,
		Action: jsonl.ApplyAction(result.Action), DryRun: r.o.DryRun, Transformed: m.transformed, Message: result.Message,
	}
	if m.err != nil {
		record.ID = m.label
	}
	if result.Action == kube.Held {
		record.Action = jsonl.Skipped
	}
	if result.Err != nil {
		record.Message = result.Err.Error()
	}
	for _, d := range result.Drift {
		record.Drift = append(record.Drift, jsonl.Drift{Manager: d.Manager, Fields: append([]string{}, d.Fields...)})
	}
	r.totals[kube.Action(record.Action)]++
	r.show(result, record.ID)
	_ = r.s.Write(record) // a broken stdout is seen at the end of the run
	if result.Err != nil {
		r.fail(result, m, record.ID)
	}
}

func (r *report) fail(result kube.Result, m manifest, id string) {
	code, hint := kube.Explain(result.Err)
	r.s.Fail(jsonl.Error{
		Code: code, Message: result.Err.Error(), Hint: hint, ID: id,
		Source: result.Source, File: m.place.File, Line: m.place.Line,
	})
}

// close writes what is left when the run is over, and sums up.
func (r *report) close(sources []kube.Source, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flush(true)
	for _, result := range r.pruned {
		if result.Action == kube.Held {
			r.held[result.Source] = append(r.held[result.Source], result.ID.String())
		}
		r.write(result, manifest{})
	}
	slices.SortFunc(r.notReady, func(a, b kube.Result) int { return a.Index - b.Index })
	for _, result := range r.notReady {
		r.fail(result, r.in.manifests[r.in.index[result.Index]], result.ID.String())
	}
	words.HoldBack(r.s, r.o.Options, sources, r.held)
	if transformed := r.transformed(); transformed > 0 {
		r.s.Warn("%d objects are not as they stand in git: a stage before this one has changed them", transformed)
	}
	var counts []reconcile.Count
	for _, action := range []kube.Action{kube.Created, kube.Configured, kube.Unchanged, kube.Pruned, kube.Skipped, kube.Failed} {
		counts = append(counts, reconcile.Count{Action: string(action), N: r.totals[action],
			Change: action == kube.Created || action == kube.Configured || action == kube.Pruned})
	}
	reconcile.SumUp(r.s, r.o.Options, counts, err != nil)
}

func (r *report) transformed() int {
	n := 0
	for _, m := range r.in.manifests {
		if m.transformed {
			n++
		}
	}
	return n
}
