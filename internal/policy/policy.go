// Package policy chooses one tag of an image repository.
//
// A policy is kind:pattern. It says which tags match, and in which order they stand:
//
//   - glob:P, or a bare P: the whole tag, * standing for any text; ordered by creation time.
//   - regexp:R, or regex:R: RE2, anywhere in the tag unless anchored; ordered by creation time.
//   - semver:C: tags that read as a version (v1, 1.2 and 01.2.3 do) and satisfy the constraint;
//     ordered by precedence. A constraint without a pre-release part matches no pre-release.
//
// The tag "latest", in any case of letters, matches nothing but the policy glob:latest.
//
// Ties: of tags with equal creation times, or versions of equal precedence, the current one stays;
// otherwise the one that is last by name, byte for byte, is chosen.
package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Default is the policy of an image for which none is written.
const Default = "glob:*"

// The kinds.
const (
	kindGlob   = "glob"
	kindSemver = "semver"
	kindRegexp = "regexp"
)

// Policy is a parsed policy. Its zero value matches nothing.
type Policy struct {
	kind, pattern string
	glob          []string // the texts between the stars
	expression    *regexp.Regexp
	constraint    *semver.Constraints
}

// Parse reads a policy. A pattern that is invalid is an error, where Flux let it match everything.
func Parse(text string) (Policy, error) {
	p := Policy{}
	p.kind, p.pattern = split(text)
	var err error
	switch p.kind {
	case kindRegexp:
		p.expression, err = regexp.Compile(p.pattern)
	case kindSemver:
		p.constraint, err = parseConstraint(p.pattern)
	default:
		p.glob = strings.Split(p.pattern, "*")
		if strings.Contains(p.pattern, ":") {
			err = errors.New("no tag holds a colon, and the kinds of policies are glob, semver and regexp")
		}
	}
	if p.pattern == "" {
		err = errors.New("the pattern is empty")
	}
	if err != nil {
		return Policy{}, fmt.Errorf("parsing policy %q: %w", text, err)
	}
	return p, nil
}

// Normal spells a policy in its one form, valid or not.
func Normal(text string) string {
	kind, pattern := split(text)
	return kind + ":" + pattern
}

func split(text string) (kind, pattern string) {
	kind, pattern, found := strings.Cut(text, ":")
	switch {
	case found && (kind == kindGlob || kind == kindSemver || kind == kindRegexp):
		return kind, pattern
	case found && kind == "regex":
		return kindRegexp, pattern
	}
	return kindGlob, text
}

// parseConstraint refuses an empty alternative too, which the library takes for "any version".
func parseConstraint(text string) (*semver.Constraints, error) {
	for alternative := range strings.SplitSeq(text, "||") {
		if strings.TrimSpace(alternative) == "" {
			return nil, errors.New("an alternative of the constraint is empty")
		}
	}
	return semver.NewConstraint(text)
}

// String is the policy in its one form.
func (p Policy) String() string { return p.kind + ":" + p.pattern }

// ByTime says that the policy orders tags by the creation time of their images.
func (p Policy) ByTime() bool { return p.kind != kindSemver }

// Matches says that the policy may choose the tag.
func (p Policy) Matches(tag string) bool {
	if strings.EqualFold(tag, "latest") {
		return p.kind == kindGlob && p.pattern == "latest" && tag == "latest"
	}
	switch {
	case p.expression != nil:
		return p.expression.MatchString(tag)
	case p.constraint != nil:
		v, err := semver.NewVersion(tag)
		return err == nil && p.constraint.Check(v)
	case p.glob != nil:
		return matchGlob(p.glob, tag)
	}
	return false
}

// matchGlob wants the first text at the start, the last at the end and the others in between, in
// their order; taking each at its first place leaves the most for those that follow.
func matchGlob(texts []string, tag string) bool {
	first, last := texts[0], texts[len(texts)-1]
	if len(texts) == 1 {
		return tag == first
	}
	rest, ok := strings.CutPrefix(tag, first)
	if !ok {
		return false
	}
	if rest, ok = strings.CutSuffix(rest, last); !ok {
		return false
	}
	for _, text := range texts[1 : len(texts)-1] {
		at := strings.Index(rest, text)
		if at < 0 {
			return false
		}
		rest = rest[at+len(text):]
	}
	return true
}
