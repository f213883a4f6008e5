package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/sluice-gitops/sluice/internal/registry"
)

// How many repositories are read at the same time, and how many images of one host; and how many
// repositories may be ahead of the one whose images are being written.
const (
	atOnce       = 16
	imagesAtOnce = 24
	ahead        = 2 * atOnce
)

// scan is the work on all repositories, in the order in which the images need them.
type scan struct {
	client   *registry.Client
	order    []*repository
	window   chan struct{}
	progress *progress
}

func newScan(client *registry.Client, o options, images []*image, p *progress) *scan {
	s := &scan{client: client, window: make(chan struct{}, ahead), progress: p}
	type key struct {
		name  string
		login registry.Login
	}
	known := map[key]*repository{}
	for _, i := range images {
		if !i.scanned {
			continue
		}
		is := key{i.record.Repository, i.login}
		r := known[is]
		if r == nil {
			r = &repository{name: i.record.Repository, ref: i.ref, now: o.now, client: client.As(i.login), looking: p.looking,
				wants: map[terms]*want{}, done: make(chan struct{})}
			known[is] = r
			s.order = append(s.order, r)
		}
		r.left++
		i.from, i.want = r, r.want(i)
	}
	p.begin(len(s.order))
	return s
}

// run asks the registries, and ends when the context does.
func (s *scan) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, atOnce)
	for _, r := range s.order {
		select {
		case s.window <- struct{}{}:
		case <-ctx.Done():
			return
		}
		slots <- struct{}{}
		wg.Go(func() {
			r.scan(ctx)
			<-slots
			s.progress.finished()
			close(r.done)
		})
	}
}

// reached says that the first image of a repository is being written, so that another one may be
// scanned. What is kept for later images does not count, or they would wait for each other.
func (s *scan) reached() { <-s.window }

// progress counts what is done, for a person who waits.
type progress struct {
	show func(label string, done, total int)

	mu                sync.Mutex
	repositories, all int
	looked, images    int
}

func (p *progress) begin(repositories int) { p.change(func() { p.all = repositories }) }
func (p *progress) finished()              { p.change(func() { p.repositories++ }) }
func (p *progress) looking(images int)     { p.change(func() { p.images += images }) }
func (p *progress) didLook()               { p.change(func() { p.looked++ }) }

func (p *progress) change(what func()) {
	p.mu.Lock()
	what()
	label, done, total := p.line()
	p.mu.Unlock()
	p.show(label, done, total)
}

func (p *progress) line() (label string, done, total int) {
	if p.looked < p.images {
		return fmt.Sprintf("scanned %d of %d repositories, images", p.repositories, p.all), p.looked, p.images
	}
	return "scanning repositories", p.repositories, p.all
}
