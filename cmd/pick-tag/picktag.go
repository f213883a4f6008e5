package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// options are the flags.
type options struct {
	allowDowngrade  bool
	lines           bool
	policy, current string
}

func readOptions(c *cli.Context) (options, error) {
	o := options{allowDowngrade: c.Bool("allow-downgrade"), lines: c.Bool("lines"), policy: c.String("policy"), current: c.String("current")}
	switch {
	case o.lines && !c.IsSet("policy"):
		return o, stage.WithHint(stage.Usagef("--lines needs --policy"), "such as --policy 'semver:~1.2'")
	case !o.lines && (c.IsSet("policy") || c.IsSet("current")):
		return o, stage.WithHint(stage.Usagef("--policy and --current go with --lines"), "in a stream the policies are annotations of the manifests")
	}
	return o, nil
}

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	o, err := readOptions(c)
	if err != nil {
		return err
	}
	if o.lines {
		return chooseLine(s, o)
	}
	return s.Read(func(line *jsonl.Line) (bool, error) {
		if line.Type != jsonl.TypeImage {
			return true, ctx.Err()
		}
		var image jsonl.Image
		if err := line.Decode(&image); err != nil {
			s.Fail(jsonl.Error{Code: "bad-record", Message: err.Error(), Hint: "an image record is described in schema/stream.v1.schema.json"})
			return true, nil
		}
		pick, bad := decide(image, o.allowDowngrade)
		if bad != nil {
			s.Fail(*bad)
		}
		s.Total(string(pick.Reason), 1)
		return true, s.Write(pick)
	})
}

// decide makes the pick for one image. The error is there for a policy that does not parse.
func decide(image jsonl.Image, allowDowngrade bool) (jsonl.Pick, *jsonl.Error) {
	pick := jsonl.Pick{Type: jsonl.TypePick, Place: image.Place, ID: image.ID, Container: image.Container, Fields: image.Fields,
		Policy: image.Policy, From: image.Ref, To: image.Ref}
	leave := func(reason jsonl.Reason, message string) jsonl.Pick {
		pick.Reason, pick.Message = reason, message
		return pick
	}
	switch {
	case image.Ignored:
		return leave(jsonl.ReasonIgnored, ""), nil
	case image.Locked:
		return leave(jsonl.ReasonLocked, ""), nil
	case !image.Automated:
		return leave(jsonl.ReasonNotAutomated, ""), nil
	}
	from, err := imageref.Parse(image.Ref)
	if err != nil {
		return leave(jsonl.ReasonNotWhole, err.Error()), nil
	}
	if from.Digest != "" {
		return leave(jsonl.ReasonPinned, ""), nil
	}
	rule, err := policy.Parse(image.Policy)
	if err != nil {
		return leave(jsonl.ReasonPolicy, err.Error()), badPolicy(image, err)
	}
	if !image.Whole {
		return leave(jsonl.ReasonNotWhole, image.Fault), nil
	}
	choice := rule.Choose(tags(image), from.Tag, allowDowngrade)
	if choice.Tag != from.Tag {
		pick.To, pick.Changed = from.WithTag(choice.Tag).String(), true
	}
	return leave(reasons[choice.Verdict], choice.Message), nil
}

// reasons are the record's words for the verdicts.
var reasons = map[policy.Verdict]jsonl.Reason{
	policy.Newer:      jsonl.ReasonNewer,
	policy.Replaced:   jsonl.ReasonReplaced,
	policy.Current:    jsonl.ReasonCurrent,
	policy.NoMatch:    jsonl.ReasonNoMatch,
	policy.NoMetadata: jsonl.ReasonNoMetadata,
	policy.Older:      jsonl.ReasonOlder,
}

func tags(image jsonl.Image) []policy.Tag {
	list := make([]policy.Tag, len(image.Tags))
	for i, t := range image.Tags {
		list[i] = policy.Tag{Name: t.Name, Fault: t.Fault, Passing: t.Passing}
		if t.Created != nil {
			list[i].Created = *t.Created
		}
	}
	return list
}

func badPolicy(image jsonl.Image, err error) *jsonl.Error {
	message := fmt.Sprintf("container %s: %v", image.Container, err)
	if image.PolicyKey != "" {
		message = fmt.Sprintf("the annotation %s: %v", image.PolicyKey, err)
	}
	return &jsonl.Error{Code: "bad-policy", Message: message, Source: image.Source, File: image.File, Line: image.Line, ID: image.ID,
		Hint: "a policy is glob:PATTERN, semver:CONSTRAINT or regexp:EXPRESSION, see pick-tag --help"}
}
