package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// event is an Event of v1, as far as it is ours to write. The same thing said of the same object is
// the same event: its name is a digest of both, and it counts how often it was said.
type event struct {
	APIVersion         string        `json:"apiVersion"`
	Kind               string        `json:"kind"`
	Metadata           eventMetadata `json:"metadata"`
	InvolvedObject     involved      `json:"involvedObject"`
	Type               string        `json:"type"`
	Reason             string        `json:"reason"`
	Message            string        `json:"message"`
	Source             eventSource   `json:"source"`
	ReportingComponent string        `json:"reportingComponent"`
	FirstTimestamp     string        `json:"firstTimestamp"`
	LastTimestamp      string        `json:"lastTimestamp"`
	Count              int           `json:"count"`
}

type eventMetadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type eventSource struct {
	Component string `json:"component"`
}

// involved is the object that an event is about.
type involved struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	UID        string `json:"uid,omitempty"`
}

// The reasons of our events.
const (
	reasonApplied     = "Applied" // on the inventory
	reasonApplyFailed = "ApplyFailed"
	reasonPruneFailed = "PruneFailed"
	reasonNotReady    = "NotReady"
)

// Bounds of the events of one run.
const (
	eventLimit   = 5 * time.Second // to write them all
	eventsAtMost = 100             // about objects
	eventMessage = 1000            // bytes; the API server takes 1024
)

// announce writes an event about each object that failed and, where the run changed something, one
// about the inventory. That they cannot be written fails nothing.
func (s *Sync) announce(ctx context.Context, p *plan) {
	if s.Events == "" || s.DryRun || !s.wrote {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventLimit)
	defer cancel()
	n := &notices{s: s, now: s.Client.now(s.Lease.Now()).UTC().Format(time.RFC3339), counts: map[string]map[string]int{}}
	var events []event
	failures := slices.DeleteFunc(slices.Clone(s.failures), func(r Result) bool { return !s.allows(r.ID) })
	for _, r := range failures[:min(len(failures), eventsAtMost)] {
		e := n.about(p.involve(r), "Warning", reasonOf(r), r.Err.Error())
		n.lookUp(ctx, e.Metadata.Namespace)
		events = append(events, e)
	}
	if summary := s.summary(); summary != "" {
		events = append(events, n.about(s.Store.involve(p.inventory), "Normal", reasonApplied, summary))
	}
	var group errgroup.Group
	group.SetLimit(s.concurrency())
	for _, e := range events {
		group.Go(func() error { n.write(ctx, e); return nil })
	}
	_ = group.Wait()
}

// summary is what the run changed, empty for nothing.
func (s *Sync) summary() string {
	var parts []string
	for _, action := range []Action{Created, Configured, Pruned} {
		if n := s.counts[string(action)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, action))
		}
	}
	if parts == nil {
		return ""
	}
	var sources []string
	for _, source := range s.Sources {
		sources = append(sources, fmt.Sprintf("%s at %.12s", source.Name, source.State.Revision))
	}
	slices.Sort(sources)
	return strings.Join(append([]string{strings.Join(parts, ", ")}, sources...), "; ")
}

func reasonOf(r Result) string {
	switch {
	case r.NotReady:
		return reasonNotReady
	case r.Index < 0:
		return reasonPruneFailed
	}
	return reasonApplyFailed
}

// involve finds the object of a result.
func (p *plan) involve(r Result) involved {
	o := involved{APIVersion: r.ID.Group, Kind: r.ID.Kind, Namespace: r.ID.Namespace, Name: r.ID.Name}
	version := ""
	if entry := p.inventory.Entries[r.ID]; entry != nil {
		version, o.UID = entry.Version, entry.UID
	}
	if it := p.wanted[r.ID]; it != nil {
		version = it.Version
		if o.UID == "" && it.live != nil {
			o.UID = it.live.UID
		}
	}
	o.APIVersion = apiVersion(r.ID.Group, version)
	return o
}

// notices writes the events of one run.
type notices struct {
	s   *Sync
	now string

	mu      sync.Mutex
	counts  map[string]map[string]int // by namespace and name: how often each was said before
	refused bool                      // that they may not be written has been said
}

// about makes an event. That of an object without a namespace stands in "default".
func (n *notices) about(o involved, kind, reason, message string) event {
	if len(message) > eventMessage {
		message = message[:eventMessage]
		for !utf8.ValidString(message) {
			message = message[:len(message)-1]
		}
	}
	namespace := o.Namespace
	if namespace == "" {
		namespace = "default"
	}
	component := "sluice-" + n.s.Events
	sum := sha256.Sum256([]byte(strings.Join([]string{component, o.APIVersion, o.Kind, o.Namespace, o.Name, o.UID, reason, message}, "\x00")))
	return event{APIVersion: "v1", Kind: "Event", Metadata: eventMetadata{"sluice." + hex.EncodeToString(sum[:16]), namespace},
		InvolvedObject: o, Type: kind, Reason: reason, Message: message, Source: eventSource{component}, ReportingComponent: component,
		FirstTimestamp: n.now, LastTimestamp: n.now, Count: 1}
}

// lookUp finds our events of a namespace, once.
func (n *notices) lookUp(ctx context.Context, namespace string) {
	if n.counts[namespace] != nil {
		return
	}
	n.counts[namespace] = map[string]int{}
	var answer struct {
		Items []event `json:"items"`
	}
	_, err := n.s.Client.do(ctx, request{method: http.MethodGet, path: events.path(namespace, ""),
		query: url.Values{"fieldSelector": {"source=sluice-" + n.s.Events}}}, &answer)
	if err != nil {
		n.complain(err)
		return
	}
	for _, e := range answer.Items {
		n.counts[namespace][e.Metadata.Name] = e.Count
	}
}

// write writes an event, or counts it once more.
func (n *notices) write(ctx context.Context, e event) {
	count, known := n.counts[e.Metadata.Namespace][e.Metadata.Name]
	var err error
	if !known {
		err = n.s.Client.Create(ctx, events, e.Metadata.Namespace, e, nil)
		if apierrors.IsAlreadyExists(err) {
			var before event
			known, err = n.s.Client.Get(ctx, events, e.Metadata.Namespace, e.Metadata.Name, &before)
			count = before.Count
		}
	}
	if known && err == nil {
		body, _ := json.Marshal(map[string]any{"count": count + 1, "lastTimestamp": n.now})
		_, err = n.s.Client.do(ctx, request{method: http.MethodPatch, path: events.path(e.Metadata.Namespace, e.Metadata.Name),
			contentType: "application/merge-patch+json", body: body}, nil)
	}
	n.complain(err)
}

// complain says once that events cannot be written. That an object's namespace is not there is no
// wonder where the object could not be made.
func (n *notices) complain(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil || n.refused || apierrors.IsNotFound(err) || n.s.Client.Note == nil {
		return
	}
	n.refused = true
	n.s.Client.Note(fmt.Sprintf("no Kubernetes Events: %v", err))
}

var events = &Resource{Version: "v1", Kind: "Event", Plural: "events", Namespaced: true}
