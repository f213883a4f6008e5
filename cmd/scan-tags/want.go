package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/registry"
)

// want is what images with the same terms need to know of the tags of their repository.
type want struct {
	terms
	rule policy.Policy
	// timed and pinned are the tags whose creation time, and whose digest of now, were looked for.
	timed, pinned map[string]bool
}

// terms tell one want from another.
type terms struct {
	policy  string
	minAge  time.Duration
	current string // empty where the image has no tag
	// follow: the image names a digest besides its tag, and the digest follows the tag.
	follow bool
}

// margin is by how much the clock of a choice may stand before the clock here: a choice is made at
// the time at which this stage began.
const margin = time.Minute

// walk looks at the tags that could be chosen, best first, until one surely is: what stands below
// it, or below the tag in use, is not needed. What matches a policy that goes by creation times was
// looked at before.
func (w *want) walk(ctx context.Context, r *repository) {
	if w.follow && w.current != "" && r.has(w.current) {
		if r.digest(ctx, w, w.current); w.minAge > 0 {
			r.time(ctx, w, w.current) // it may name another image now, which has an age too
		}
	}
	switch {
	case !w.rule.ByTime() && (w.minAge > 0 || w.follow):
		w.down(ctx, r, w.rule.Ranked(r.tags))
		// Whoever chooses may leave out dates that pass for versions.
		w.down(ctx, r, w.rule.Strict().Ranked(r.tags))
	case w.rule.ByTime() && w.follow:
		w.downByTime(ctx, r)
	}
}

func (w *want) down(ctx context.Context, r *repository, ranked []string) {
	for _, tag := range ranked {
		if tag == w.current || ctx.Err() != nil || w.step(ctx, r, tag) {
			return
		}
	}
}

// downByTime starts again where a digest of now shows that a tag has moved.
func (w *want) downByTime(ctx context.Context, r *repository) {
	for range r.tags {
		moved := false
		for _, tag := range w.newest(r) {
			before := r.images[tag].Digest
			done := ctx.Err() != nil || w.step(ctx, r, tag)
			if moved = r.images[tag].Digest != before; moved {
				break
			}
			if done {
				return
			}
		}
		if !moved {
			return
		}
	}
}

// newest are the tags that match and have a creation time, in the order of the policy.
func (w *want) newest(r *repository) []string {
	var tags []string
	for _, tag := range r.tags {
		if w.rule.Matches(tag) && r.images[tag].Err == nil {
			tags = append(tags, tag)
		}
	}
	slices.SortFunc(tags, func(a, b string) int {
		byName := cmp.Compare(b, a)
		if a == w.current {
			byName = -1
		} else if b == w.current {
			byName = 1
		}
		return cmp.Or(r.images[b].Created.Compare(r.images[a].Created), byName)
	})
	return tags
}

// step looks at one tag. It is the last where it may be chosen, or where what could be known of it
// is not known for now.
func (w *want) step(ctx context.Context, r *repository, tag string) (last bool) {
	age := w.minAge + margin
	if w.minAge > 0 {
		if !w.rule.ByTime() {
			r.time(ctx, w, tag)
		}
		image := r.images[tag]
		if image.Err != nil {
			return passing(image.Err)
		}
		if age = r.now.Sub(image.Created); age < w.minAge {
			return false
		}
	}
	if w.follow {
		if now := r.digest(ctx, w, tag); now.Err != nil {
			return passing(now.Err)
		}
	}
	return age >= w.minAge+margin
}

// passing says that an error may be gone at the next try.
func passing(err error) bool { return fault(err).Passing() }

// fault is the kind of a registry's failure; empty for none.
func fault(err error) registry.Fault {
	var failed *registry.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &failed):
		return failed.Fault
	}
	return registry.Unexpected
}
