package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Error is a failure with a stable word for programs and a hint for people.
type Error struct {
	Code string
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// RefusedError says that a run was refused for safety, before it changed anything; or, where its code
// begins with "prune-", that its deletions were.
type RefusedError struct {
	Code    string // "stale", "fewer", "prune-limit" or "prune-unconfirmed"
	Message string
	Hint    string
}

func (e *RefusedError) Error() string { return e.Message }

// Explain finds code and hint of any error of this package. Code is never empty.
func Explain(err error) (code, hint string) {
	var known *Error
	var refused *RefusedError
	switch {
	case errors.As(err, &known):
		return known.Code, known.Hint
	case errors.As(err, &refused):
		return refused.Code, refused.Hint
	}
	return "failed", ""
}

// Explained gives the error of a request to the API server that was made elsewhere a code and a hint.
func Explained(err error, doing string) error { return explained(err, doing) }

// notKubernetes is the hint where an answer is none that an API server gives.
const notKubernetes = "is the kubeconfig's server address right? it is no Kubernetes API server that answers there, or something in between"

// badAnswer says that what was answered is not what an API server answers.
func badAnswer(err error) error {
	return &Error{Code: "bad-answer", Hint: notKubernetes, Err: err}
}

// strange reports whether the body of a refusal was no Status. Its text may then be anything, a page of
// HTML for one.
func strange(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Details != nil &&
		slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
			return c.Type == metav1.CauseTypeUnexpectedServerResponse
		})
}

// explained gives a failed request a code and a hint. What says who may not do what.
func explained(err error, doing string) error {
	if err == nil {
		return nil
	}
	wrapped := &Error{Code: "failed", Err: fmt.Errorf("%s: %w", doing, err)}
	var network net.Error
	var address *url.Error
	var known *Error
	switch {
	case errors.As(err, &known):
		wrapped.Code, wrapped.Hint = known.Code, known.Hint
	case errors.Is(err, context.Canceled):
	case apierrors.IsForbidden(err) && strange(err):
		wrapped.Code, wrapped.Hint = "forbidden", notKubernetes
		wrapped.Err = fmt.Errorf("%s: the server answers 403 Forbidden and does not say why in the way of Kubernetes", doing)
	case apierrors.IsUnauthorized(err):
		wrapped.Code, wrapped.Hint = "unauthorized", "the kubeconfig's credentials are not valid, or no longer"
	case apierrors.IsForbidden(err):
		wrapped.Code, wrapped.Hint = "forbidden", "the message names the right that is missing; kubectl auth can-i --list shows the ones there are"
	case apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err), apierrors.IsServerTimeout(err):
		wrapped.Code, wrapped.Hint = "overloaded", "the API server asks to come back later"
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		wrapped.Code, wrapped.Hint = "unreachable", "the API server took the connection and gave no answer in time"
	case errors.As(err, &address), errors.As(err, &network):
		wrapped.Code, wrapped.Hint = "unreachable", "is the cluster up, and the kubeconfig's server address right?"
	}
	return wrapped
}

// noNamespace: the namespace of the inventory is not there.
func noNamespace(err error, doing string) error {
	return &Error{Code: "no-namespace", Hint: "make the namespace, or name another by --inventory-namespace",
		Err: fmt.Errorf("%s: %w", doing, err)}
}
