package policy

import (
	"cmp"
	"slices"
	"strings"
)

// Candidate is one tag of a list, and what became of it.
type Candidate struct {
	Tag      Tag
	Standing Standing
	// Message says more where the standing does not say it all.
	Message string
}

// Standing is what a choice made of one tag.
type Standing string

// The standings.
const (
	Chosen     Standing = "chosen"      // the tag to run; it may be the current one
	Below      Standing = "older"       // matches, and stands below the chosen or the current one, or below one that has to be known first
	Young      Standing = "too-young"   // matches, and is younger than the minimum age
	Unknown    Standing = "no-metadata" // matches, and what is needed of it is not known
	PreRelease Standing = "pre-release" // left out only because the constraint names no pre-release
	NotVersion Standing = "not-semver"  // reads as no version
	Filtered   Standing = "filtered"    // does not match
)

// Explain is [Policy.Choose], and what became of each tag: those that match come first, best first.
// One is chosen where the choice says so, none otherwise.
func (p Policy) Explain(tags []Tag, current string, o Options) (Choice, []Candidate) {
	r := p.rank(tags, current)
	s := p.walk(r, o)
	choice := p.decide(r, s, o)
	slices.SortFunc(r.rest, p.lesser)
	var list []Candidate
	for i := range r.matching {
		c := &r.matching[i]
		if c.standing == "" {
			c.standing, c.message = p.passedOver(c, s, o)
		}
		list = append(list, Candidate{*c.Tag, c.standing, c.message})
	}
	for _, c := range r.rest {
		standing, message := p.leftOut(c)
		list = append(list, Candidate{*c.Tag, standing, message})
	}
	return choice, list
}

// passedOver is for a candidate that the way down did not reach, or ended at without taking it.
func (p Policy) passedOver(c *candidate, s steps, o Options) (Standing, string) {
	switch {
	case c == s.unknown || p.ByTime() && !c.known:
		return Unknown, cmp.Or(c.Fault, p.lack(c, o)+" was not read")
	}
	return Below, c.message
}

// lesser orders what does not match: nearest to matching first.
func (p Policy) lesser(a, b candidate) int {
	nearness := []finding{preRelease, filtered, notSemver}
	if order := cmp.Compare(slices.Index(nearness, a.found), slices.Index(nearness, b.found)); order != 0 {
		return order
	}
	if !p.ByTime() && a.known && b.known {
		if order := p.compare(b.place, a.place); order != 0 {
			return order
		}
	}
	return cmp.Or(cmp.Compare(btoi(b.known), btoi(a.known)), strings.Compare(b.Name, a.Name), twice(b.Tag, a.Tag))
}

// leftOut is for a tag that does not match.
func (p Policy) leftOut(c candidate) (Standing, string) {
	switch {
	case isLatest(c.Name):
		return Filtered, onlyLatest
	case c.found == preRelease:
		return PreRelease, ""
	case c.found == notSemver && p.strict:
		return NotVersion, "not MAJOR.MINOR.PATCH"
	case c.found == notSemver:
		return NotVersion, ""
	case p.kind == kindNumerical && p.expression.MatchString(c.Name):
		return Filtered, "its key is no number"
	}
	return Filtered, ""
}
