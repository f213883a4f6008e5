package main

import (
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/reconcile"
)

// show shows a person what has changed of an object.
func (r *report) show(result kube.Result, id string) {
	switch {
	case !r.o.diff:
	case result.Change != nil:
		r.s.Diff(reconcile.Unified(*result.Change, "live/"+id, "applied/"+id))
	case result.Action == kube.Pruned:
		r.s.Diff("--- live/" + id + "\n+++ /dev/null\n")
	}
}
