package policy

import (
	"cmp"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// place is where a tag stands in a policy's order.
type place struct {
	known   bool
	created time.Time
	version *semver.Version
	key     string // of a numerical policy the digits, without zeros in front
}

// finding is what a policy makes of a name.
type finding int

const (
	filtered finding = iota
	notSemver
	preRelease // of a version that would match, left out because the constraint names no pre-release
	matching
)

// look reads a name once: whether it matches, and, unless the policy goes by time, its place.
func (p Policy) look(tag string) (finding, place) {
	if tag == "" || isLatest(tag) && (p.kind != kindGlob || p.pattern != "latest" || tag != "latest") {
		return filtered, place{}
	}
	switch p.kind {
	case kindGlob:
		return found(matchGlob(p.glob, tag)), place{}
	case kindRegexp:
		return found(p.expression.MatchString(tag)), place{}
	case kindSemver:
		return p.lookVersion(tag)
	case kindAlphabetical, kindNumerical:
		key, ok := p.keyOf(tag)
		return found(ok), place{known: ok, key: key}
	}
	return filtered, place{}
}

func found(ok bool) finding {
	if ok {
		return matching
	}
	return filtered
}

func (p Policy) lookVersion(tag string) (finding, place) {
	v, err := p.version(tag)
	if err != nil {
		return notSemver, place{}
	}
	at := place{known: true, version: v}
	if p.constraint.Check(v) {
		return matching, at
	}
	if v.Prerelease() != "" && p.releases != nil {
		if release, err := v.SetPrerelease(""); err == nil && p.releases.Check(&release) {
			return preRelease, at
		}
	}
	return filtered, at
}

func (p Policy) version(tag string) (*semver.Version, error) {
	if p.strict {
		return semver.StrictNewVersion(strings.TrimPrefix(tag, "v"))
	}
	return semver.NewVersion(tag)
}

func isStrict(tag string) bool {
	_, err := Policy{strict: true}.version(tag)
	return err == nil
}

// placeInUse is the place of the tag in use where names tell it. Under the strict rules v1 and 1.2
// cannot be chosen; in use they still stand somewhere, and going below them would be going down.
func (p Policy) placeInUse(tag string) place {
	what, at := p.look(tag)
	if what != notSemver || !p.strict {
		return at
	}
	texts := []string{tag + ".0"}
	if strings.HasPrefix(tag, "v") {
		texts = append(texts, tag+".0.0")
	}
	for _, text := range texts {
		if v, err := p.version(text); err == nil {
			return place{known: true, version: v}
		}
	}
	return place{}
}

// keyOf gives the text by which a tag is ordered.
func (p Policy) keyOf(tag string) (string, bool) {
	at := p.expression.FindStringSubmatchIndex(tag)
	if len(at) > 2 {
		at = at[2:4]
	}
	if len(at) == 0 || at[0] < 0 {
		return "", false
	}
	key := tag[at[0]:at[1]]
	if p.kind == kindNumerical {
		return number(key)
	}
	return key, true
}

// number strips the zeros in front, so that of two numbers the longer is the greater.
func number(text string) (string, bool) {
	return strings.TrimLeft(text, "0"), text != "" && strings.Trim(text, "0123456789") == ""
}

func (p Policy) compare(a, b place) int {
	switch p.kind {
	case kindSemver:
		return a.version.Compare(b.version)
	case kindNumerical:
		return cmp.Or(cmp.Compare(len(a.key), len(b.key)), strings.Compare(a.key, b.key))
	case kindAlphabetical:
		return strings.Compare(a.key, b.key)
	}
	return a.created.Compare(b.created)
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
