package helmrel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds of one document of values from a URL.
const (
	maxExternal   = 4 << 20
	externalLimit = 30 * time.Second
)

// External reads values from URLs that manifests name, of those that somebody has allowed. Each URL is
// asked once, without any credential.
type External struct {
	guard    *Guard
	prefixes []*url.URL
	client   *http.Client
	texts    memo[[]byte]
}

// NewExternal allows the URLs below the prefixes: the same scheme and host, and the same path or one
// below it. A prefix is a URL of https or http without user, query and fragment.
func NewExternal(guard *Guard, prefixes []string) (*External, error) {
	e := &External{guard: guard}
	for _, text := range prefixes {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is no URL", redact(text))
		case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
			return nil, fmt.Errorf("%q is no URL of https or http", u.Redacted())
		case u.User != nil, u.RawQuery != "", u.Fragment != "", climbs(u):
			return nil, fmt.Errorf("%q is more than scheme, host and path", u.Redacted())
		}
		e.prefixes = append(e.prefixes, u)
	}
	client := guard.Client()
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return e.check(r.URL)
	}
	client.Timeout = externalLimit
	e.client = client
	return e, nil
}

// climbs reports whether a path, decoded, does not say plainly where it leads.
func climbs(u *url.URL) bool {
	return strings.Contains(u.Path, `\`) ||
		slices.ContainsFunc(strings.Split(u.Path, "/"), func(part string) bool { return part == "." || part == ".." })
}

// check says why a URL is not to be asked.
func (e *External) check(u *url.URL) error {
	if u.User != nil {
		return fmt.Errorf("%s: %w: a URL in a manifest must not hold a login", place(u), ErrRefused)
	}
	allowed := slices.ContainsFunc(e.prefixes, func(p *url.URL) bool {
		top := strings.TrimSuffix(p.Path, "/")
		return u.Scheme == p.Scheme && strings.EqualFold(u.Host, p.Host) && !climbs(u) &&
			(strings.TrimSuffix(u.Path, "/") == top || strings.HasPrefix(u.Path, top+"/"))
	})
	if !allowed {
		return &Fault{Code: "refused-url", Hint: "--allow-values-url " + u.Scheme + "://" + u.Host + "/ allows what is below it",
			Err: fmt.Errorf("%s: %w: values are taken from no URL that a manifest names, but from those that are allowed", place(u), ErrRefused)}
	}
	plain := *u // its message must not hold the query
	plain.RawQuery, plain.Fragment = "", ""
	return e.guard.CheckURL(&plain)
}

// place is a URL for people, without user and query: either may hold a token.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// read fetches one document. [ErrNotFound] is the server's word that there is none.
func (e *External) read(ctx context.Context, at string) ([]byte, error) {
	return e.texts.do(at, func() ([]byte, error) {
		u, err := url.Parse(at)
		if err != nil {
			return nil, errors.New("the URL does not parse")
		}
		if err := e.check(u); err != nil {
			return nil, err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, errors.New("the URL does not parse")
		}
		response, err := e.client.Do(request)
		if err != nil {
			return nil, withoutURL(u, err)
		}
		defer response.Body.Close()
		switch response.StatusCode {
		case http.StatusOK:
		case http.StatusNotFound, http.StatusGone:
			return nil, fmt.Errorf("%s: %w", place(u), ErrNotFound)
		default:
			return nil, fmt.Errorf("%s answered %s", place(u), response.Status)
		}
		text, err := io.ReadAll(io.LimitReader(response.Body, maxExternal+1))
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading %s: %w", place(u), err)
		case len(text) > maxExternal:
			return nil, fmt.Errorf("%s is larger than %d MiB", place(u), maxExternal>>20)
		}
		return text, nil
	})
}

// withoutURL names the place in the words of place: those of net/http hold the whole URL.
func withoutURL(u *url.URL, err error) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		err = whole.Err
	}
	return fmt.Errorf("asking %s: %w", place(u), err)
}
