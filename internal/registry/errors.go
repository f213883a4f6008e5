package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Fault is a kind of failure.
type Fault string

// The faults.
const (
	Unauthorized Fault = "unauthorized" // 401: no credential, or a wrong one
	Denied       Fault = "denied"       // 403
	NotFound     Fault = "not-found"    // 404, 410
	RateLimited  Fault = "rate-limited" // 429, and waiting did not help
	ServerFault  Fault = "server-fault" // 5xx, or another answer of a server in trouble
	Unexpected   Fault = "unexpected"   // another status
	Malformed    Fault = "malformed"    // an answer that is cut short or makes no sense
	Unsupported  Fault = "unsupported"  // an image without a creation time that could be read
	Unreachable  Fault = "unreachable"  // no connection
	Untrusted    Fault = "untrusted"    // a certificate that does not check
	Silent       Fault = "silent"       // no answer in time
	PlainHTTP    Fault = "plain-http"   // not asked: the host was not named as insecure
	TokenHost    Fault = "token-host"   // not asked: the credential would go to a stranger
	Refused      Fault = "refused"      // not asked, for safety
	Credential   Fault = "credential"   // the configured credential cannot be used
)

// Passing says that the failure may be gone at the next try.
func (f Fault) Passing() bool {
	switch f {
	case NotFound, Unsupported:
		return false
	}
	return true
}

// ofHost says that other requests to the same host will most likely fail too.
func (f Fault) ofHost() bool {
	switch f {
	case Unauthorized, RateLimited, Unreachable, Untrusted, Expired, ClientCert, Silent, Refused, PlainHTTP, TokenHost, Credential:
		return true
	}
	return false
}

// Error is a failed request to a registry. Its message names no URL, because those can carry
// credentials.
type Error struct {
	Fault Fault
	// Doing says what failed, for example "listing the tags of quay.io/a/b".
	Doing string
	// Host is the registry.
	Host string
	Err  error
}

func (e *Error) Error() string { return e.Doing + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

func known(err error) *Error {
	var e *Error
	errors.As(err, &e)
	return e
}

// refusal is a request that was not made.
type refusal struct {
	fault Fault
	why   string
}

func (r *refusal) Error() string { return r.why }

// malformed is an answer that makes no sense.
type malformed struct{ why string }

func (m *malformed) Error() string { return m.why }

// fail makes an [*Error] of whatever went wrong in a request.
func (h *host) fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	if e := known(err); e != nil {
		return err
	}
	fault, plain := classify(err)
	return &Error{Fault: fault, Doing: doing, Host: h.name, Err: errors.New(h.scrub(plain))}
}

// classify tells the kind of an error, and says it without a URL.
func classify(err error) (Fault, string) {
	var refused *refusal
	var status *transport.Error
	var senseless *malformed
	var lasting *unsupported
	var name *net.DNSError
	var network *net.OpError
	tlsFault, tlsText := handshake(err)
	switch {
	case tlsFault != "": // of a host on a local name, which the library then asks over plain http
		return tlsFault, tlsText
	case errors.As(err, &refused):
		return refused.fault, refused.why
	case errors.As(err, &senseless):
		return Malformed, senseless.why
	case errors.As(err, &lasting):
		return Unsupported, lasting.why
	case errors.As(err, &status):
		return ofStatus(status.StatusCode), statusText(status)
	case errors.Is(err, errNoAnswer), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return Silent, "the registry does not answer in time"
	case errors.As(err, &name):
		return Unreachable, "no host " + name.Name
	case errors.As(err, &network):
		return Unreachable, network.Op + ": " + network.Err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Malformed, "the answer was cut short"
	case errors.Is(err, context.Canceled):
		return Silent, "stopped"
	case strings.Contains(err.Error(), "no token in bearer response"):
		// The library shows the whole answer here, and whatever secret is in it.
		return Malformed, "the token service answers without a token"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return PlainHTTP, "the registry speaks plain http"
	}
	return Unreachable, bare(err)
}

// bare is an error's text without the URL that net/http puts before it.
func bare(err error) string {
	var outer *url.Error
	for errors.As(err, &outer) {
		err = outer.Err
	}
	return err.Error()
}

func ofStatus(status int) Fault {
	switch {
	case status == http.StatusUnauthorized:
		return Unauthorized
	case status == http.StatusForbidden:
		return Denied
	case status == http.StatusNotFound, status == http.StatusGone:
		return NotFound
	case status == http.StatusNotAcceptable, status == http.StatusUnsupportedMediaType:
		return Unsupported
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return ServerFault
	}
	return Unexpected
}

// ofStatusError is the fault of an answer with another status than wanted; empty for other errors.
func ofStatusError(err error) Fault {
	var status *transport.Error
	if errors.As(err, &status) {
		return ofStatus(status.StatusCode)
	}
	return ""
}

func statusText(e *transport.Error) string {
	text := fmt.Sprintf("the registry answers %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if len(e.Errors) > 0 {
		text += words(e.Errors[0].Message)
	}
	return text
}

// maxErrorBody is how much of a failed answer is read for its message, in bytes.
const maxErrorBody = 16 << 10

// statusError is an answer with another status than wanted, with the registry's own words.
func statusError(answer *http.Response) error {
	failed := &transport.Error{StatusCode: answer.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody)) // the status says enough without it
	_ = json.Unmarshal(body, failed)
	failed.Request = nil
	return failed
}

// words keeps a server's message short, printable and on one line.
func words(message string) string {
	message = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, message))
	if message == "" {
		return ""
	}
	if runes := []rune(message); len(runes) > 200 {
		message = string(runes[:200]) + "…"
	}
	return ": " + message
}
