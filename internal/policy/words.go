package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

const onlyLatest = "only the policy glob:latest takes it"

func isLatest(tag string) bool { return strings.EqualFold(tag, "latest") }

// noMatch says that nothing matches; all tags are the rest then.
func (p Policy) noMatch(r ranking) string {
	switch n := len(r.rest); n {
	case 0:
		return "the repository has no tag"
	case 1:
		return fmt.Sprintf("%s, the only tag, does not match %s", r.rest[0].Name, p)
	default:
		return fmt.Sprintf("none of %d tags matches %s", n, p)
	}
}

// almost says what more than the pattern stands in the way where nothing matches.
func (p Policy) almost(r ranking) string {
	has := func(yes func(candidate) bool) bool { return slices.ContainsFunc(r.rest, yes) }
	switch {
	case has(func(c candidate) bool { return c.found == preRelease }):
		return noPreRelease
	case p.strict && has(func(c candidate) bool { return p.loose().Matches(c.Name) }):
		return "strict semver leaves out what is not MAJOR.MINOR.PATCH"
	case has(func(c candidate) bool { return isLatest(c.Name) && p.namesLatest(c.Name) }):
		return "only the policy glob:latest takes the tag latest"
	}
	return ""
}

// namesLatest says that the pattern alone would match the tag latest.
func (p Policy) namesLatest(tag string) bool {
	switch p.kind {
	case kindGlob:
		return matchGlob(p.glob, tag)
	case kindSemver:
		return false
	}
	return p.expression != nil && p.expression.MatchString(tag)
}

const noPreRelease = "a constraint matches no pre-release unless one of its versions names one, such as >=1.2.0-0"

// lack names what is not known of a candidate.
func (p Policy) lack(c *candidate, o Options) string {
	switch {
	case !c.Created.IsZero():
		return "its digest"
	case p.ByTime() || o.MinAge > 0:
		return "its creation time"
	}
	return "its digest"
}

// cannotTell says what is not known of a tag that could be the best.
func (p Policy) cannotTell(c *candidate, o Options) string {
	said := c.Name + " is the best match"
	if p.ByTime() && !c.known {
		said = c.Name + " matches and could be the newest"
	}
	if c.Fault == "" {
		return fmt.Sprintf("%s, and %s was not read", said, p.lack(c, o))
	}
	return fmt.Sprintf("%s, and %s cannot be read for now: %s", said, p.lack(c, o), c.Fault)
}

// noneKnown is for a list of which no tag tells what is needed.
func noneKnown(dropped *candidate, o Options) string {
	said := "no tag that matches has a creation time"
	if o.Digests {
		said = "no tag that matches can be read"
	}
	if dropped.Fault == "" {
		return said
	}
	return fmt.Sprintf("%s; %s: %s", said, dropped.Name, dropped.Fault)
}

func tooYoung(c *candidate, o Options) string {
	return fmt.Sprintf("%s is %s; it may be taken once it is %s old", c.Name, age(o.Now.Sub(c.Created)), duration(o.MinAge))
}

func age(d time.Duration) string {
	if d < 0 {
		return "dated in the future"
	}
	return duration(d) + " old"
}

// duration is short: 3d12h, 24h, 2h30m, 45s.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day < time.Hour:
		return fmt.Sprintf("%dd", d/day)
	case d >= 2*day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Minute:
		d = d.Truncate(time.Minute)
	}
	text := d.Truncate(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// noPlace says why the current tag has no place in the policy's order.
func (p Policy) noPlace(r ranking) string {
	current := r.current
	switch {
	case current == "":
		return "the image had no tag"
	case p.kind == kindSemver && p.strict:
		return current + " is not MAJOR.MINOR.PATCH"
	case p.kind == kindSemver:
		return current + " is no version"
	case !p.Matches(current):
		return fmt.Sprintf("%s does not match %s", current, p)
	}
	for _, c := range r.matching {
		if c.Name == current {
			return current + " has no creation time"
		}
	}
	return current + " is not in the registry"
}

// quotes is for a tag in use that looks like a number, and that is not in the registry.
func quotes(r ranking) string {
	here := func(c candidate) bool { return c.Name == r.current }
	if r.current == "" || strings.Trim(r.current, "0123456789.") != "" || slices.ContainsFunc(r.matching, here) || slices.ContainsFunc(r.rest, here) {
		return ""
	}
	return "a tag that is a number wants quotes in YAML, where 0010 is 8"
}

// whyOlder says why the tag in use stands above all that match.
func (p Policy) whyOlder(r ranking) string {
	if what, _ := p.look(r.current); what == preRelease {
		return noPreRelease
	}
	return p.huge(r, r.current)
}

// yearOne is the first major that a date or a bare number makes, and hardly a release.
const yearOne = 1900

// huge warns where a date or a bare number is read as a version and has beaten what the strict
// rules would choose from.
func (p Policy) huge(r ranking, tag string) string {
	if p.kind != kindSemver || p.strict {
		return ""
	}
	v, err := semver.NewVersion(tag)
	if err != nil || v.Major() < yearOne || isStrict(tag) {
		return ""
	}
	if !slices.ContainsFunc(r.matching, func(c candidate) bool { return isStrict(c.Name) }) {
		return ""
	}
	return fmt.Sprintf("%s counts as major version %d; strict semver leaves dates and bare numbers out", tag, v.Major())
}
