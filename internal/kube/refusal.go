package kube

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// applyError explains why one object could not be applied.
func applyError(err error, kind GroupKind) error {
	if conflicts := conflictsIn(err); conflicts != nil {
		return &Error{Code: "conflict", Err: fmt.Errorf("apply failed: conflict over %s", describeConflicts(conflicts)), Hint: conflictHint(conflicts)}
	}
	return refusedError(err, kind, "apply failed")
}

// refusedError explains why the API server refused to change one object. What it says of a Secret is
// withheld, for it quotes the values that it refuses, and so do the webhooks that it asks.
func refusedError(err error, kind GroupKind, doing string) error {
	var status apierrors.APIStatus
	var known *Error
	if !errors.As(err, &status) || errors.As(err, &known) {
		return explained(err, doing)
	}
	code, hint := refusalOf(status.Status(), kind)
	if kind == secretKind && mayQuote(status.Status()) {
		err = errors.New(withoutValues(status.Status()))
		hint = cmp.Or(hint, "kubectl apply --dry-run=server shows them")
		code = cmp.Or(code, "failed")
	}
	if code == "" {
		return explained(err, doing)
	}
	if words := withoutLongValues(status.Status()); words != "" && kind != secretKind {
		err = errors.New(words)
	}
	return &Error{Code: code, Hint: hint, Err: fmt.Errorf("%s: %w", doing, err)}
}

// longValue is how long the words about one field may be, in bytes. Of a pod's template that cannot be
// changed the API server quotes all, its environment too.
const longValue = 300

// withoutLongValues is the message of a refusal without the long values that it quotes; empty where it
// quotes none.
func withoutLongValues(status metav1.Status) string {
	if status.Details == nil {
		return ""
	}
	text := status.Message
	for _, cause := range status.Details.Causes {
		if at := strings.LastIndex(cause.Message, ": "); cause.Type == metav1.CauseTypeFieldValueInvalid && len(cause.Message) > longValue && at > 0 {
			text = strings.ReplaceAll(text, cause.Message, "Invalid value"+cause.Message[at:])
		}
	}
	if text == status.Message {
		return ""
	}
	return text
}

// refusals are what the API server says when it refuses a change, by words of its message, and what to
// do about it. The first that fits counts.
var refusals = []struct{ words, code, hint string }{
	{"failed calling webhook", "webhook", "the webhook gave no good answer: is what it asks up? kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations shows them"},
	{"admission webhook", "denied", "a webhook of the cluster's does not allow it, in its own words"},
	{"ValidatingAdmissionPolicy", "denied", "a policy of the cluster's does not allow it, in its own words"},
	{"because it is being terminated", "terminating", "the next run makes it, once its namespace is gone"},
	{"exceeded quota", "quota", "kubectl describe resourcequota shows what is left"},
	{"field not declared in schema", "invalid", "the field is misspelt, or belongs to another version of the kind: kubectl explain lists those there are"},
	{"unknown field", "invalid", "the field is misspelt, or belongs to another version of the kind: kubectl explain lists those there are"},
	{"failed to create typed patch object", "invalid", "a value is of another type than the field; YAML takes y, n, on and off for booleans unless they are quoted"},
	{"may not be more than 1048576 bytes", "too-large", "a ConfigMap or Secret holds up to 1 MiB: spread it over several"},
	{"Too long: must have at most 1048576 bytes", "too-large", "a ConfigMap or Secret holds up to 1 MiB: spread it over several"},
	{"Too long: may not be more than 262144 bytes", "too-large", "the annotations of an object hold up to 256 KiB together"},
	{"etcdserver: request is too large", "too-large", "the API server takes objects of up to about 1.5 MB"},
}

// refusalOf gives the code and the hint of a refusal; none where it says nothing that we know.
func refusalOf(status metav1.Status, kind GroupKind) (code, hint string) {
	switch {
	case status.Code == 413:
		return "too-large", "the API server takes objects of up to about 1.5 MB"
	case immutable(status) && keptKinds[kind]:
		return "immutable", "the field cannot be changed in place, and a " + kind.Kind + " is not deleted to be made anew: set the manifest back, or delete it yourself"
	case immutable(status):
		return "immutable", "the field cannot be changed in place: delete the object, and the next run makes it anew; with the annotation " +
			recreateAnnotation + `: "true" a run with --prune does so itself`
	case status.Reason == metav1.StatusReasonNotFound && status.Details != nil && status.Details.Kind == "namespaces":
		return "no-namespace", "add the Namespace to the manifests, or make it"
	}
	for _, r := range refusals {
		if strings.Contains(status.Message, r.words) {
			return r.code, r.hint
		}
	}
	if status.Reason == metav1.StatusReasonInvalid || status.Reason == metav1.StatusReasonBadRequest {
		return "invalid", ""
	}
	return "", ""
}

// mayQuote says whether the message of a refusal may hold values of the object. That somebody lacks a
// right, or that something is not there, it says by names only.
func mayQuote(status metav1.Status) bool {
	switch status.Reason {
	case metav1.StatusReasonNotFound:
		return false
	case metav1.StatusReasonForbidden:
		return !strings.Contains(status.Message, " is forbidden: User ") || strings.Contains(status.Message, "webhook")
	}
	return true
}

// withoutValues says what was wrong with a Secret by field and reason only.
func withoutValues(status metav1.Status) string {
	text := "the API server refused it (" + cmp.Or(string(status.Reason), fmt.Sprint(status.Code)) + ")"
	if fields := fieldsOf(status); fields != nil {
		text += ", field " + strings.Join(fields, ", field ")
	}
	return text + "; its words are withheld, for they may quote the Secret"
}

// fieldsOf are the fields that a refusal is about.
func fieldsOf(status metav1.Status) []string {
	var fields []string
	if status.Details != nil {
		for _, cause := range status.Details.Causes {
			if cause.Field != "" {
				fields = append(fields, cause.Field)
			}
		}
	}
	return fields
}

// recreateAnnotation with the value "true" on an object in git asks for it to be deleted and made anew
// where a field is to change that cannot.
const recreateAnnotation = "sluice.dev/recreate"

// immutableWords are how the API server's kinds say that a field cannot be changed in place.
var immutableWords = []string{"immutable", "may not change once set", "updates to statefulset spec", "updates may not change fields", "cannot change roleRef"}

// immutable says whether an apply was refused because a field of what is there cannot be changed.
func immutable(status metav1.Status) bool {
	if status.Reason != metav1.StatusReasonInvalid {
		return false
	}
	for _, words := range immutableWords {
		if strings.Contains(status.Message, words) {
			return true
		}
	}
	return false
}
