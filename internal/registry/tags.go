package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// The sizes of a tag list.
const (
	pageSize = 1000    // asked for; a registry may give less
	maxPages = 10_000  // more than that is a registry that never ends
	maxPage  = 8 << 20 // bytes
)

// Tags lists all tags of a repository, sorted by name. It gives the whole list or an error, which
// is an [*Error]; an empty list is a whole one.
func (c *Client) Tags(ctx context.Context, repository imageref.Ref) ([]string, error) {
	doing := "listing the tags of " + repository.Canonical().Name()
	s, err := c.session(ctx, repository)
	if err != nil {
		return nil, err
	}
	s.host.slots <- struct{}{}
	defer func() { <-s.host.slots }()
	tags, err := s.list(ctx)
	if err == nil {
		s.memory.listed(tags)
	}
	return tags, s.host.fail(doing, err)
}

func (s *session) list(ctx context.Context) ([]string, error) {
	page := s.url("tags", "list")
	page.RawQuery = fmt.Sprintf("n=%d", pageSize)
	seen := map[string]bool{}
	var all []string
	for page != nil {
		if seen[page.String()] || len(seen) == maxPages {
			return nil, &malformed{"the tag list has no end"}
		}
		seen[page.String()] = true
		body, header, err := s.get(ctx, page, false, maxPage)
		if err != nil {
			return nil, err
		}
		tags, err := parsePage(body)
		if err != nil {
			return nil, err
		}
		all = append(all, tags...)
		if page, err = nextPage(page, header.Values("Link")); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// parsePage reads one page. It wants the list to be there, if only as null: an error message or a
// proxy's greeting is no empty list. What can be no tag cannot be chosen either, and is left out.
func parsePage(body []byte) ([]string, error) {
	var page struct {
		Tags json.RawMessage `json:"tags"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, &malformed{"the answer is no tag list, or half of one"}
	}
	if page.Tags == nil {
		return nil, &malformed{"the answer holds no tag list"}
	}
	var tags []string
	if err := json.Unmarshal(page.Tags, &tags); err != nil {
		return nil, &malformed{"the answer is no tag list"}
	}
	return slices.DeleteFunc(tags, func(tag string) bool { return imageref.CheckTag(tag) != nil }), nil
}

// nextPage follows a Link header; nil after the last page. The next page is on the same host, and
// is asked for in the same way: a registry behind a proxy may not know that it speaks TLS.
func nextPage(page *url.URL, links []string) (*url.URL, error) {
	target, err := nextLink(links)
	if target == "" || err != nil {
		return nil, err
	}
	next, err := page.Parse(target)
	if err != nil {
		return nil, &malformed{"the link to the next page is no URL"}
	}
	if !sameHost(page, next) {
		return nil, &refusal{Refused, "the next page of the list is on " + next.Host}
	}
	next.Scheme, next.Host, next.User, next.Fragment = page.Scheme, page.Host, nil, ""
	return next, nil
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && (a.Port() == b.Port() || a.Port() == "" && (b.Port() == "443" || b.Port() == "80"))
}

// nextLink finds the target with rel=next in Link headers (RFC 8288). A header that cannot be read
// is an error: taking it for none would cut the list short.
func nextLink(links []string) (string, error) {
	for _, header := range links {
		for rest := strings.TrimSpace(header); rest != ""; {
			target, params, ok := strings.Cut(strings.TrimPrefix(rest, "<"), ">")
			if !ok || rest[0] != '<' {
				return "", &malformed{"the link to the next page cannot be read"}
			}
			var isNext bool
			isNext, rest = linkParams(params)
			if isNext {
				return target, nil
			}
		}
	}
	return "", nil
}

// linkParams reads ;key=value pairs up to the comma that ends a link.
func linkParams(text string) (isNext bool, rest string) {
	for text = strings.TrimSpace(text); strings.HasPrefix(text, ";"); {
		key, after, _ := strings.Cut(strings.TrimSpace(text[1:]), "=")
		var value string
		if strings.HasPrefix(after, `"`) {
			value, text, _ = strings.Cut(after[1:], `"`)
		} else {
			end := strings.IndexAny(after, ";,")
			if end < 0 {
				end = len(after)
			}
			value, text = after[:end], after[end:]
		}
		text = strings.TrimSpace(text)
		if strings.EqualFold(strings.TrimSpace(key), "rel") && slices.Contains(strings.Fields(strings.ToLower(value)), "next") {
			isNext = true
		}
	}
	return isNext, strings.TrimSpace(strings.TrimPrefix(text, ","))
}

// Digest asks which digest a tag names, now: the cache is not believed. Its error is an [*Error]; one
// with the fault [NotFound] where the repository has no such tag, whatever its list says.
func (c *Client) Digest(ctx context.Context, repository imageref.Ref, tag string) (string, error) {
	s, err := c.session(ctx, repository)
	if err != nil {
		return "", err
	}
	s.memory.open(ctx)
	digest, err := s.head(ctx, tag)
	return digest, s.host.fail("looking for "+repository.Canonical().Name()+":"+tag, err)
}

// head asks which digest a tag names, and notes it.
func (s *session) head(ctx context.Context, tag string) (string, error) {
	answer, err := s.do(ctx, http.MethodHead, s.url("manifests", tag), false)
	if err != nil {
		if ofStatusError(err) == NotFound {
			s.memory.forget(tag)
		}
		return "", err
	}
	digest := answer.Header.Get("Docker-Content-Digest")
	if err := answer.Body.Close(); err != nil {
		return "", err
	}
	if !isDigest(digest) { // the header is not mandatory
		if _, digest, err = s.manifest(ctx, tag); err != nil {
			return "", err
		}
	}
	s.memory.see(tag, digest, s.host.client.options.At)
	return digest, nil
}
