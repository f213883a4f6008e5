package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/registry"
)

// repository is what one repository is asked for, on behalf of all images from it, and its answers.
type repository struct {
	name  string
	ref   imageref.Ref
	wants map[terms]*want
	order []*want
	done  chan struct{} // closed once the answers are there

	// What report knows of it: how many images are still to be written, and whether one was.
	left    int
	reached bool

	now     time.Time
	client  *registry.Client
	looking func(images int) // is told how many images are about to be looked at

	tags    []string
	images  map[string]registry.Image // by tag
	digests map[string]registry.Image // by tag, as of now
	err     error
}

// want gives what an image needs to know.
func (r *repository) want(i *image) *want {
	t := terms{policy: i.rule.String(), minAge: i.minAge, current: i.ref.Tag, follow: i.ref.Digest != ""}
	w := r.wants[t]
	if w == nil {
		w = &want{terms: t, rule: i.rule, timed: map[string]bool{}, pinned: map[string]bool{}}
		r.wants[t] = w
		r.order = append(r.order, w)
	}
	return w
}

// scan asks the registry.
func (r *repository) scan(ctx context.Context) {
	defer r.client.Done(ctx, r.ref)
	if r.tags, r.err = r.client.Tags(ctx, r.ref); r.err != nil {
		return
	}
	if r.err = r.check(ctx); r.err != nil {
		return
	}
	r.images, r.digests = map[string]registry.Image{}, map[string]registry.Image{}
	var matching []string
	for _, tag := range r.tags {
		if slices.ContainsFunc(r.order, func(w *want) bool { return w.rule.ByTime() && w.rule.Matches(tag) }) {
			matching = append(matching, tag)
		}
	}
	r.look(ctx, matching)
	for _, w := range r.order {
		w.walk(ctx, r)
	}
}

// look reads the creation times of images.
func (r *repository) look(ctx context.Context, tags []string) {
	r.looking(len(tags))
	for _, image := range r.client.Images(ctx, r.ref, tags) {
		r.images[image.Tag] = image
	}
}

// time reads the creation time of one image, on behalf of a want.
func (r *repository) time(ctx context.Context, w *want, tag string) {
	w.timed[tag] = true
	if _, known := r.images[tag]; !known {
		r.look(ctx, []string{tag})
	}
}

// digest asks which digest a tag names now, on behalf of a want. What was known of another digest
// is read anew.
func (r *repository) digest(ctx context.Context, w *want, tag string) registry.Image {
	w.pinned[tag] = true
	now, asked := r.digests[tag]
	if !asked {
		now.Tag = tag
		now.Digest, now.Err = r.client.Digest(ctx, r.ref, tag)
		r.digests[tag] = now
	}
	if known, there := r.images[tag]; there && now.Err == nil && known.Digest != now.Digest {
		r.look(ctx, []string{tag})
	}
	return now
}

func (r *repository) has(tag string) bool {
	_, listed := slices.BinarySearch(r.tags, tag)
	return listed
}

// check looks for the tags in use that the list lacks. A registry that has one all the same gave
// half a list, however whole it looked; choosing from that could go back to an old image.
func (r *repository) check(ctx context.Context) error {
	asked := map[string]bool{"": true}
	for _, w := range r.order {
		if asked[w.current] || r.has(w.current) {
			continue
		}
		asked[w.current] = true
		_, err := r.client.Digest(ctx, r.ref, w.current)
		switch fault(err) {
		case registry.NotFound:
		case "":
			return &registry.Error{Fault: registry.Malformed, Doing: "listing the tags of " + r.name, Host: r.ref.Canonical().Registry,
				Err: fmt.Errorf("the list lacks %s, which the registry has", w.current)}
		default:
			return err
		}
	}
	return nil
}

// doubt says which labels of images tell no time although they were asked; empty for none.
func (r *repository) doubt() string {
	var first string
	n := 0
	for _, tag := range r.tags {
		if text := r.images[tag].Doubt; text != "" {
			if n++; n == 1 {
				first = tag + ": " + text
			}
		}
	}
	if n > 1 {
		first += fmt.Sprintf(" (%d tags are like this)", n)
	}
	if n > 0 {
		first = r.name + ":" + first
	}
	return first
}

// drop forgets the answers.
func (r *repository) drop() {
	r.tags, r.images, r.digests, r.wants, r.order = nil, nil, nil, nil, nil
}
