package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func conflictError(managers ...string) error {
	status := metav1.Status{Status: metav1.StatusFailure, Code: 409, Reason: metav1.StatusReasonConflict, Details: &metav1.StatusDetails{}}
	for i, manager := range managers {
		status.Details.Causes = append(status.Details.Causes, metav1.StatusCause{
			Type: metav1.CauseTypeFieldManagerConflict, Field: fmt.Sprintf(".spec.f%d", i),
			Message: fmt.Sprintf("conflict with %q with subresource \"scale\" using apps/v1", manager)})
	}
	return &apierrors.StatusError{ErrStatus: status}
}

func TestConflicts(t *testing.T) {
	for _, one := range []struct {
		managers []string
		mayTake  bool
		want     string
	}{
		{[]string{"kubectl-edit"}, true, ".spec.f0 of kubectl-edit"},
		{[]string{"kubectl", "before-first-apply"}, true, ".spec.f1 of before-first-apply; .spec.f0 of kubectl"},
		{[]string{"helm", "kubectl", "helm"}, false, ".spec.f0, .spec.f2 of helm; .spec.f1 of kubectl"},
		{[]string{"kube-controller-manager"}, false, ".spec.f0 of kube-controller-manager"},
	} {
		found := conflictsIn(conflictError(one.managers...))
		if (&Sync{}).mayTake(found) != one.mayTake || describeConflicts(found) != one.want {
			t.Errorf("%v: may be taken %v, %s", one.managers, !one.mayTake, describeConflicts(found))
		}
		if !(&Sync{ForceAll: true}).mayTake(found) {
			t.Errorf("%v: not all are taken", one.managers)
		}
		if (&Sync{Force: []string{"helm"}}).mayTake(found) != !slices.Contains(one.managers, "kube-controller-manager") {
			t.Errorf("%v: helm's and nobody else's are to be taken", one.managers)
		}
	}
	precondition := apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "a", errors.New("the object has been modified"))
	for _, err := range []error{nil, precondition, errors.New("other")} {
		if found := conflictsIn(err); found != nil {
			t.Errorf("%v: %v", err, found)
		}
	}
}

func TestApplyErrors(t *testing.T) {
	invalid := func(message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: 422, Reason: metav1.StatusReasonInvalid, Message: message,
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: "data.password", Message: "Invalid value: hunter2"}}}}}
	}
	answered := func(code int32, reason metav1.StatusReason, message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason, Message: message}}
	}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "a", errors.New(`User "u" cannot patch resource "secrets"`))
	denied := answered(403, metav1.StatusReasonForbidden, `admission webhook "a.example" denied the request: hunter2 is too short`)
	for _, one := range []struct {
		err        error
		kind       GroupKind
		code, says string
	}{
		{conflictError("helm"), GroupKind{"apps", "Deployment"}, "conflict", ".spec.f0 of helm"},
		{invalid("spec.selector: field is immutable"), GroupKind{"apps", "Deployment"}, "immutable", "immutable"},
		{invalid("spec.x: Required value"), GroupKind{"apps", "Deployment"}, "invalid", "Required value"},
		{invalid("data: Invalid value: hunter2"), secretKind, "invalid", "field data.password"},
		{forbidden, secretKind, "forbidden", "forbidden"},
		{denied, secretKind, "denied", "withheld"},
		{denied, GroupKind{"", "ConfigMap"}, "denied", "hunter2 is too short"},
		{answered(500, metav1.StatusReasonInternalError, `failed calling webhook "a.example": context deadline exceeded`), GroupKind{"", "ConfigMap"}, "webhook", "a.example"},
		{answered(403, metav1.StatusReasonForbidden, `pods "a" is forbidden: exceeded quota: q, used: cpu=2, limited: cpu=2`), GroupKind{"", "Pod"}, "quota", "cpu=2"},
		{answered(500, "", `.spec.x: field not declared in schema`), GroupKind{"apps", "Deployment"}, "invalid", "spec.x"},
		{answered(422, metav1.StatusReasonInvalid, `spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden`), GroupKind{"apps", "StatefulSet"}, "immutable", "replicas"},
		{apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "a"), secretKind, "no-namespace", "not found"},
		{&apierrors.StatusError{ErrStatus: metav1.Status{Code: 413, Message: "too large"}}, GroupKind{"", "ConfigMap"}, "too-large", "too large"},
		{&url.Error{Op: "Patch", URL: "https://api", Err: errors.New("connection refused")}, GroupKind{"", "ConfigMap"}, "unreachable", "refused"},
		{fmt.Errorf("stopped: %w", context.Canceled), GroupKind{"", "ConfigMap"}, "failed", "stopped"},
	} {
		err := applyError(one.err, one.kind)
		code, _ := Explain(err)
		if code != one.code || !strings.Contains(err.Error(), one.says) {
			t.Errorf("%v of %v: %s: %v", one.err, one.kind, code, err)
		}
		if _, hint := Explain(err); strings.Contains(err.Error(), "withheld") && hint == "" {
			t.Errorf("%v: no hint", err)
		}
		if one.kind == secretKind && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a value in a message: %v", err)
		}
	}
	if code, _ := Explain(&RefusedError{Code: "stale"}); code != "stale" {
		t.Error(code)
	}
	if code, _ := Explain(errors.New("other")); code != "failed" {
		t.Error(code)
	}
}

// Of a template that cannot be changed the API server quotes all, its environment too.
func TestLongValuesAreNotQuoted(t *testing.T) {
	quoted := `Invalid value: {"Env":[{"Name":"PASSWORD","Value":"canary"}],"Rest":"` + strings.Repeat("x", longValue) + `"}: field is immutable`
	err := error(&apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 422, Reason: metav1.StatusReasonInvalid,
		Message: `Job.batch "job" is invalid: [spec.template: ` + quoted + `, spec.suspend: Invalid value: "no": is none]`,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
			{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.template", Message: quoted},
			{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.suspend", Message: `Invalid value: "no": is none`},
		}}}})
	want := `apply failed: Job.batch "job" is invalid: [spec.template: Invalid value: field is immutable, spec.suspend: Invalid value: "no": is none]`
	if got := applyError(err, GroupKind{"batch", "Job"}); got.Error() != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	for kind, hint := range map[GroupKind]string{{"batch", "Job"}: "sluice.dev/recreate", {"", "PersistentVolumeClaim"}: "is not deleted to be made anew"} {
		if code, got := Explain(applyError(err, kind)); code != "immutable" || !strings.Contains(got, hint) {
			t.Errorf("%s: %s, %s", kind, code, got)
		}
	}
}

func TestNamespaceOnItsWayOutIsNoMissingRight(t *testing.T) {
	err := &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden,
		Message: `services "web" is forbidden: unable to create new content in namespace demo because it is being terminated`}}
	if code, hint := Explain(applyError(err, GroupKind{"", "Service"})); code != "terminating" || !strings.Contains(hint, "once its namespace is gone") {
		t.Errorf("%s, %s", code, hint)
	}
}
