package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tag is one tag of a repository, and what is known of its image.
type Tag struct {
	Name string
	// Created is the image's creation time; zero where it is not known. Only policies that
	// order by time, and a minimum age, look at it.
	Created time.Time
	// Digest is what the tag names; empty where it is not known. Only [Options.Digests] makes it count.
	Digest string
	// Fault says why what is needed is not known.
	Fault string
	// Passing marks a fault that may be gone at the next try.
	Passing bool
}

// Options are the terms of a choice.
type Options struct {
	// AllowDowngrade takes the best tag even where it stands below the current one.
	AllowDowngrade bool
	// MinAge is the age below which no tag is taken in place of the current one; zero takes any. The
	// age is Now less the creation time.
	MinAge time.Duration
	Now    time.Time
	// Digests takes only a tag whose digest is known in place of the current one.
	Digests bool
}

// Verdict says how a choice came about.
type Verdict string

// The verdicts. Under Newer and Replaced, and under Older where it is allowed, [Choice] names
// another tag than the current one; under the others the current one stays.
const (
	Newer      Verdict = "newer"       // the best tag stands above the current one
	Replaced   Verdict = "replaced"    // the current tag has no place in the policy's order
	Current    Verdict = "current"     // the current tag is the best, or as good as the best
	TooYoung   Verdict = "too-young"   // what stands above the current tag is younger than the minimum age
	NoMatch    Verdict = "no-match"    // no tag matches
	NoMetadata Verdict = "no-metadata" // of a tag that could be the best, what is needed is not known
	Older      Verdict = "older"       // the best tag stands below the current one
)

// Choice is what became of one image.
type Choice struct {
	Verdict Verdict
	// Tag is the tag to run: the chosen one, or the current one where the verdict lets it stay.
	Tag string
	// Chosen says that the policy stands behind Tag: of the tags that could be taken it is the best.
	// Otherwise it stays only because nothing else may take its place.
	Chosen bool
	// Message explains the verdict in a sentence, Hint says what is behind it; empty where the verdict
	// says it all.
	Message, Hint string
}

// Choose picks the best of a whole list of tags. current is the tag in use, empty where there is
// none. The order of the list has no influence.
func (p Policy) Choose(tags []Tag, current string, o Options) Choice {
	r := p.rank(tags, current)
	return p.decide(r, p.walk(r, o), o)
}

// candidate is one tag of a list as the policy sees it.
type candidate struct {
	*Tag
	found finding
	place
	standing Standing
	message  string
}

// ranking is a list of tags as the policy sees it.
type ranking struct {
	current  string
	from     place       // of the current tag
	matching []candidate // best first
	rest     []candidate // in no order
}

func (p Policy) rank(tags []Tag, current string) ranking {
	r := ranking{current: current}
	for i := range tags {
		c := candidate{Tag: &tags[i]}
		c.found, c.place = p.look(c.Name)
		if p.ByTime() {
			c.place = place{known: !c.Created.IsZero(), created: c.Created}
		}
		if c.found == matching {
			r.matching = append(r.matching, c)
		} else {
			r.rest = append(r.rest, c)
		}
	}
	slices.SortFunc(r.matching, func(a, b candidate) int { return p.better(&b, &a, current) })
	r.from = p.placeOf(r.matching, current)
	return r
}

// better orders candidates, ties included. One whose time may be known at the next try could be the
// best, one whose time never will be cannot.
func (p Policy) better(a, b *candidate, current string) int {
	return cmp.Or(
		cmp.Compare(p.hope(a), p.hope(b)),
		p.compare(a.place, b.place),
		cmp.Compare(btoi(a.Name == current), btoi(b.Name == current)),
		strings.Compare(a.Name, b.Name),
		twice(a.Tag, b.Tag))
}

// twice orders what a list that names a tag twice says of it.
func twice(a, b *Tag) int {
	return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Digest, b.Digest), cmp.Compare(btoi(a.Passing), btoi(b.Passing)), strings.Compare(a.Fault, b.Fault))
}

