package kube

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// verify puts every object of which nothing seems to differ to the API server as a question, where the
// run is to take nobody's word but the server's. What the server would refuse fails without a write.
func (s *Sync) verify(ctx context.Context, p *plan) error {
	if !s.Verify {
		return nil
	}
	var group errgroup.Group
	group.SetLimit(s.concurrency())
	for _, it := range p.items {
		if it.done == nil || it.done.Action != Unchanged {
			continue
		}
		group.Go(func() error {
			a, err := s.applyOnce(ctx, it, true)
			after := a.meta.live()
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err != nil:
				it.finish(Failed, "", applyError(err, it.id.GroupKind()))
			case it.live.Fields != after.Fields:
				it.done, it.apply = nil, true
				it.remember()
			}
			return nil
		})
	}
	return group.Wait()
}
