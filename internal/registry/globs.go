package registry

import (
	"errors"
	"fmt"
	"strings"
)

// Globs are patterns of canonical repository names, such as index.docker.io/library/*. A * stands
// for any text, slashes too; nothing else is special. The zero value matches nothing.
type Globs []string

// ParseGlobs checks patterns. A leading docker.io/ means index.docker.io/, as in an image reference.
func ParseGlobs(patterns []string) (Globs, error) {
	var globs Globs
	for _, pattern := range patterns {
		pattern = strings.TrimSpace(pattern)
		if pattern == "" {
			return nil, errors.New("parsing a pattern of repositories: it is empty")
		}
		if i := strings.IndexFunc(pattern, func(r rune) bool { return r <= ' ' }); i >= 0 {
			return nil, fmt.Errorf("parsing the pattern %q of repositories: no name holds a space", pattern)
		}
		if rest, ok := strings.CutPrefix(pattern, "docker.io/"); ok {
			pattern = "index.docker.io/" + rest
		}
		globs = append(globs, pattern)
	}
	return globs, nil
}

// Match gives the first pattern that a canonical name fits.
func (g Globs) Match(name string) (pattern string, ok bool) {
	for _, pattern := range g {
		if glob(pattern, name) {
			return pattern, true
		}
	}
	return "", false
}

// glob goes back to the last star only, which is enough: an earlier one can take no more than it.
func glob(pattern, name string) bool {
	star, mark := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