func (p Policy) hope(c *candidate) int {
	switch {
	case !p.ByTime() || c.known:
		return 1
	case c.Passing:
		return 2
	}
	return 0
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// placeOf finds the place of the tag in use. A version tells its own; in the other orders only a tag
// that the policy matches has one, so that a tag from before the policy was changed never blocks the
// new one.
func (p Policy) placeOf(matching []candidate, current string) place {
	if !p.ByTime() {
		return p.placeInUse(current)
	}
	for _, c := range matching {
		if c.Name == current && c.known {
			return c.place
		}
	}
	return place{}
}

// steps are what was met on the way from the best candidate down. Each is nil where there was none.
type steps struct {
	best    *candidate // where the way ended
	unknown *candidate // it ended here: this could be the best, and what is needed is not known
	young   *candidate // the first that was too young
	dropped *candidate // the first that was passed over because what is needed will never be known
}

// walk goes down to the first candidate that may be taken, or that stands no higher than the
// current tag.
func (p Policy) walk(r ranking, o Options) (s steps) {
	for i := range r.matching {
		c := &r.matching[i]
		untimed := c.Created.IsZero() && (p.ByTime() || o.MinAge > 0)
		young := !untimed && o.MinAge > 0 && o.Now.Sub(c.Created) < o.MinAge
		lacks := untimed || !young && o.Digests && c.Digest == ""
		switch {
		case p.noHigher(c, r, o):
			s.best = c
			return s
		case young:
			c.standing, c.message = Young, age(o.Now.Sub(c.Created))
			s.young = cmp.Or(s.young, c)
		case lacks && (c.Passing || c.Fault == "" && !(untimed && p.ByTime())):
			s.unknown = c
			return s
		case lacks:
			c.standing, c.message = Unknown, c.Fault
			s.dropped = cmp.Or(s.dropped, c)
		default:
			s.best = c
			return s
		}
	}
	return s
}

// noHigher says that the way down may end at a candidate, whatever its age.
func (p Policy) noHigher(c *candidate, r ranking, o Options) bool {
	if !r.from.known || !c.known {
		return false
	}
	order := p.compare(c.place, r.from)
	return order == 0 || order < 0 && !o.AllowDowngrade
}

// decide turns what was met into the choice, and marks the candidate that was chosen.
func (p Policy) decide(r ranking, s steps, o Options) Choice {
	stay := func(v Verdict, message, hint string) Choice {
		return Choice{Verdict: v, Tag: r.current, Message: message, Hint: hint}
	}
	switch {
	case len(r.matching) == 0:
		return stay(NoMatch, p.noMatch(r), p.almost(r))
	case p.ByTime() && r.only(r.current):
		return take(&r.matching[0], Current, "", "")
	case s.unknown != nil:
		return stay(NoMetadata, p.cannotTell(s.unknown, o), "")
	case s.best == nil && s.young != nil:
		return stay(TooYoung, tooYoung(s.young, o), "")
	case s.best == nil:
		return stay(NoMetadata, noneKnown(s.dropped, o), "")
	case s.best.Name == r.current && s.young != nil:
		return take(s.best, TooYoung, tooYoung(s.young, o), "")
	case s.best.Name == r.current:
		return take(s.best, Current, "", p.huge(r, r.current))
	case !r.from.known:
		return take(s.best, Replaced, p.noPlace(r), cmp.Or(p.huge(r, s.best.Name), quotes(r)))
	}
	order := p.compare(s.best.place, r.from)
	switch {
	case order > 0:
		return take(s.best, Newer, "", p.huge(r, s.best.Name))
	case order < 0 && o.AllowDowngrade:
		return take(s.best, Older, "goes down from "+r.current+", as allowed", "")
	case s.young != nil:
		return stay(TooYoung, tooYoung(s.young, o), "")
	case order == 0:
		s.best.message = "no higher than " + r.current
		return stay(Current, s.best.Name+" is no newer", "")
	}
	s.best.message = "below " + r.current
	return stay(Older, fmt.Sprintf("%s is the best match and is older than %s", s.best.Name, r.current), p.whyOlder(r))
}

func take(c *candidate, v Verdict, message, hint string) Choice {
	c.standing = Chosen
	return Choice{Verdict: v, Tag: c.Name, Chosen: true, Message: message, Hint: hint}
}

// only says that nothing but one tag matches, so that no time is needed.
func (r ranking) only(tag string) bool {
	return !slices.ContainsFunc(r.matching, func(c candidate) bool { return c.Name != tag })
}
