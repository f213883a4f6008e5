package helmrel

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Secrets are strings that must not reach a log, a record or an error message.
type Secrets struct{ texts []string }

// shortest is the length under which a text is too common to be hidden wherever it occurs.
const shortest = 4

var tellingName = regexp.MustCompile(`(?i)pass|secret|token|credential|private|api_?key|auth`)

// Add marks a text as secret, its base64 form included.
func (s *Secrets) Add(text string) {
	for _, t := range append([]string{text}, strings.Split(text, "\n")...) {
		if t = strings.TrimSpace(t); len(t) >= shortest {
			s.texts = append(s.texts, t, base64.StdEncoding.EncodeToString([]byte(t)))
		}
	}
}

// Hide replaces every secret in text.
func (s *Secrets) Hide(text string) string {
	if s == nil {
		return text
	}
	// longest first: one secret may be a part of another
	sort.Slice(s.texts, func(i, j int) bool { return len(s.texts[i]) > len(s.texts[j]) })
	for _, t := range s.texts {
		text = strings.ReplaceAll(text, t, "***")
	}
	return text
}

// all marks every scalar under v; true, false and null tell nothing.
func (s *Secrets) all(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			s.all(e)
		}
	case []any:
		for _, e := range v {
			s.all(e)
		}
	case nil, bool:
	default:
		s.Add(fmt.Sprint(v))
	}
}

// telling marks the scalars under keys whose names say that they hold a secret.
func (s *Secrets) telling(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if tellingName.MatchString(k) {
				s.all(e)
			} else {
				s.telling(e)
			}
		}
	case []any:
		for _, e := range v {
			s.telling(e)
		}
	}
}
