package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/policy"
)

// judge decides on images, at the time of their scan.
type judge struct {
	o   options
	now time.Time
}

// judgement is what the policy makes of one image.
type judgement struct {
	to         imageref.Ref
	reason     jsonl.Reason
	message    string
	decided    bool // the policy stands behind to
	candidates []jsonl.Candidate
	bad        *jsonl.Error
}

// pick makes the pick for one image. The error is there for a policy that does not parse.
func (j judge) pick(image jsonl.Image) (jsonl.Pick, *jsonl.Error) {
	pick := jsonl.Pick{Type: jsonl.TypePick, Place: image.Place, ID: image.ID, Container: image.Container, Fields: image.Fields,
		Policy: image.Policy, From: image.Ref, To: image.Ref, Reason: held(image)}
	scanned := image.Whole || len(image.Tags) > 0 || image.Fault != ""
	from, err := imageref.Parse(image.Ref)
	switch {
	case pick.Reason != "" && (image.Ignored || !scanned || err != nil):
		return pick, nil
	case err != nil:
		pick.Reason, pick.Message = jsonl.ReasonNotWhole, err.Error()
		return pick, nil
	}
	d := j.decide(image, from)
	pick.Candidates = d.candidates
	switch {
	case pick.Reason == "":
		pick.Reason, pick.Message = d.reason, d.message
		if d.to != from {
			pick.To, pick.Changed = d.to.String(), true
		}
	case d.decided:
		pick.Available = d.to.String()
		if d.to.Tag != from.Tag {
			pick.Message = d.to.Tag + " is available"
		} else if d.to != from {
			pick.Message = d.message
		}
	default:
		pick.Message = "nothing is available: " + cmp.Or(d.message, string(d.reason))
	}
	return pick, d.bad
}

// held is the reason to leave an image whatever the policy chooses; empty where there is none.
func held(image jsonl.Image) jsonl.Reason {
	switch {
	case image.Ignored:
		return jsonl.ReasonIgnored
	case image.Locked:
		return jsonl.ReasonLocked
	case !image.Automated:
		return jsonl.ReasonNotAutomated
	}
	return ""
}

func (j judge) decide(image jsonl.Image, from imageref.Ref) judgement {
	leave := func(reason jsonl.Reason, message string) judgement {
		return judgement{to: from, reason: reason, message: message}
	}
	rule, err := j.o.parse(image.Policy)
	if err != nil {
		d := leave(jsonl.ReasonPolicy, err.Error())
		d.bad = bad("bad-policy", image, image.PolicyKey, err, hintFor(image.Policy)+"; see pick-tag --help")
		return d
	}
	o, err := j.options(image)
	o.Digests = from.Digest != ""
	if err != nil {
		d := leave(jsonl.ReasonPolicy, err.Error())
		d.bad = bad("bad-min-age", image, "", err, "an age is written as in 24h, 90m or 36h30m")
		return d
	}
	switch {
	case from.Digest != "" && from.Tag == "":
		return leave(jsonl.ReasonPinned, fmt.Sprintf("a digest without a tag stays as it is; write %s:TAG@%s to have it follow the policy", from.Name(), short(from.Digest)))
	case !image.Whole:
		return leave(jsonl.ReasonNotWhole, cmp.Or(image.Fault, "its tags were not listed"))
	}
	if i := slices.IndexFunc(image.Tags, func(t jsonl.Tag) bool { return imageref.CheckTag(t.Name) != nil }); i >= 0 {
		return leave(jsonl.ReasonNotWhole, fmt.Sprintf("the list of tags holds %q: %v", image.Tags[i].Name, imageref.CheckTag(image.Tags[i].Name)))
	}
	list := tags(image)
	var choice policy.Choice
	var candidates []policy.Candidate
	if j.o.explain {
		choice, candidates = rule.Explain(list, from.Tag, o)
	} else {
		choice = rule.Choose(list, from.Tag, o)
	}
	d := judgement{to: from, reason: reasons[choice.Verdict], message: sentence(choice), decided: choice.Chosen, candidates: records(candidates)}
	switch {
	case choice.Verdict == policy.NoMetadata && o.MinAge > 0 && image.MinAge == "" && !rule.ByTime():
		d.message += "; --min-age given to scan-tags has it read"
	case choice.Chosen && from.Digest != "":
		j.follow(&d, rule, o, image, from, choice.Tag)
	case choice.Chosen && choice.Tag != from.Tag:
		d.to = from.WithTag(choice.Tag)
	}
	return d
}

