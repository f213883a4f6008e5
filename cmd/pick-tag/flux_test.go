package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/policy"
)

// fluxRow is one rule of how Flux v1 chose tags. Where we depart from it on purpose, flux says what it
// did and departure why we do not.
type fluxRow struct {
	row             string
	policy          string // empty: none is written
	tags            string // see fluxTags
	current         string // empty: the image has no tag
	reason          jsonl.Reason
	tag             string // the tag after the pick
	message         string // a part of it
	flux, departure string
	change          func(*jsonl.Image)
	options         options
}

const pinnedTo = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

var fluxRows = []fluxRow{
	// Annotations of the workload.
	{row: "automated", policy: "glob:*", tags: "a@1 b@2", current: "a", reason: jsonl.ReasonNewer, tag: "b"},
	{row: "not automated", policy: "glob:*", tags: "a@1 b@2", current: "a", reason: jsonl.ReasonNotAutomated, tag: "a", message: "b is available",
		change: func(i *jsonl.Image) { i.Automated = false }},
	{row: "locked", policy: "glob:*", tags: "a@1 b@2", current: "a", reason: jsonl.ReasonLocked, tag: "a", change: func(i *jsonl.Image) { i.Locked = true }},
	{row: "ignore: true", policy: "glob:*", tags: "a@1 b@2", current: "a", reason: jsonl.ReasonIgnored, tag: "a", change: func(i *jsonl.Image) { i.Ignored = true }},

	// Patterns: form and match.
	{row: "none: glob:*", tags: "a@1 b@2 c@3", current: "a", reason: jsonl.ReasonNewer, tag: "c"},
	{row: "glob:P", policy: "glob:dev-*", tags: "dev-1@1 dev-2@2 stg-1@3", current: "dev-1", reason: jsonl.ReasonNewer, tag: "dev-2"},
	{row: "bare P", policy: "dev-*", tags: "dev-1@1 dev-2@2 stg-1@3", current: "dev-1", reason: jsonl.ReasonNewer, tag: "dev-2"},
	{row: "glob: the whole tag", policy: "glob:dev", tags: "dev@1 dev-2@2 my-dev@3", current: "dev", reason: jsonl.ReasonCurrent, tag: "dev"},
	{row: "glob: only * is special", policy: "glob:v?", tags: "v1@1 v2@2", current: "v1", reason: jsonl.ReasonNoMatch, tag: "v1"},
	{row: "glob: no character classes", policy: "glob:v[12]", tags: "v1@1 v2@2", current: "v1", reason: jsonl.ReasonNoMatch, tag: "v1"},
	{row: "glob: case counts", policy: "glob:dev-*", tags: "dev-1@1 DEV-2@2", current: "dev-1", reason: jsonl.ReasonCurrent, tag: "dev-1"},
	{row: "glob: spaces count", policy: "glob: dev-*", tags: "dev-1@1", current: "dev-1", reason: jsonl.ReasonNoMatch, tag: "dev-1"},
	{row: "semver:C", policy: "semver:~1.2", tags: "1.2.0 1.2.9 1.2.10 1.3.0", current: "1.2.0", reason: jsonl.ReasonNewer, tag: "1.2.10"},
	{row: "semver:C needs no timestamps", policy: "semver:*", tags: "1.0.0@9 1.1.0@1", current: "1.0.0", reason: jsonl.ReasonNewer, tag: "1.1.0"},
	{row: "regexp:R", policy: "regexp:^v[0-9]+$", tags: "v1@1 v2@2 v3-rc@3", current: "v1", reason: jsonl.ReasonNewer, tag: "v2"},
	{row: "regex:R", policy: "regex:^v[0-9]+$", tags: "v1@1 v2@2 v3-rc@3", current: "v1", reason: jsonl.ReasonNewer, tag: "v2"},
	{row: "regexp: unanchored", policy: "regexp:dev", tags: "dev@1 my-dev-2@2", current: "dev", reason: jsonl.ReasonNewer, tag: "my-dev-2"},
	{row: "invalid regexp", policy: "regexp:(", tags: "a@1 b@2", current: "a", reason: jsonl.ReasonPolicy, tag: "a", message: "missing closing )",
		flux: "matches everything", departure: "a slip of the pen must not deploy what was never meant: it is an error at the manifest, with the annotation's key"},
	{row: "invalid semver", policy: "semver:latest", tags: "1 2", current: "1", reason: jsonl.ReasonPolicy, tag: "1", message: "improper constraint",
		flux: "matches every version", departure: "as for an invalid regexp"},
	{row: "empty constraint", policy: "semver:", tags: "1 2", current: "1", reason: jsonl.ReasonPolicy, tag: "1", message: "the pattern is empty",
		flux: "matches every version", departure: "as for an invalid regexp; semver:* says it"},
	{row: "latest is no candidate", policy: "glob:*", tags: "a@1 b@2 latest@9 LATEST@9", current: "a", reason: jsonl.ReasonNewer, tag: "b"},
	{row: "latest is no candidate of a regexp", policy: "regexp:^latest$", tags: "latest@2 a@1", current: "a", reason: jsonl.ReasonNoMatch, tag: "a", message: "only the policy glob:latest takes the tag latest"},
	{row: "glob:latest", policy: "glob:latest", tags: "latest@9 a@10", current: "latest", reason: jsonl.ReasonCurrent, tag: "latest"},
	{row: "bare latest", policy: "latest", tags: "latest@9 a@10", current: "a", reason: jsonl.ReasonReplaced, tag: "latest", message: "a does not match glob:latest"},

	// What a version is, and what a constraint takes. These tags have no other that matches.
	accepts("semver:*", "v1"), accepts("semver:*", "1"), accepts("semver:*", "1.2"), accepts("semver:*", "01.2.3"),
	accepts("semver:*", "20200101"), accepts("semver:*", "1234567"),
	rejects("semver:*", "V1.0.0"), rejects("semver:*", "1.2.3.4"), rejects("semver:*", "1.2.3_build"),
	rejects("semver:*", "1.2.3-rc.1"), rejects("semver:>=1.0.0", "1.2.3-rc.1"),
	{row: ">=1.0.0-rc.0, <1.0.1 and 1.0.0-rc.1", policy: "semver:>=1.0.0-rc.0, <1.0.1", tags: "1.0.0-rc.1", reason: jsonl.ReasonReplaced, tag: "1.0.0-rc.1",
		flux: "does not match", departure: "the semver library has moved on: one part that names a pre-release lets them in for all parts of its alternative, as Flux's documentation always said"},
	accepts("semver:>=1.0.0-rc.0, <1.0.1-0", "1.0.0-rc.1"),
	rejects("semver:>1.0", "1.0.5"), accepts("semver:>1.0", "1.1.0"),
	accepts("semver:1.2", "1.2.9"), rejects("semver:1.2", "1.3.0"),
	accepts("semver:^0.2", "0.2.9"), rejects("semver:^0.2", "0.3.0"),
	accepts("semver:1.2 - 1.4", "1.4.5"),
	accepts("semver:~1.2-0", "1.2.3-alpha"),
	{row: "dates and bare numbers are huge versions", policy: "semver:*", tags: "1.0.0 20200101", current: "1.0.0", reason: jsonl.ReasonNewer, tag: "20200101",
		message: "counts as major version 20200101"},
	{row: "dates and bare numbers under --strict-semver", policy: "semver:*", tags: "1.0.0 20200101 1234567", current: "1.0.0", reason: jsonl.ReasonCurrent, tag: "1.0.0",
		options: options{strict: true}, flux: "updates to 20200101", departure: "the flag was not there"},

	// Order.
	{row: "created: newer first", tags: "a@3 b@1 c@2", current: "c", reason: jsonl.ReasonNewer, tag: "a"},
	{row: "created: equal times", tags: "a@1 b@2 c@2", current: "a", reason: jsonl.ReasonNewer, tag: "c",
		flux: "the first by name, b", departure: "one rule for all orders, last by name, which suits names that grow such as dates; and the tag in use stays"},
	{row: "created: equal times, one in use", tags: "a@2 b@2 c@2", current: "b", reason: jsonl.ReasonCurrent, tag: "b",
		flux: "moves to the first by name, a", departure: "a rollout that changes nothing is one too many"},
	{row: "created: zero time sorts last", tags: "a@1 b@gone c@2", current: "a", reason: jsonl.ReasonNewer, tag: "c"},
	{row: "created: 1970 is a time", tags: "a@epoch", current: "", reason: jsonl.ReasonReplaced, tag: "a"},
	{row: "semver: higher first", policy: "semver:*", tags: "3 1.10.0 1.10 1.2.30 v1 aaa-not-semver bbb-not-semver", current: "1.10", reason: jsonl.ReasonNewer, tag: "3"},
	{row: "semver: equal precedence", policy: "semver:*", tags: "v1.0.0 1.0.0 1.0 1", current: "", reason: jsonl.ReasonReplaced, tag: "v1.0.0"},
	{row: "semver: equal precedence, one in use", policy: "semver:*", tags: "v1.0.0 1.0.0 1.0 1", current: "1.0", reason: jsonl.ReasonCurrent, tag: "1.0",
		flux: "moves to the last by name, v1.0.0", departure: "a rollout that changes nothing is one too many"},

	// The algorithm, step by step.
	{row: "no metadata: empty list", tags: "", current: "a", reason: jsonl.ReasonNoMatch, tag: "a", message: "the repository has no tag"},
	{row: "a matching tag without metadata", policy: "glob:*", tags: "a@1 b@2 c@gone", current: "a", reason: jsonl.ReasonNewer, tag: "b",
		flux: "skips the container, with a warning in its log", departure: "one image for arm only must not stop all updates for good: what can never be read is dropped"},
	{row: "a matching tag without metadata for now", policy: "glob:*", tags: "a@1 b@2 c@busy", current: "a", reason: jsonl.ReasonNoMetadata, tag: "a", message: "c matches and could be the newest"},
	{row: "another tag without metadata", policy: "glob:dev-*", tags: "dev-1@1 dev-2@2 stg-1@busy stg-2@gone", current: "dev-1", reason: jsonl.ReasonNewer, tag: "dev-2"},
	{row: "timestamps, the current tag is deleted", tags: "a@1 b@2", current: "z", reason: jsonl.ReasonReplaced, tag: "b", message: "z is not in the registry",
		flux: "skips it, with a warning in its log", departure: stuck},
	{row: "timestamps, latest in use", tags: "a@1 b@2 latest@3", current: "latest", reason: jsonl.ReasonReplaced, tag: "b", message: "latest does not match glob:*",
		flux: "skips it, with a warning in its log", departure: stuck},
	{row: "timestamps, no tag in use", tags: "a@1 b@2", current: "", reason: jsonl.ReasonReplaced, tag: "b", message: "the image had no tag",
		flux: "skips it, with a warning in its log", departure: stuck},
	{row: "timestamps, a number in use", tags: "1.9@1 1.10@2", current: "1.1", reason: jsonl.ReasonReplaced, tag: "1.10", message: "a tag that is a number wants quotes in YAML",
		flux: "skips it, with a warning in its log", departure: stuck},
	{row: "the current tag does not match", policy: "glob:dev-*", tags: "dev-1@1 stg-1@2", current: "stg-1", reason: jsonl.ReasonReplaced, tag: "dev-1", message: "stg-1 does not match glob:dev-*"},

	// The cases.
	{row: "automated, no pattern, newer created tag", tags: "a@1 b@2", current: "a", reason: jsonl.ReasonNewer, tag: "b"},
	{row: "newest candidate has no tag", tags: "a@1 @2", current: "a", reason: jsonl.ReasonNotWhole, tag: "a", message: "the tag is empty"},
	{row: "current has zero time, glob", tags: "a@gone b@2", current: "a", reason: jsonl.ReasonReplaced, tag: "b", message: "a has no creation time",
		flux: "skips it, with a warning in its log", departure: stuck},
	{row: "candidate has zero time, semver", policy: "semver:*", tags: "1.0.0@1 1.1.0", current: "1.0.0", reason: jsonl.ReasonNewer, tag: "1.1.0"},
	{row: "semver, current not in list", policy: "semver:*", tags: "1.0.0 1.1.0", current: "1.0.1", reason: jsonl.ReasonNewer, tag: "1.1.0"},
	{row: "semver:* with latest, v0.0.1, 1.0.0", policy: "semver:*", tags: "latest v0.0.1 1.0.0", current: "v0.0.1", reason: jsonl.ReasonNewer, tag: "1.0.0"},
	{row: "semver:~1 with latest, v0.0.1, 1.0.0", policy: "semver:~1", tags: "latest v0.0.1 1.0.0", current: "v0.0.1", reason: jsonl.ReasonNewer, tag: "1.0.0"},
	{row: "semver:* and v9 without metadata", policy: "semver:*", tags: "v1@1 v9@gone", current: "v1", reason: jsonl.ReasonNewer, tag: "v9",
		flux: "skips the container", departure: "versions are compared by name, so nothing but names is asked of the registry: that is what makes a scan cost one request"},
	{row: "current 2.0.0, pattern ~1", policy: "semver:~1", tags: "1.0.0 1.9.0 2.0.0", current: "2.0.0", reason: jsonl.ReasonOlder, tag: "2.0.0", message: "1.9.0 is the best match and is older than 2.0.0",
		flux: "moves down to 1.9.0", departure: neverDown},
	{row: "current 2.0.0, pattern ~1, --allow-downgrade", policy: "semver:~1", tags: "1.0.0 1.9.0 2.0.0", current: "2.0.0", reason: jsonl.ReasonOlder, tag: "1.9.0", options: options{allowDowngrade: true}},
	{row: "half a list", policy: "semver:*", tags: "1.0.0 1.9.0", current: "2.0.0", reason: jsonl.ReasonNotWhole, tag: "2.0.0", change: func(i *jsonl.Image) { i.Whole, i.Fault = false, "page 2 failed" }, message: "page 2 failed",
		flux: "moves down to 1.9.0", departure: neverDown},
	{row: "two tags, same created time", tags: "a@1 b@2 c@2", current: "a", reason: jsonl.ReasonNewer, tag: "c",
		flux: "takes the first by name, b", departure: "see created: equal times"},
	{row: "digest-pinned, glob", policy: "glob:*", tags: "1@1@2 2@2@3", current: "1@" + pinnedTo, reason: jsonl.ReasonNewer, tag: "2@" + digestOf("3"),
		flux: "never updates it", departure: "a digest is followed: tag and digest move together"},
	{row: "digest-pinned, semver", policy: "semver:*", tags: "1@1@1 2@2@3", current: "1@" + pinnedTo, reason: jsonl.ReasonNewer, tag: "2@" + digestOf("3"),
		flux: "drops the tag and keeps the digest, and fails in every later run", departure: "as for glob"},
	{row: "digest-pinned without a tag", policy: "semver:*", tags: "1@1@1", current: "@" + pinnedTo, reason: jsonl.ReasonPinned, tag: "@" + pinnedTo, message: "write registry.example/a:TAG@sha256:"},
	{row: "no automation, only filter", policy: "semver:~1", tags: "1.0.0 1.9.0 2.0.0", current: "1.0.0", reason: jsonl.ReasonNotAutomated, tag: "1.0.0", message: "1.9.0 is available",
		change: func(i *jsonl.Image) { i.Automated = false }},
}

