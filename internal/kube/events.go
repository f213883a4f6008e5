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
	InvolvedObject     Involved      `json:"involvedObject"`
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

// Involved is the object that an event is about.
type Involved struct {
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
	n := NewNotices(s.Client, s.Events, s.Lease.Now())
	var said []Notice
	failures := slices.DeleteFunc(slices.Clone(s.failures), func(r Result) bool { return !s.allows(r.ID) })
	for _, r := range failures[:min(len(failures), eventsAtMost)] {
		said = append(said, Notice{p.involve(r), true, reasonOf(r), r.Err.Error()})
	}
	if summary := s.summary(); summary != "" {
		said = append(said, Notice{s.Store.involve(p.inventory), false, reasonApplied, summary})
	}
	n.Tell(ctx, said, s.concurrency())
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
func (p *plan) involve(r Result) Involved {
	o := Involved{APIVersion: r.ID.Group, Kind: r.ID.Kind, Namespace: r.ID.Namespace, Name: r.ID.Name}
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

// Notice is what an event says, and of which object.
type Notice struct {
	About   Involved
	Warning bool // else it is a normal event
	Reason  string
	Message string // of which the first 1000 bytes are told
}

// Notices writes the Kubernetes Events of one run of a program.
type Notices struct {
	client  *Client
	program string
	now     string

	mu      sync.Mutex
	counts  map[string]map[string]int // by namespace and name: how often each was said before
	refused bool                      // that they may not be written has been said
}

// NewNotices writes events in the name of a program, as of now by the local clock.
func NewNotices(client *Client, program string, now time.Time) *Notices {
	return &Notices{client: client, program: program, counts: map[string]map[string]int{}, now: client.now(now).UTC().Format(time.RFC3339)}
}

// Tell writes an event of each notice, so many at a time, for a few seconds at most, also when the context
// has ended. The same one about the same object is counted, not written anew. That they cannot be written
// fails nothing; [Client.Note] is told once.
func (n *Notices) Tell(ctx context.Context, said []Notice, atOnce int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventLimit)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(max(atOnce, 1))
	for _, notice := range said {
		e := n.about(notice)
		n.lookUp(ctx, e.Metadata.Namespace)
		group.Go(func() error { n.write(ctx, e); return nil })
	}
	_ = group.Wait()
}

// about makes an event. That of an object without a namespace stands in "default".
func (n *Notices) about(notice Notice) event {
	o, reason, message := notice.About, notice.Reason, notice.Message
	kind := "Normal"
	if notice.Warning {
		kind = "Warning"
	}
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
	component := "sluice-" + n.program
	sum := sha256.Sum256([]byte(strings.Join([]string{component, o.APIVersion, o.Kind, o.Namespace, o.Name, o.UID, reason, message}, "\x00")))
	return event{APIVersion: "v1", Kind: "Event", Metadata: eventMetadata{"sluice." + hex.EncodeToString(sum[:16]), namespace},
		InvolvedObject: o, Type: kind, Reason: reason, Message: message, Source: eventSource{component}, ReportingComponent: component,
		FirstTimestamp: n.now, LastTimestamp: n.now, Count: 1}
}

// lookUp finds our events of a namespace, once.
func (n *Notices) lookUp(ctx context.Context, namespace string) {
	n.mu.Lock()
	known := n.counts[namespace] != nil
	n.mu.Unlock()
	if known {
		return
	}
	var answer struct {
		Items []event `json:"items"`
	}
	_, err := n.client.do(ctx, request{method: http.MethodGet, path: events.path(namespace, ""),
		query: url.Values{"fieldSelector": {"source=sluice-" + n.program}}}, &answer)
	counts := map[string]int{}
	for _, e := range answer.Items {
		counts[e.Metadata.Name] = e.Count
	}
	n.mu.Lock()
	n.counts[namespace] = counts
	n.mu.Unlock()
	n.complain(err)
}

// write writes an event, or counts it once more.
func (n *Notices) write(ctx context.Context, e event) {
	n.mu.Lock()
	count, known := n.counts[e.Metadata.Namespace][e.Metadata.Name]
	n.mu.Unlock()
	var err error
	if !known {
		err = n.client.Create(ctx, events, e.Metadata.Namespace, e, nil)
		if apierrors.IsAlreadyExists(err) {
			var before event
			known, err = n.client.Get(ctx, events, e.Metadata.Namespace, e.Metadata.Name, &before)
			count = before.Count
		}
	}
	if known && err == nil {
		body, _ := json.Marshal(map[string]any{"count": count + 1, "lastTimestamp": n.now})
		_, err = n.client.do(ctx, request{method: http.MethodPatch, path: events.path(e.Metadata.Namespace, e.Metadata.Name),
			contentType: "application/merge-patch+json", body: body}, nil)
	}
	n.complain(err)
}

// complain says once that events cannot be written. That an object's namespace is not there is no
// wonder where the object could not be made.
func (n *Notices) complain(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil || n.refused || apierrors.IsNotFound(err) || n.client.Note == nil {
		return
	}
	n.refused = true
	n.client.Note(fmt.Sprintf("no Kubernetes Events: %v", err))
}

var events = &Resource{Version: "v1", Kind: "Event", Plural: "events", Namespaced: true}
