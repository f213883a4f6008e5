package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// checkChoice holds a choice against all that must be true of every choice.
func checkChoice(t *testing.T, p Policy, tags []Tag, current string, o Options) {
	t.Helper()
	choice, list := p.Explain(tags, current, o)
	fail := func(what string, more ...any) {
		t.Helper()
		t.Fatalf("%s, current %q, %+v, strict %v: %s: %v\ntags %v\nchoice %+v\nlist %v", p, current, o, p.strict, what, more, tags, choice, list)
	}
	if again := p.Choose(tags, current, o); again != choice {
		fail("explained it is another choice", again)
	}

	// The order of the list has no influence.
	turned := slices.Clone(tags)
	slices.Reverse(turned)
	if other, otherList := p.Explain(turned, current, o); other != choice || !slices.Equal(list, otherList) {
		fail("the other way round", other, otherList)
	}

	// One verdict for every tag, and the chosen one is the choice.
	var chosen []string
	for _, c := range list {
		if c.Standing == Chosen {
			chosen = append(chosen, c.Tag.Name)
		}
		if matches := c.Standing != Filtered && c.Standing != PreRelease && c.Standing != NotVersion; matches != p.Matches(c.Tag.Name) {
			fail("a verdict that Matches contradicts", c)
		}
	}
	if len(list) != len(tags) || len(chosen) > 1 || choice.Chosen != slices.Contains(chosen, choice.Tag) {
		fail("the verdicts do not fit the choice", chosen)
	}

	// Another tag is taken for a reason, never a lower one, never one that is too young.
	took := choice.Tag != current
	if took && !choice.Chosen || took != (choice.Verdict == Newer || choice.Verdict == Replaced || choice.Verdict == Older && choice.Chosen) {
		fail("the verdict does not fit the tag")
	}
	r, after := p.rank(tags, current), p.rank(tags, choice.Tag)
	if took && r.from.known && !o.AllowDowngrade && p.compare(after.from, r.from) <= 0 {
		fail("it goes down, or aside")
	}
	old := func(tag Tag) bool {
		return tag.Name == choice.Tag && !tag.Created.IsZero() && o.Now.Sub(tag.Created) >= o.MinAge
	}
	if took && o.Digests && !slices.ContainsFunc(tags, func(tag Tag) bool { return tag.Name == choice.Tag && tag.Digest != "" }) {
		fail("its digest is not known")
	}
	if took && o.MinAge > 0 && !slices.ContainsFunc(tags, old) {
		fail("it is too young")
	}

	// The second run changes nothing.
	again := p.Choose(tags, choice.Tag, o)
	if again.Tag != choice.Tag || choice.Chosen && (!again.Chosen || again.Verdict != Current && again.Verdict != TooYoung) {
		fail("the second run", again)
	}
	checkFrugal(t, p, tags, current, o, choice)
}

// checkFrugal holds that a scan which reads creation times and digests of the ranked tags from the best down,
// until one can be taken or the current one is reached, reads all that the choice needs.
func checkFrugal(t *testing.T, p Policy, tags []Tag, current string, o Options, want Choice) {
	t.Helper()
	if p.ByTime() {
		return
	}
	unread := make([]Tag, len(tags))
	var names []string
	for i, tag := range tags {
		if slices.Contains(names, tag.Name) {
			return // a registry lists no tag twice
		}
		unread[i].Name = tag.Name
		names = append(names, tag.Name)
	}
	ranked := p.Ranked(names)
	if current == "" && o.MinAge == 0 && !o.Digests && len(ranked) > 0 && ranked[0] != want.Tag {
		t.Fatalf("%s ranks %s first and chooses %s", p, ranked[0], want.Tag)
	}
	for _, name := range ranked {
		i := slices.Index(names, name)
		unread[i] = tags[i]
		oldEnough := o.MinAge == 0 || !tags[i].Created.IsZero() && o.Now.Sub(tags[i].Created) >= o.MinAge
		if name == current || oldEnough && (!o.Digests || tags[i].Digest != "") {
			break
		}
	}
	if got := p.Choose(unread, current, o); got != want {
		t.Fatalf("%s, current %q, %+v: of what a scan reads it chooses %+v, of all %+v\n%v", p, current, o, got, want, tags)
	}
}

func TestProperties(t *testing.T) {
	names := strings.Fields("1 1.0 1.0.0 v1.0.0 1.2.0-rc.1 1.10.0 2 v2.0.1 dev-1 dev-2 dev-10 dev-x latest stg-1 20200101 2020-01-01")
	policies := strings.Fields("glob:* dev-* glob:latest regexp:^[0-9.]+$ semver:* semver:~1 semver:>=1.0.0-0 semver:^1.2||~2 alphabetical:.* alphabetical:^[a-z]+-(.) numerical:.* numerical:^dev-(.*)$")
	seed := uint64(20261121)
	random := rand.New(rand.NewPCG(seed, seed))
	for range 20000 {
		var tags []Tag
		for range random.IntN(8) {
			tag := []Tag{{}, {Fault: "gone"}, {Fault: "busy", Passing: true}}[max(0, random.IntN(12)-9)]
			tag.Name = names[random.IntN(len(names))]
			if tag.Fault == "" && random.IntN(6) > 0 {
				tag.Created = day(1 + random.IntN(4))
			}
			if tag.Fault == "" && random.IntN(6) > 0 {
				tag.Digest = "sha256:" + tag.Name
			}
			tags = append(tags, tag)
		}
		o := Options{AllowDowngrade: random.IntN(3) == 0, Now: day(1 + random.IntN(6)), MinAge: time.Duration(random.IntN(4)) * 24 * time.Hour, Digests: random.IntN(4) == 0}
		p := parsed(t, policies[random.IntN(len(policies))])
		if random.IntN(3) == 0 {
			p = p.Strict()
		}
		current := ""
		if random.IntN(8) > 0 {
			current = names[random.IntN(len(names))]
		}
		checkChoice(t, p, tags, current, o)
	}
}

// FuzzChoose: what must be true of every choice is, whatever the policy, the tags and the terms. The
// tags are written as for tagList.
func FuzzChoose(f *testing.F) {
	for _, policy := range []string{"glob:*", "dev-*", "regexp:^v", "semver:~1", "semver:>=1-0", "alphabetical:^[a-z]+-(.*)", "numerical:([0-9]+)", "latest"} {
		f.Add(policy, "dev-1@1 dev-2@busy 1.0.0@3 v1.0.0@3 1.1.0@gone 20200101 latest@2", "1.0.0", byte(0))
		f.Add(policy, "dev-1@1 dev-2@2 1.0.0@3 1.1.0-rc.1 1.1.0@4", "dev-1", byte(0b11011))
		f.Add(policy, "0010 10 9 a@1", "", byte(0b110))
	}
	f.Fuzz(func(t *testing.T, text, list, current string, terms byte) {
		p, err := Parse(text)
		if err != nil || len(list) > 1000 {
			return
		}
		if terms&1 != 0 {
			p = p.Strict()
		}
		o := Options{AllowDowngrade: terms&2 != 0, MinAge: time.Duration(terms>>2&3) * 24 * time.Hour, Now: day(4)}
		tags := tagList(list)
		if o.Digests = terms&16 != 0; o.Digests {
			for i := range tags {
				if len(tags[i].Name)%3 > 0 && tags[i].Fault == "" {
					tags[i].Digest = "sha256:" + tags[i].Name
				}
			}
		}
		checkChoice(t, p, tags, current, o)
	})
}
