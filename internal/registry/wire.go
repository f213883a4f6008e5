package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errNoAnswer is why a request's context ended: its own limit passed.
var errNoAnswer = errors.New("no answer in time")

// impatient limits the time of one request, until the last byte of the answer.
type impatient struct {
	limit time.Duration
	next  http.RoundTripper
}

func (t *impatient) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.limit <= 0 {
		return t.next.RoundTrip(req)
	}
	ctx, cancel := context.WithTimeoutCause(req.Context(), t.limit, errNoAnswer)
	answer, err := t.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		if errors.Is(context.Cause(ctx), errNoAnswer) {
			err = errNoAnswer
		}
		cancel()
		return nil, err
	}
	answer.Body = &limitedBody{answer.Body, ctx, cancel}
	return answer, nil
}

type limitedBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelFunc
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && errors.Is(context.Cause(b.ctx), errNoAnswer) {
		err = errNoAnswer
	}
	return n, err
}

func (b *limitedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// How often and how long a request is tried again.
const (
	tries        = 3
	maxPause     = 30 * time.Second // a Retry-After above this is a refusal
	firstBackoff = 500 * time.Millisecond
)

// patient keeps to the rate of each host and tries again what is worth it.
type patient struct {
	client *Client
	next   http.RoundTripper
}

func (t *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	g := t.client.gate(req.URL.Host)
	for try := 1; ; try++ {
		slowed, err := t.client.wait(req.Context(), g)
		if err != nil {
			return nil, err
		}
		answer, err := t.next.RoundTrip(req)
		if err == nil {
			g.learn(answer.StatusCode == http.StatusTooManyRequests, slowed, t.client.options.Now())
		}
		pause, again := t.again(req, answer, err, try)
		if !again {
			return answer, err
		}
		if answer != nil {
			_, _ = io.CopyN(io.Discard, answer.Body, maxErrorBody) // so that the connection can be used again
			answer.Body.Close()
		}
		g.close(t.client.options.Now().Add(pause))
	}
}

// again says whether a request is worth another try, and after which pause.
func (t *patient) again(req *http.Request, answer *http.Response, err error, try int) (time.Duration, bool) {
	if try >= tries || req.Body != nil && req.Body != http.NoBody || req.Context().Err() != nil {
		return 0, false
	}
	pause := firstBackoff
	for range try - 1 {
		pause *= 3
	}
	if err != nil {
		// A connection that the server closed while it was idle, or reset.
		return 0, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
	}
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if wanted, ok := retryAfter(answer.Header.Get("Retry-After"), t.client.options.Now()); ok {
			return wanted, wanted <= maxPause
		}
		return pause, true
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return pause, true
	}
	return 0, false
}

// retryAfter reads seconds, or a date.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 1<<30)) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// fence stands around everything that a registry's answers make us ask for.
type fence struct {
	insecure []string
	// trusted are the hosts (host or host:port) that may see the credential.
	trusted []string
	next    http.RoundTripper
}

func (f *fence) RoundTrip(req *http.Request) (*http.Response, error) {
	address := req.URL.Host
	switch {
	case req.URL.Scheme != "https" && req.URL.Scheme != "http":
		return nil, &refusal{Refused, fmt.Sprintf("the registry leads to a %s URL", req.URL.Scheme)}
	case req.URL.Scheme == "http" && !insecure(f.insecure, address):
		return nil, &refusal{PlainHTTP, fmt.Sprintf("%s would be asked over plain http", address)}
	}
	carries := req.Header.Get("Authorization") != "" || req.Method != http.MethodGet && req.Method != http.MethodHead
	if carries && !slices.Contains(f.trusted, address) {
		return nil, &refusal{Refused, fmt.Sprintf("a credential would go to %s", address)}
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", userAgent)
	return f.next.RoundTrip(req)
}
