package registry

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// secrets are the texts that no message may hold. The zero value is ready.
type secrets struct {
	mu       sync.Mutex
	known    map[string]bool
	replacer *strings.Replacer // nil when a secret came after it was made
}

// add makes further texts secret.
func (s *secrets) add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		if text != "" && text != unreadable && !s.known[text] {
			if s.known == nil {
				s.known = map[string]bool{}
			}
			s.known[text], s.replacer = true, nil
		}
	}
}

// scrub takes every secret out of a text.
func (s *secrets) scrub(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replacer == nil {
		all := make([]string, 0, len(s.known))
		for secret := range s.known {
			all = append(all, secret)
		}
		// Of two that begin at the same place the first counts: the end of the longer one must not stay.
		slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
		var pairs []string
		for _, secret := range all {
			pairs = append(pairs, secret, "***")
		}
		s.replacer = strings.NewReplacer(pairs...)
	}
	return s.replacer.Replace(text)
}

// spellings are the forms in which a password travels, and in which a server may send it back.
func spellings(user, password string) []string {
	if password == "" {
		return nil
	}
	pair := user + ":" + password
	return []string{password, url.QueryEscape(password), url.PathEscape(password),
		base64.StdEncoding.EncodeToString([]byte(pair)), base64.RawStdEncoding.EncodeToString([]byte(pair))}
}
