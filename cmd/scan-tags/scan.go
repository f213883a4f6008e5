package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/registry"
)

// repository is what one repository is asked for, on behalf of all images from it, and its answers.
type repository struct {
	name    string
	ref     imageref.Ref
	rules   []policy.Policy // those that go by creation times, each once
	current []string        // the tags in use

	tags   []string
	images map[string]registry.Image // by tag, of those that a rule matches
	err    error
}

// scan is the work on all repositories.
type scan struct {
	client       *registry.Client
	repositories map[string]*repository
	order        []*repository
}

func newScan(client *registry.Client, images []image) *scan {
	s := &scan{client: client, repositories: map[string]*repository{}}
	for _, i := range images {
		if !i.scanned {
			continue
		}
		r := s.repositories[i.record.Repository]
		if r == nil {
			r = &repository{name: i.record.Repository, ref: i.ref}
			s.repositories[r.name] = r
			s.order = append(s.order, r)
		}
		same := func(p policy.Policy) bool { return p.String() == i.rule.String() }
		if i.rule.ByTime() && !slices.ContainsFunc(r.rules, same) {
			r.rules = append(r.rules, i.rule)
		}
		if i.ref.Tag != "" && !slices.Contains(r.current, i.ref.Tag) {
			r.current = append(r.current, i.ref.Tag)
		}
	}
	return s
}

// run asks the registries, several repositories at a time.
func (s *scan) run(ctx context.Context, progress func(done, total int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	finished := make(chan struct{}, len(s.order))
	for _, r := range s.order {
		wg.Go(func() {
			slots <- struct{}{}
			r.scan(ctx, s.client)
			<-slots
			finished <- struct{}{}
		})
	}
	for done := range len(s.order) {
		progress(done, len(s.order))
		<-finished
	}
	wg.Wait()
}

func (r *repository) scan(ctx context.Context, client *registry.Client) {
	if r.tags, r.err = client.Tags(ctx, r.ref); r.err != nil {
		return
	}
	if r.err = r.check(ctx, client); r.err != nil {
		return
	}
	var wanted []string
	for _, tag := range r.tags {
		if slices.ContainsFunc(r.rules, func(p policy.Policy) bool { return p.Matches(tag) }) {
			wanted = append(wanted, tag)
		}
	}
	r.images = map[string]registry.Image{}
	for _, image := range client.Images(ctx, r.ref, wanted) {
		r.images[image.Tag] = image
	}
}

// check looks for the tags in use that the list lacks. A registry that has one all the same gave
// half a list, however whole it looked; choosing from that could go back to an old image.
func (r *repository) check(ctx context.Context, client *registry.Client) error {
	for _, tag := range r.current {
		if _, listed := slices.BinarySearch(r.tags, tag); listed {
			continue
		}
		has, err := client.Has(ctx, r.ref, tag)
		if err != nil {
			return err
		}
		if has {
			return &registry.Error{Fault: registry.Malformed, Doing: "listing the tags of " + r.name, Host: r.ref.Canonical().Registry,
				Err: fmt.Errorf("the list lacks %s, which the registry has", tag)}
		}
	}
	return nil
}
