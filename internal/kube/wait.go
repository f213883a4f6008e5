package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// passiveGroups and passiveKinds are ready as soon as they exist; asking for them would read
// Secrets for nothing.
var (
	passiveGroups = map[string]bool{"rbac.authorization.k8s.io": true, "admissionregistration.k8s.io": true}
	passiveKinds  = map[string]bool{"ConfigMap": true, "Secret": true, "ServiceAccount": true, "LimitRange": true, "Namespace": true}
)

// wait waits until everything that was applied is ready, and reports what is not: as soon as
// it cannot become so, and else when the context ends. It does not fail the run.
func (s *Sync) wait(ctx context.Context, p *plan) error {
	if !s.Wait || s.DryRun {
		return nil
	}
	var waiting sync.WaitGroup
	atOnce := make(chan struct{}, s.concurrency())
	var mu sync.Mutex
	done, total := 0, 0
	for _, it := range p.items {
		if !it.toWaitFor() {
			continue
		}
		total++
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			err := s.waitFor(ctx, it, atOnce)
			mu.Lock()
			defer mu.Unlock()
			done++
			if s.Progress != nil {
				s.Progress("ready", done, total)
			}
			if err != nil {
				s.Report(Result{Index: it.index, ID: it.id, Source: it.Source, Action: Failed, NotReady: true, Err: err})
			}
		}()
	}
	waiting.Wait()
	return nil
}

func (it *item) toWaitFor() bool {
	switch {
	case it.done == nil, it.resource == nil:
		return false
	case passiveGroups[it.id.Group], it.id.Group == "" && passiveKinds[it.id.Kind]:
		return false
	}
	return it.done.Action == Created || it.done.Action == Configured || it.done.Action == Unchanged
}

// waitFor asks again and again, less often with time.
func (s *Sync) waitFor(ctx context.Context, it *item, atOnce chan struct{}) error {
	reason := errors.New("it was not looked at")
	for pause := 100 * time.Millisecond; ; pause = min(pause*3/2, 3*time.Second) {
		select {
		case atOnce <- struct{}{}:
			ready, failed, err := s.Client.ready(ctx, it)
			<-atOnce
			switch {
			case ready:
				return nil
			case failed:
				return &Error{Code: "not-ready", Err: fmt.Errorf("cannot become ready: %w", err)}
			case ctx.Err() == nil:
				reason = err
			}
		case <-ctx.Done():
		}
		select {
		case <-ctx.Done():
			return &Error{Code: "not-ready", Hint: "--timeout sets how long to wait", Err: fmt.Errorf("not ready in time: %w", reason)}
		case <-time.After(pause):
		}
	}
}

// ready looks at an object once. Failed says that waiting is of no use.
func (c *Client) ready(ctx context.Context, it *item) (ready, failed bool, err error) {
	var raw json.RawMessage
	found, err := c.Get(ctx, it.resource, it.id.Namespace, it.id.Name, &raw)
	if err != nil {
		return false, false, err
	}
	if !found {
		return false, true, errors.New("it has been deleted")
	}
	var object unstructured.Unstructured
	if err := object.UnmarshalJSON(raw); err != nil {
		return false, true, err
	}
	state, err := status.Compute(&object)
	if err != nil {
		return false, true, err
	}
	switch state.Status {
	case status.CurrentStatus:
		return true, false, nil
	case status.FailedStatus:
		return false, true, errors.New(state.Message)
	}
	return false, false, errors.New(state.Message)
}