// sentence joins what a choice has to say.
func sentence(c policy.Choice) string {
	if c.Message == "" || c.Hint == "" {
		return c.Message + c.Hint
	}
	return c.Message + "; " + c.Hint
}

func (j judge) options(image jsonl.Image) (policy.Options, error) {
	o := policy.Options{AllowDowngrade: j.o.allowDowngrade, MinAge: j.o.minAge, Now: j.now}
	if image.MinAge == "" {
		return o, nil
	}
	var err error
	if o.MinAge, err = time.ParseDuration(image.MinAge); err != nil || o.MinAge < 0 {
		return o, fmt.Errorf("the minimum age %q is no duration such as 24h", image.MinAge)
	}
	return o, nil
}

// follow is for an image that names a tag and a digest: it takes the chosen tag with its digest. That
// the tag in use names another digest now is a change too, if what it names is old enough.
func (j judge) follow(d *judgement, rule policy.Policy, o policy.Options, image jsonl.Image, from imageref.Ref, chosen string) {
	i := slices.IndexFunc(image.Tags, func(t jsonl.Tag) bool { return t.Name == chosen })
	tag := image.Tags[i]
	same := chosen == from.Tag
	switch {
	case tag.Digest == "":
		d.reason, d.decided = jsonl.ReasonNoMetadata, false
		d.message = fmt.Sprintf("the digest of %s is not known: %s", chosen, cmp.Or(tag.Fault, "it was not read"))
		return
	case same && tag.Digest == from.Digest:
		return
	case same && o.MinAge > 0:
		if alone := rule.Choose(tags(image)[i:i+1], "", o); !alone.Chosen {
			d.reason, d.decided = reasons[alone.Verdict], false
			d.message = chosen + " names another image now; " + alone.Message
			return
		}
	}
	if same {
		d.reason, d.message = jsonl.ReasonRetagged, fmt.Sprintf("%s names %s now", chosen, short(tag.Digest))
	}
	d.to = from.WithTag(chosen)
	d.to.Digest = tag.Digest
}

// short is a digest for people.
func short(digest string) string {
	if len(digest) <= 19 {
		return digest
	}
	return digest[:19] + "…"
}

// reasons are the record's words for the verdicts.
var reasons = map[policy.Verdict]jsonl.Reason{
	policy.Newer:      jsonl.ReasonNewer,
	policy.Replaced:   jsonl.ReasonReplaced,
	policy.Current:    jsonl.ReasonCurrent,
	policy.TooYoung:   jsonl.ReasonTooYoung,
	policy.NoMatch:    jsonl.ReasonNoMatch,
	policy.NoMetadata: jsonl.ReasonNoMetadata,
	policy.Older:      jsonl.ReasonOlder,
}

// verdicts are the record's words for the standings.
var verdicts = map[policy.Standing]jsonl.CandidateVerdict{
	policy.Chosen:     jsonl.CandidateChosen,
	policy.Below:      jsonl.CandidateOlder,
	policy.Young:      jsonl.CandidateTooYoung,
	policy.Unknown:    jsonl.CandidateNoMetadata,
	policy.PreRelease: jsonl.CandidatePreRelease,
	policy.NotVersion: jsonl.CandidateNotSemver,
	policy.Filtered:   jsonl.CandidateFiltered,
}

func records(candidates []policy.Candidate) []jsonl.Candidate {
	var list []jsonl.Candidate
	for _, c := range candidates {
		record := jsonl.Candidate{Tag: c.Tag.Name, Verdict: verdicts[c.Standing], Message: c.Message}
		if created := c.Tag.Created; !created.IsZero() {
			record.Created = &created
		}
		list = append(list, record)
	}
	return list
}

func tags(image jsonl.Image) []policy.Tag {
	list := make([]policy.Tag, len(image.Tags))
	for i, t := range image.Tags {
		list[i] = policy.Tag{Name: t.Name, Digest: t.Digest, Fault: t.Fault, Passing: t.Passing}
		if t.Created != nil {
			list[i].Created = *t.Created
		}
	}
	return list
}

// bad blames an annotation, or the container where its key is not known.
func bad(code string, image jsonl.Image, key string, err error, hint string) *jsonl.Error {
	what := "container " + image.Container
	if key != "" {
		what = "the annotation " + key
	}
	return &jsonl.Error{Code: code, Message: fmt.Sprintf("%s: %v", what, err), Source: image.Source, File: image.File, Line: image.Line, ID: image.ID,
		Hint: hint}
}