const (
	stuck     = "an image that nobody can update is no help to anybody: the tag in use has no place in the policy's order, so the best one replaces it, and the pick says so"
	neverDown = "nobody asks for an automatic downgrade; --allow-downgrade is for who does"
)

func accepts(policy, tag string) fluxRow {
	return fluxRow{row: policy + " takes " + tag, policy: policy, tags: tag, reason: jsonl.ReasonReplaced, tag: tag}
}

func rejects(policy, tag string) fluxRow {
	return fluxRow{row: policy + " leaves " + tag, policy: policy, tags: tag, reason: jsonl.ReasonNoMatch}
}

func digestOf(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// fluxTags reads NAME, NAME@DAY and NAME@DAY@DIGIT, the day in January 2026 on which the image was
// made, the digit of which its digest is made; for the day also epoch, gone (it can never be known) and
// busy (not for now).
func fluxTags(t *testing.T, text string) []jsonl.Tag {
	var tags []jsonl.Tag
	for word := range strings.FieldsSeq(text) {
		parts := append(strings.Split(word, "@"), "", "")
		tag := jsonl.Tag{Name: parts[0]}
		switch parts[1] {
		case "":
		case "epoch":
			tag.Created = &time.Time{}
			*tag.Created = time.Unix(0, 0).UTC()
		case "gone":
			tag.Fault = "no image for linux/amd64 in the index"
		case "busy":
			tag.Fault, tag.Passing = "the registry answers 503", true
		default:
			var day int
			if _, err := fmt.Sscan(parts[1], &day); err != nil {
				t.Fatal(err)
			}
			created := time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
			tag.Created = &created
		}
		if parts[2] != "" {
			tag.Digest = digestOf(parts[2])
		}
		tags = append(tags, tag)
	}
	return tags
}

// TestFluxV1 holds every rule by which Flux v1 chose a tag, with what we do in its place where we
// depart from it; docs/flux-v1.md tells of those.
func TestFluxV1(t *testing.T) {
	name := func(tag string) string {
		if tag == "" || tag[0] == '@' {
			return "registry.example/a" + tag
		}
		return "registry.example/a:" + tag
	}
	seen := map[string]bool{}
	for _, test := range fluxRows {
		if seen[test.row] || (test.flux == "") != (test.departure == "") {
			t.Errorf("%s: there twice, or a departure that does not say from what or why", test.row)
		}
		seen[test.row] = true
		t.Run(test.row, func(t *testing.T) {
			image := jsonl.Image{Ref: name(test.current), Policy: policy.Normal(test.policy), Automated: true, Whole: true, Tags: fluxTags(t, test.tags)}
			if test.policy == "" {
				image.Policy = policy.Default
			}
			if test.change != nil {
				test.change(&image)
			}
			pick, bad := judge{o: test.options}.pick(image)
			if pick.Reason != test.reason || pick.To != name(test.tag) || !strings.Contains(pick.Message, test.message) {
				t.Errorf("got %s %s (%s), want %s %s (%s)", pick.Reason, pick.To, pick.Message, test.reason, name(test.tag), test.message)
			}
			if pick.Changed != (pick.From != pick.To) || (bad != nil) != (pick.Reason == jsonl.ReasonPolicy) {
				t.Errorf("changed is %v from %s to %s; error %v", pick.Changed, pick.From, pick.To, bad)
			}
		})
	}
}
