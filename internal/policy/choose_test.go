package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

// tagList reads "name" (no creation time), "name@3" (created on the 3rd), "name@gone" (a lasting
// fault) and "name@busy" (a passing one).
func tagList(text string) []Tag {
	var tags []Tag
	for word := range strings.FieldsSeq(text) {
		name, when, _ := strings.Cut(word, "@")
		tag := Tag{Name: name}
		switch when {
		case "":
		case "gone":
			tag.Fault = "no linux/amd64 image"
		case "busy":
			tag.Fault, tag.Passing = "the registry answers 503", true
		default:
			var n int
			fmt.Sscan(when, &n)
			tag.Created = day(n)
		}
		tags = append(tags, tag)
	}
	return tags
}

func TestChoose(t *testing.T) {
	for _, test := range []struct {
		name, policy, tags, current string
		verdict                     Verdict
		tag, message                string
	}{
		{"newer by time", "glob:*", "a@1 b@2", "a", Newer, "b", ""},
		{"current by time", "glob:*", "a@3 b@2", "a", Current, "a", ""},
		{"newest of many", "glob:dev-*", "dev-1@1 dev-3@3 dev-2@2 stg-9@9", "dev-1", Newer, "dev-3", ""},
		{"latest is no candidate", "glob:*", "latest@9 a@1 b@2", "a", Newer, "b", ""},
		{"latest asked for", "glob:latest", "latest@9 a@1", "latest", Current, "latest", ""},
		{"current is latest", "glob:*", "latest@9 a@1 b@2", "latest", Replaced, "b", "latest does not match glob:*"},
		{"no tag in use", "glob:*", "a@1 b@2", "", Replaced, "b", "the image had no tag"},
		{"policy changed", "glob:dev-*", "dev-1@1 stg-9@9", "stg-9", Replaced, "dev-1", "stg-9 does not match glob:dev-*"},
		{"tag gone", "glob:*", "a@1", "z", Replaced, "a", "z is not in the registry"},
		{"current without a time", "glob:*", "a@1 b@gone", "b", Replaced, "a", "b has no creation time"},
		{"lasting fault drops the tag", "glob:*", "a@1 b@gone c@2", "a", Newer, "c", ""},
		{"only lasting faults", "glob:*", "a@gone b@gone", "z", NoMetadata, "z", "no tag that matches has a creation time; b: no linux/amd64 image"},
		{"no times at all", "glob:*", "a b", "a", NoMetadata, "a", "no tag that matches has a creation time"},
		{"passing fault", "glob:*", "a@1 b@2 d@busy c@busy", "a", NoMetadata, "a", "d matches and could be the newest, and its creation time cannot be read for now: the registry answers 503"},
		{"passing fault of the current", "glob:*", "a@busy b@2", "a", NoMetadata, "a", "a matches and could"},
		{"passing fault of the only one", "glob:*", "a@busy", "a", Current, "a", ""},
		{"passing fault of another policy's tag", "glob:dev-*", "dev-1@1 dev-2@2 stg-1@busy", "dev-1", Newer, "dev-2", ""},
		{"tie: the current stays", "glob:*", "a@1 b@1 c@1", "b", Current, "b", ""},
		{"tie: last by name", "glob:*", "a@1 c@2 b@2", "a", Newer, "c", ""},
		{"epoch is a time", "glob:*", "a@1 b@2", "a", Newer, "b", ""},
		{"one tag only", "glob:1.0", "1.0@1 2.0@2", "1.0", Current, "1.0", ""},
		{"regexp", "regexp:^master-[0-9a-f]+$", "master-0a@1 master-1b@5 dev-1@9", "master-0a", Newer, "master-1b", ""},
		{"no match", "glob:x-*", "a@1 b@1", "a", NoMatch, "a", "none of 2 tags matches glob:x-*"},
		{"no tags", "glob:*", "", "a", NoMatch, "a", "the repository has no tag"},
		{"same name twice", "glob:*", "a@1 a@3 b@2", "a", Current, "a", ""},

		{"semver newer", "semver:~0.4", "0.4.10 0.4.9 0.4.11 0.5.0", "0.4.10", Newer, "0.4.11", ""},
		{"semver needs no time", "semver:*", "latest v0.0.1@busy 1.0.0@gone", "v0.0.1", Newer, "1.0.0", ""},
		{"semver ~1", "semver:~1", "latest v0.0.1 1.0.0", "1.0.0", Current, "1.0.0", ""},
		{"semver never down", "semver:~1", "2.0.0 1.9.0 1.8.0", "2.0.0", Older, "2.0.0", "1.9.0 is the best match and is older than 2.0.0"},
		{"semver never down, half a list", "semver:*", "1.0.0 1.1.0", "1.2.0", Older, "1.2.0", "1.1.0 is the best match and is older than 1.2.0"},
		{"semver, no version in use", "semver:*", "1.0.0", "master-1", Replaced, "1.0.0", "master-1 is no version"},
		{"semver, a date in use", "semver:^1", "1.0.0 20200101", "20200101", Older, "20200101", "1.0.0 is the best match and is older than 20200101"},
		{"semver up to current, not in the list", "semver:*", "1.0.0 1.3.0", "1.2.0", Newer, "1.3.0", ""},
		{"semver tie: the current stays", "semver:*", "v1.0.0 1.0.0 1.0 1", "1.0", Current, "1.0", ""},
		{"semver tie: last by name", "semver:*", "v1.0.0 1.0.0 1.0 1", "0.9", Newer, "v1.0.0", ""},
		{"semver as good, not in the list", "semver:*", "1.0.0", "v1.0.0", Current, "v1.0.0", "1.0.0 is no newer"},
		{"semver order", "semver:*", "3 1.10.0 1.10 1.2.30 v1 aaa-not-semver bbb-not-semver", "1.10.0", Newer, "3", ""},
		{"semver numbers", "semver:~1.9", "1.9.0 1.9.10 1.9.9", "1.9.9", Newer, "1.9.10", ""},
		{"pre-release left out", "semver:^1.2", "1.3.0-rc.1 1.1.0", "1.1.0", NoMatch, "1.1.0", "; a constraint matches no pre-release unless one of its versions names one"},
		{"pre-release asked for", "semver:^1.2-0", "1.2.0-rc.1 1.2.0-rc.2", "1.2.0-rc.1", Newer, "1.2.0-rc.2", ""},
		{"no version at all", "semver:^1.2", "dev-1", "1.2.0", NoMatch, "1.2.0", "dev-1, the only tag, does not match semver:^1.2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := parsed(t, test.policy).Choose(tagList(test.tags), test.current, Options{})
			if got.Verdict != test.verdict || got.Tag != test.tag {
				t.Errorf("got %s %q (%s), want %s %q", got.Verdict, got.Tag, got.Message, test.verdict, test.tag)
			}
			got.Message = strings.TrimPrefix(got.Message+"; "+got.Hint, "; ")
			got.Message = strings.TrimSuffix(got.Message, "; ")
			if test.message == "" && got.Message != "" || !strings.Contains(got.Message, test.message) {
				t.Errorf("got message %q, want %q", got.Message, test.message)
			}
		})
	}
}

