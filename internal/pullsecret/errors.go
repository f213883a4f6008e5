package pullsecret

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Error is an object that gave no configuration. Its message holds nothing of the object.
type Error struct {
	Namespace string
	Object    string // such as "secret registry-login"
	Err       error
}

func (e *Error) Error() string {
	return fmt.Sprintf("reading %s in namespace %s: %v", e.Object, e.Namespace, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Forbidden says that a right is missing.
func (e *Error) Forbidden() bool {
	var status refused
	return errors.As(e.Err, &status) && (status == http.StatusForbidden || status == http.StatusUnauthorized)
}

// Unreachable says that the whole cluster cannot be asked.
func (e *Error) Unreachable() bool {
	var down *unreachable
	return errors.As(e.Err, &down)
}

// refused is an answer that is none.
type refused int

func (r refused) Error() string {
	switch r {
	case http.StatusNotFound:
		return "it is not there"
	case http.StatusForbidden:
		return "forbidden"
	}
	return fmt.Sprintf("the API server answers %d %s", int(r), http.StatusText(int(r)))
}

type unreachable struct{ cause error }

func (u *unreachable) Error() string { return "reaching the cluster: " + u.cause.Error() }

// bare takes off the URL that net/http puts before an error.
func bare(err error) error {
	var outer *url.Error
	for errors.As(err, &outer) {
		if outer.Timeout() {
			return errors.New("no answer in time")
		}
		err = outer.Err
	}
	return err
}
