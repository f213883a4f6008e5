package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// When pods are asked what keeps them, and for how long they may be in trouble before nobody waits for
// them any more: an image may be pushed a moment late, a program may crash until its database is up.
const (
	askAfter   = 2 * time.Second
	askEvery   = 5 * time.Second
	podRetries = 3 // of a container that ends
	// A cluster that grows needs minutes for a new node.
	nodeGrace = 4 // times as long
)

// podGrace is a variable for tests.
var podGrace = 30 * time.Second

var pods = &Resource{Version: "v1", Kind: "Pod", Plural: "pods", Namespaced: true}

// workloads are the kinds whose pods say why they are not ready.
var workloads = map[GroupKind]bool{
	{"apps", "Deployment"}: true, {"apps", "ReplicaSet"}: true, {"apps", "StatefulSet"}: true,
	{"apps", "DaemonSet"}: true, {"batch", "Job"}: true,
}

// askPods finds out why workloads are not ready: one list of pods for each, now and then.
func (w *waiter) askPods(ctx context.Context) {
	now := time.Now()
	var group errgroup.Group
	group.SetLimit(w.s.concurrency())
	for _, it := range w.left {
		failed := it.state.end == lost && it.object != nil
		switch {
		case !workloads[it.id.GroupKind()] || it.object == nil || it.state.end == ready:
		case failed || now.Sub(w.began) >= askAfter && now.Sub(it.asked) >= askEvery:
			it.asked = now
			group.Go(func() error { w.askPodsOf(ctx, it, now); return nil })
		}
	}
	_ = group.Wait()
	for _, it := range w.left {
		if it.id.GroupKind() == (GroupKind{"", "Pod"}) && it.state.end == pending && it.object != nil {
			if one, err := readPod(it.object); err == nil {
				w.weigh(it, one.trouble(), now)
			}
		}
	}
}

func (w *waiter) askPodsOf(ctx context.Context, it *waited, now time.Time) {
	found, err := w.s.Client.podsOf(ctx, it.object)
	if err != nil {
		return // without the right to look at pods it takes longer, and says less
	}
	worst := trouble{}
	for _, one := range found {
		if t := one.trouble(); t.words != "" && (worst.words == "" || t.grace < worst.grace) {
			worst = t
		}
	}
	if it.state.end == lost {
		if worst.words != "" {
			it.state.words = it.state.with(worst.words)
		}
		return
	}
	w.weigh(it, worst, now)
}

// weigh decides whether trouble has lasted long enough.
func (w *waiter) weigh(it *waited, t trouble, now time.Time) {
	it.words = t.words
	switch {
	case t.words == "":
		it.troubled = time.Time{}
		return
	case it.troubled.IsZero():
		it.troubled = now
	}
	if !t.passing && now.Sub(it.troubled) >= time.Duration(max(t.grace, 1))*podGrace {
		it.state = verdict{end: lost, words: it.state.with(t.words)}
	}
}

// podsOf are the pods of a workload; of a Deployment those of its newest ReplicaSet.
func (c *Client) podsOf(ctx context.Context, owner *unstructured.Unstructured) ([]pod, error) {
	var content struct {
		Spec struct {
			Selector *metav1.LabelSelector `json:"selector"`
		} `json:"spec"`
	}
	raw, err := json.Marshal(owner.Object)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &content); err != nil {
		return nil, err
	}
	selector, err := metav1.LabelSelectorAsSelector(content.Spec.Selector)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Items []pod `json:"items"`
	}
	_, err = c.do(ctx, request{method: http.MethodGet, path: pods.path(owner.GetNamespace(), ""),
		query: url.Values{"labelSelector": {selector.String()}}}, &answer)
	if err != nil {
		return nil, err
	}
	if owner.GetKind() == "Deployment" {
		return ofNewest(answer.Items, conditionOf(owner, "Progressing").Message), nil
	}
	uid := string(owner.GetUID())
	return slices.DeleteFunc(answer.Items, func(p pod) bool { return p.controller().UID != uid }), nil
}

var replicaSetName = regexp.MustCompile(`ReplicaSet "([^"]+)"`)

// ofNewest keeps the pods of one ReplicaSet: of the one that the Deployment speaks of, else of the one
// that made the newest pod.
func ofNewest(all []pod, message string) []pod {
	newest := ""
	if m := replicaSetName.FindStringSubmatch(message); m != nil {
		newest = m[1]
	} else if len(all) > 0 {
		newest = slices.MaxFunc(all, func(a, b pod) int {
			return strings.Compare(a.Metadata.CreationTimestamp, b.Metadata.CreationTimestamp)
		}).controller().Name
	}
	return slices.DeleteFunc(all, func(p pod) bool { return p.controller().Name != newest })
}

// pod is a Pod, as far as it tells what keeps it.
type pod struct {
	Metadata struct {
		Name              string     `json:"name"`
		CreationTimestamp string     `json:"creationTimestamp"`
		DeletionTimestamp *string    `json:"deletionTimestamp"`
		OwnerReferences   []podOwner `json:"ownerReferences"`
	} `json:"metadata"`
	Status struct {
		Phase                 string            `json:"phase"`
		Reason                string            `json:"reason"`
		Message               string            `json:"message"`
		Conditions            []condition       `json:"conditions"`
		InitContainerStatuses []containerStatus `json:"initContainerStatuses"`
		ContainerStatuses     []containerStatus `json:"containerStatuses"`
	} `json:"status"`
}

type podOwner struct {
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller"`
}

type containerStatus struct {
	Name         string         `json:"name"`
	RestartCount int            `json:"restartCount"`
	State        containerState `json:"state"`
	LastState    containerState `json:"lastState"`
}

type containerState struct {
	Waiting    *struct{ Reason, Message string } `json:"waiting"`
	Terminated *termination                      `json:"terminated"`
}

type termination struct {
	ExitCode        int
	Reason, Message string
}

func (p pod) controller() podOwner {
	for _, owner := range p.Metadata.OwnerReferences {
		if owner.Controller {
			return owner
		}
	}
	return podOwner{}
}

func readPod(object *unstructured.Unstructured) (pod, error) {
	var p pod
	raw, err := json.Marshal(object.Object)
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	return p, err
}

// judgePod is for a pod that stands in git by itself.
func judgePod(object *unstructured.Unstructured) verdict {
	p, err := readPod(object)
	if err != nil {
		return verdict{end: lost, words: err.Error()}
	}
	switch p.Status.Phase {
	case "Succeeded":
		return verdict{end: ready}
	case "Failed":
		words := "the pod failed"
		if t := p.trouble(); t.words != "" {
			words += ": " + t.words
		}
		return verdict{end: lost, words: words}
	}
	if p.condition("Ready").Status == "True" {
		return verdict{end: ready}
	}
	return verdict{words: "the pod is " + strings.ToLower(cmp.Or(p.Status.Phase, "pending")) + " and not ready"}
}

func (p pod) condition(name string) condition {
	at := slices.IndexFunc(p.Status.Conditions, func(c condition) bool { return c.Type == name })
	if at < 0 {
		return condition{}
	}
	return p.Status.Conditions[at]
}
