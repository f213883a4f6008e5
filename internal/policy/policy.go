// Package policy chooses one tag of an image repository.
//
// A policy is kind:pattern. It says which tags match, and in which order they stand:
//
//   - glob:P, or a bare P: the whole tag, * standing for any text; ordered by creation time.
//   - regexp:R, or regex:R: RE2, anywhere in the tag unless anchored; ordered by creation time.
//   - semver:C: tags that read as a version (v1, 1.2 and 01.2.3 do) and satisfy the constraint;
//     ordered by precedence. A constraint without a pre-release part matches no pre-release.
//   - alphabetical:R: RE2 as in regexp; ordered by a key, byte for byte. The key is the text of the
//     first capture group, or the whole match where the expression has no group.
//   - numerical:R: the same, the key being a decimal number of any size; a tag whose key is none
//     does not match.
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
	kindGlob         = "glob"
	kindSemver       = "semver"
	kindRegexp       = "regexp"
	kindAlphabetical = "alphabetical"
	kindNumerical    = "numerical"
)

// Policy is a parsed policy. Its zero value matches nothing.
type Policy struct {
	kind, pattern string
	glob          []string // the texts between the stars
	expression    *regexp.Regexp
	constraint    *semver.Constraints
	releases      *semver.Constraints // those alternatives of it that name no pre-release; nil where all do
	strict        bool
}

// Strict is the policy with one rule more: a version is MAJOR.MINOR.PATCH, without zeros in front and
// with or without a leading v; a pre-release may follow. Dates, bare numbers and 1.2 are none then. On
// policies of other kinds it has no effect.
func (p Policy) Strict() Policy {
	p.strict = p.kind == kindSemver
	return p
}

func (p Policy) loose() Policy {
	p.strict = false
	return p
}

// Parse reads a policy. A pattern that is invalid is an error, where Flux let it match everything.
func Parse(text string) (Policy, error) {
	p := Policy{}
	p.kind, p.pattern = split(text)
	var err error
	switch p.kind {
	case kindRegexp, kindAlphabetical, kindNumerical:
		p.expression, err = regexp.Compile(p.pattern)
	case kindSemver:
		p.constraint, p.releases, err = parseConstraint(p.pattern)
	default:
		p.glob = strings.Split(p.pattern, "*")
		if strings.Contains(p.pattern, ":") {
			err = errors.New("no tag holds a colon, and the kinds of policies are glob, semver, regexp, alphabetical and numerical")
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
	if !found {
		return kindGlob, text
	}
	switch kind {
	case kindGlob, kindSemver, kindRegexp, kindAlphabetical, kindNumerical:
		return kind, pattern
	case "regex":
		return kindRegexp, pattern
	}
	return kindGlob, text
}

// namesPreRelease is how an alternative of a constraint names a pre-release: 1.2-0, not 1.2 - 1.4.
var namesPreRelease = regexp.MustCompile(`[0-9xX*]-[0-9A-Za-z]`)

// parseConstraint refuses an empty alternative too, which the library takes for "any version".
func parseConstraint(text string) (all, releases *semver.Constraints, err error) {
	var plain []string
	for alternative := range strings.SplitSeq(text, "||") {
		if strings.TrimSpace(alternative) == "" {
			return nil, nil, errors.New("an alternative of the constraint is empty")
		}
		if !namesPreRelease.MatchString(alternative) {
			plain = append(plain, alternative)
		}
	}
	if len(plain) > 0 {
		if releases, err = semver.NewConstraint(strings.Join(plain, "||")); err != nil {
			return nil, nil, err
		}
	}
	all, err = semver.NewConstraint(text)
	return all, releases, err
}

// String is the policy in its one form.
func (p Policy) String() string { return p.kind + ":" + p.pattern }

// ByTime says that the policy orders tags by the creation time of their images. The others need
// to know nothing but the names.
func (p Policy) ByTime() bool { return p.kind == kindGlob || p.kind == kindRegexp }

// Matches says that the policy may choose the tag.
func (p Policy) Matches(tag string) bool {
	found, _ := p.look(tag)
	return found == matching
}

// Ranked gives the tags that match, best first; of equals the last by name comes first. It is for a
// policy that goes by names: of one that is [Policy.ByTime] it gives none.
func (p Policy) Ranked(tags []string) []string {
	if p.ByTime() {
		return nil
	}
	list := make([]Tag, len(tags))
	for i, tag := range tags {
		list[i].Name = tag
	}
	var ranked []string
	for _, c := range p.rank(list, "").matching {
		ranked = append(ranked, c.Name)
	}
	return ranked
}
