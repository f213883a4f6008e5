package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// How long a request is sent again. An API server is back from a restart within this time.
const (
	retryLimit = 20 * time.Second
	// servedLimit is for a kind that is listed: it is served a moment later.
	servedLimit = 8 * time.Second
	// conflictLimit is for an object that others write at the same moment.
	conflictLimit = 5 * time.Second
)

// do sends a request and decodes a good answer into answer, which may be nil. What may well succeed in
// a moment is sent again, as long as the context lasts.
func (c *Client) do(ctx context.Context, r request, answer any) (code int, err error) {
	began := time.Now()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		code, err = c.once(ctx, r, answer)
		if err == nil {
			c.answered.Store(true)
			return code, nil
		}
		limit := c.worthRetrying(r, err)
		wait := pause
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok && limit > 0 {
			wait = max(pause, time.Duration(seconds)*time.Second)
		}
		if ctx.Err() != nil || time.Since(began)+wait > limit {
			return code, err
		}
		if c.Note != nil {
			c.Note(fmt.Sprintf("%s %s is sent again: %s", r.method, r.path, inBrief(err)))
		}
		select {
		case <-ctx.Done():
			return code, err
		case <-time.After(wait):
		}
	}
}

// worthRetrying says for how long a failed request is to be sent again; 0 for not at all.
func (c *Client) worthRetrying(r request, err error) time.Duration {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return c.brokenOff(r, err)
	}
	code := status.Status().Code
	switch {
	case apierrors.IsTooManyRequests(err):
		return retryLimit
	case !c.answered.Load():
		return 0 // nothing of what answers there tells of an API server so far
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout, apierrors.IsServerTimeout(err):
		return retryLimit
	case r.contentType == applyPatch && conflictsIn(err) == nil && (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)):
		return conflictLimit
	case unserved(r, err):
		return servedLimit
	}
	return 0
}

// brokenOff is worthRetrying where there was no answer. A request that may have arrived is only sent
// again where the second can do no harm; to create, or to replace what was read, twice would look as
// if somebody else had been quicker.
func (c *Client) brokenOff(r request, err error) time.Duration {
	var address *net.OpError
	switch dialled := errors.As(err, &address) && address.Op == "dial"; {
	case !c.answered.Load():
		return 0 // it was never there: most likely the address is wrong
	case dialled && address.Timeout():
		return 0
	case dialled:
		return retryLimit
	case r.method == http.MethodPost, r.method == http.MethodPut:
		return 0
	case utilnet.IsConnectionReset(err), utilnet.IsProbableEOF(err), utilnet.IsHTTP2ConnectionLost(err), errors.Is(err, io.ErrUnexpectedEOF):
		return retryLimit
	}
	return 0
}

// unserved says whether the API server does not know the path of a kind that it has listed: it
// lists a new kind a moment before it serves it.
func unserved(r request, err error) bool {
	return strings.HasPrefix(r.path, "/apis/") && apierrors.IsNotFound(err) &&
		(strange(err) || strings.Contains(err.Error(), "could not find the requested resource"))
}

// inBrief is an error without the server's words, which may be long and may quote what was sent, and
// without the address that was called.
func inBrief(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return fmt.Sprintf("%d %s", status.Status().Code, status.Status().Reason)
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}
