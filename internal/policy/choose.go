package policy

import (
	"cmp"
	"fmt"
	"time"

	"github.com/Masterminds/semver/v3"
)

// Tag is one tag of a repository, and what is known of its image.
type Tag struct {
	Name string
	// Created is the image's creation time; zero where it is not known. Only policies that
	// order by time look at it.
	Created time.Time
	// Fault says why it is not known.
	Fault string
	// Passing marks a fault that may be gone at the next try.
	Passing bool
}

// Verdict says how a choice came about.
type Verdict string

// The verdicts. The first three name a tag in [Choice]; of the others the current tag stays.
const (
	Newer      Verdict = "newer"       // the best tag stands above the current one
	Replaced   Verdict = "replaced"    // the current tag has no place in the policy's order
	Current    Verdict = "current"     // the current tag is the best, or as good as the best
	NoMatch    Verdict = "no-match"    // no tag matches
	NoMetadata Verdict = "no-metadata" // a tag that could be the best has no creation time
	Older      Verdict = "older"       // the best tag stands below the current one
)

// Choice is what became of one image.
type Choice struct {
	Verdict Verdict
	// Tag is the tag to run: the chosen one, or the current one where the verdict lets it stay.
	// Under Older it is the current one unless going down was allowed.
	Tag string
	// Message explains the verdict in a sentence; empty where the verdict says it all.
	Message string
}

// Choose picks the best of a whole list of tags. current is the tag in use, empty where there is
// none. The choice never goes down in the policy's order unless allowOlder says so. The order of
// the list has no influence.
func (p Policy) Choose(tags []Tag, current string, allowOlder bool) Choice {
	f := p.filter(tags, current)
	switch {
	case f.matching == 0:
		return Choice{NoMatch, current, p.noMatch(tags)}
	case f.unknown != nil && !f.onlyCurrent:
		return Choice{NoMetadata, current, fmt.Sprintf("%s matches and could be the newest, and its creation time cannot be read for now: %s", f.unknown.Name, f.unknown.Fault)}
	case f.onlyCurrent:
		return Choice{Current, current, ""}
	case f.best == nil:
		return Choice{NoMetadata, current, fmt.Sprintf("no tag that matches has a creation time%s", f.dropped())}
	case f.best.Name == current:
		return Choice{Current, current, ""}
	}
	from := p.place(tags, current)
	if !from.known {
		return Choice{Replaced, f.best.Name, p.noPlace(tags, current)}
	}
	switch order := cmp.Compare(p.compare(f.best.place, from), 0); {
	case order > 0:
		return Choice{Newer, f.best.Name, ""}
	case order == 0:
		return Choice{Current, current, fmt.Sprintf("%s is no newer", f.best.Name)}
	case allowOlder:
		return Choice{Older, f.best.Name, fmt.Sprintf("goes down from %s, as allowed", current)}
	}
	return Choice{Older, current, fmt.Sprintf("%s is the best match and is older than %s", f.best.Name, current)}
}

// place finds a tag's place. A version tells its own; in the other orders only a tag that the policy
// matches has one, so that a tag from before the policy was changed never blocks the new one.
func (p Policy) place(tags []Tag, name string) place {
	what, at := p.look(name)
	if !p.ByTime() || what != matching {
		return at
	}
	for _, t := range tags {
		if t.Name == name && t.Created.After(at.created) {
			at = place{known: true, created: t.Created}
		}
	}
	return at
}

// candidate is a tag that could be chosen.
type candidate struct {
	Name string
	place
}

// filtered is what a policy finds in a list.
type filteredTags struct {
	matching int
	best     *candidate
	unknown  *Tag // the first by name with a passing fault
	without  *Tag // the first by name that was dropped for want of a creation time
	lasting  int  // how many were
	// onlyCurrent: nothing but the current tag matches, so that no time is needed.
	onlyCurrent bool
}

func (p Policy) filter(tags []Tag, current string) filteredTags {
	f := filteredTags{onlyCurrent: true}
	for i := range tags {
		t := &tags[i]
		if !p.Matches(t.Name) {
			continue
		}
		f.matching++
		f.onlyCurrent = f.onlyCurrent && t.Name == current
		if p.ByTime() && t.Created.IsZero() {
			f.drop(t)
			continue
		}
		c := &candidate{t.Name, p.placeOf(t)}
		if f.best == nil || p.better(c, f.best, current) {
			f.best = c
		}
	}
	return f
}

func (p Policy) placeOf(t *Tag) place {
	if p.ByTime() {
		return place{known: true, created: t.Created}
	}
	return p.place(nil, t.Name)
}

// better decides between two candidates, ties included.
func (p Policy) better(a, b *candidate, current string) bool {
	if order := p.compare(a.place, b.place); order != 0 {
		return order > 0
	}
	if a.Name == current || b.Name == current {
		return a.Name == current
	}
	return a.Name > b.Name
}

func (f *filteredTags) drop(t *Tag) {
	if t.Passing {
		if f.unknown == nil || t.Name < f.unknown.Name {
			f.unknown = t
		}
		return
	}
	f.lasting++
	if f.without == nil || t.Name < f.without.Name {
		f.without = t
	}
}

func (f *filteredTags) dropped() string {
	if f.without == nil || f.without.Fault == "" {
		return ""
	}
	return fmt.Sprintf("; %s: %s", f.without.Name, f.without.Fault)
}

// noMatch tells a pre-release that the constraint leaves out from no version at all.
func (p Policy) noMatch(tags []Tag) string {
	if p.constraint == nil {
		return fmt.Sprintf("none of %d tags matches %s", len(tags), p)
	}
	wide := *p.constraint
	wide.IncludePrerelease = true
	for _, t := range tags {
		if v, err := semver.NewVersion(t.Name); err == nil && v.Prerelease() != "" && wide.Check(v) {
			return fmt.Sprintf("none of %d tags matches %s; it leaves out pre-releases unless each of its parts names one, such as >=1.2.0-0", len(tags), p)
		}
	}
	return fmt.Sprintf("none of %d tags matches %s", len(tags), p)
}

func (p Policy) noPlace(tags []Tag, current string) string {
	if current == "" {
		return "the image had no tag"
	}
	if p.kind == kindSemver {
		return fmt.Sprintf("%s is no version", current)
	}
	if !p.Matches(current) {
		return fmt.Sprintf("%s does not match %s", current, p)
	}
	for _, t := range tags {
		if t.Name == current {
			return fmt.Sprintf("%s has no creation time", current)
		}
	}
	return fmt.Sprintf("%s is not in the registry", current)
}
