package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ending says whether an object is to be waited for.
type ending int

const (
	pending ending = iota
	ready
	lost // it does not look as if it would become ready
)

// verdict is what is known of an object's readiness.
type verdict struct {
	end     ending
	words   string // why it is not ready
	because error  // in place of words
}

func (v verdict) err() error {
	if v.because != nil {
		return v.because
	}
	return &Error{Code: "not-ready", Err: fmt.Errorf("cannot become ready: %s", v.words)}
}

// with are the words, and those about the pods behind them.
func (v verdict) with(pods string) string {
	if pods == "" || strings.Contains(v.words, pods) {
		return v.words
	}
	return v.words + "; " + pods
}

// judge decides by what was seen of an object.
func (w *waiter) judge(ctx context.Context, it *waited) verdict {
	object := it.object
	switch {
	case it.unseen != nil:
		return *it.unseen
	case object == nil && it.expires():
		return verdict{end: ready}
	case object == nil:
		return verdict{end: lost, words: "it has been deleted"}
	case it.uid != "" && string(object.GetUID()) != it.uid:
		return verdict{end: lost, words: "somebody else has made it anew"}
	case object.GetDeletionTimestamp() != nil:
		return verdict{end: lost, words: "it is being deleted" + finalizers(&live{Finalizers: object.GetFinalizers()})}
	}
	switch it.id.GroupKind() {
	case GroupKind{"batch", "Job"}:
		return judgeJob(object)
	case GroupKind{"", "Pod"}:
		return judgePod(object)
	case GroupKind{"", "PersistentVolumeClaim"}:
		return w.judgeClaim(ctx, object)
	case GroupKind{"helm.fluxcd.io", "HelmRelease"}, GroupKind{"flux.weave.works", "HelmRelease"}:
		return verdict{end: ready} // helm-reconcile, which comes later in the pipe, sees to it
	}
	return judgeByStatus(object)
}

// judgeByStatus goes by the rules of kstatus.
func judgeByStatus(object *unstructured.Unstructured) verdict {
	state, err := status.Compute(object)
	if err != nil {
		return verdict{end: lost, words: err.Error()}
	}
	switch state.Status {
	case status.CurrentStatus:
		return verdict{end: ready}
	case status.FailedStatus:
		words := state.Message
		for _, c := range state.Conditions {
			if c.Message != "" && c.Message != words {
				words += ": " + c.Message
			}
		}
		return verdict{end: lost, words: words}
	}
	return verdict{words: withReplicaFailure(object, state.Message)}
}

// withReplicaFailure adds why no pods can be made, of a quota for example.
func withReplicaFailure(object *unstructured.Unstructured, words string) string {
	if c := conditionOf(object, "ReplicaFailure"); c.Status == "True" {
		return words + ": " + c.Message
	}
	return words
}

type condition struct{ Type, Status, Reason, Message string }

// conditionOf finds a condition in an object's status; the zero value for none.
func conditionOf(object *unstructured.Unstructured, name string) condition {
	all, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, one := range all {
		c, _ := one.(map[string]any)
		if text(c, "type") == name {
			return condition{name, text(c, "status"), text(c, "reason"), text(c, "message")}
		}
	}
	return condition{}
}

// judgeJob waits until the work is done; kstatus is content once it has begun. A job that is suspended
// does nothing until somebody lets it.
func judgeJob(object *unstructured.Unstructured) verdict {
	if suspended, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend"); suspended {
		return verdict{end: ready}
	}
	if conditionOf(object, "Complete").Status == "True" || conditionOf(object, "SuccessCriteriaMet").Status == "True" {
		return verdict{end: ready}
	}
	for _, name := range []string{"Failed", "FailureTarget"} {
		if c := conditionOf(object, name); c.Status == "True" {
			return verdict{end: lost, words: "the job failed: " + c.Reason + ": " + c.Message}
		}
	}
	return verdict{words: "the job is not done"}
}

// expires says whether the object is a Job that goes when it is done.
func (it *waited) expires() bool {
	spec, _ := it.content["spec"].(map[string]any)
	return it.id.GroupKind() == GroupKind{"batch", "Job"} && spec["ttlSecondsAfterFinished"] != nil
}

// binding says when the claims of a StorageClass are bound.
type binding string

const (
	bindsLate    binding = "WaitForFirstConsumer"
	bindsUnknown binding = "unknown" // we may not look
)

// judgeClaim waits for a volume, unless it comes only once a pod asks for it: a claim alone would be
// waited for in vain, and the pod's own workload is waited for in any case.
func (w *waiter) judgeClaim(ctx context.Context, object *unstructured.Unstructured) verdict {
	phase, _, _ := unstructured.NestedString(object.Object, "status", "phase")
	if phase == "Lost" {
		return verdict{end: lost, words: "its volume is lost"}
	}
	v := judgeByStatus(object)
	class, named, _ := unstructured.NestedString(object.Object, "spec", "storageClassName")
	if v.end == pending && !named {
		v.words += "; it names no StorageClass, and there is no default StorageClass"
	}
	if v.end != pending || class == "" {
		return v
	}
	mode, err := w.bindingOf(ctx, class)
	switch {
	case errors.Is(err, errNoClass):
		v.words += fmt.Sprintf("; there is no StorageClass %s", class)
	case err == nil && (mode == bindsLate || mode == bindsUnknown) && object.GetAnnotations()["volume.kubernetes.io/selected-node"] == "":
		return verdict{end: ready}
	}
	return v
}

var errNoClass = errors.New("there is no such StorageClass")

var storageClasses = &Resource{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass", Plural: "storageclasses"}

// bindingOf asks once for each class.
func (w *waiter) bindingOf(ctx context.Context, class string) (binding, error) {
	if mode, known := w.classes[class]; known {
		return mode, nil
	}
	var answer struct {
		VolumeBindingMode binding `json:"volumeBindingMode"`
	}
	found, err := w.s.Client.Get(ctx, storageClasses, "", class, &answer)
	switch {
	case apierrors.IsForbidden(err):
		answer.VolumeBindingMode = bindsUnknown
	case err != nil:
		return "", err
	case !found:
		return "", errNoClass
	}
	w.classes[class] = answer.VolumeBindingMode
	return answer.VolumeBindingMode, nil
}