func TestChooseEpoch(t *testing.T) {
	tags := []Tag{{Name: "a", Created: time.Unix(0, 0)}, {Name: "b", Fault: "gone"}}
	if got := parsed(t, "glob:*").Choose(tags, "z", Options{}); got.Tag != "a" {
		t.Errorf("a build dated 1970 was not chosen: %+v", got)
	}
}

func TestChooseDownWhereAllowed(t *testing.T) {
	got := parsed(t, "semver:~1").Choose(tagList("2.0.0 1.9.0"), "2.0.0", Options{AllowDowngrade: true})
	if want := (Choice{Older, "1.9.0", true, "goes down from 2.0.0, as allowed", ""}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAge(t *testing.T) {
	for text, want := range map[string]string{
		"0s": "0s old", "59s": "59s old", "90s": "1m old", "1h0m59s": "1h old", "2h30m": "2h30m old", "24h": "24h old", "47h59m": "47h59m old",
		"48h": "2d old", "48h59m": "2d old", "61h": "2d13h old", "8760h": "365d old", "1.5s": "1s old", "-1s": "dated in the future",
	} {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := age(d); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// TestMinAge tells the terms of an age apart from what the goldens of pick-tag show.
func TestMinAge(t *testing.T) {
	o := Options{MinAge: 48 * time.Hour, Now: day(10)}
	for _, test := range []struct {
		name, policy, tags, current string
		verdict                     Verdict
		tag                         string
	}{
		{"exactly old enough", "glob:*", "a@1 b@8", "a", Newer, "b"},
		{"too young", "glob:*", "a@1 b@9", "a", TooYoung, "a"},
		{"the current is young itself", "glob:*", "a@9 b@1", "a", Current, "a"},
		{"the current is gone", "semver:*", "1.3.0@9 1.1.0", "1.2.0", TooYoung, "1.2.0"},
		{"as good as the current", "semver:*", "1.3.0@9 v1.2.0", "1.2.0", TooYoung, "1.2.0"},
		{"no place", "semver:*", "1.3.0@9 1.1.0@1", "main", Replaced, "1.1.0"},
		{"no place, all young", "semver:*", "1.3.0@9", "main", TooYoung, "main"},
		{"no place, not read", "semver:*", "1.3.0@9 1.1.0", "main", NoMetadata, "main"},
		{"none known", "semver:*", "1.3.0@gone", "1.1.0", NoMetadata, "1.1.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := parsed(t, test.policy).Choose(tagList(test.tags), test.current, o); got.Verdict != test.verdict || got.Tag != test.tag {
				t.Errorf("got %s %q (%s), want %s %q", got.Verdict, got.Tag, got.Message, test.verdict, test.tag)
			}
		})
	}
	o.AllowDowngrade = true
	if got := parsed(t, "semver:~1").Choose(tagList("2.0.0 1.3.0@9 1.1.0@1"), "2.0.0", o); got.Tag != "1.1.0" {
		t.Errorf("the way down ended at %+v", got)
	}
}
