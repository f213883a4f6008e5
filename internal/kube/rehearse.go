package kube

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// rehearse is a dry run: each apply is put to the API server as a question. No DELETE is sent,
// not even as a question.
func (s *Sync) rehearse(ctx context.Context, p *plan) error {
	w := &worker{s: s, plan: p, ctx: ctx, hand: ctx, failed: map[string]bool{}}
	var asked []*item
	for _, it := range p.items {
		switch {
		case !it.apply:
			w.failed[it.Source] = w.failed[it.Source] || it.done.Action == Failed
			s.Report(*it.done)
		case it.late:
			w.finish(it, Created, "not checked: its kind comes with this run", nil)
		default:
			asked = append(asked, it)
		}
	}
	w.total = len(asked)
	each(w, asked, w.ask)
	for _, r := range p.prunes {
		switch {
		case r.result != nil:
		case w.failed[r.entry.Source]:
			r.postpone()
		default:
			r.decide(Pruned, "")
		}
		s.Report(*r.result)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (w *worker) ask(it *item) {
	before, err := w.s.look(w.hand, it)
	var a applied
	if err == nil {
		a, err = w.s.applyOnce(w.hand, it, true)
	}
	switch {
	case w.s.toRecreate(it, err):
		w.finish(it, Configured, "deleted and made anew: "+whatIsImmutable(err), nil)
	case apierrors.IsNotFound(err) && w.bringsNamespace(it.id.Namespace):
		w.finish(it, Created, "not checked: its namespace comes with this run", nil)
	case err != nil:
		w.finish(it, Failed, "", applyError(err, it.id.GroupKind()))
	default:
		if from := clientSideManagers(a.meta.ManagedFields); it.firstContact && from != nil {
			a.foresee(from)
		}
		action := outcome(it, a.code, a.meta.live(), true)
		it.compare(action, before, a.whole)
		w.finish(it, action, it.explain(a), nil)
	}
}

func (w *worker) bringsNamespace(name string) bool {
	it := w.plan.wanted[ID{Kind: "Namespace", Name: name}]
	return it != nil && it.live == nil && it.apply
}
