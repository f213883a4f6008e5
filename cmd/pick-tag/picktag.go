package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// options are the flags.
type options struct {
	allowDowngrade, strict, explain bool
	minAge                          time.Duration
	lines                           bool
	policy, current                 string
}

func readOptions(c *cli.Context) (options, error) {
	o := options{allowDowngrade: c.Bool("allow-downgrade"), strict: c.Bool("strict-semver"), explain: c.Bool("explain"), minAge: c.Duration("min-age"),
		lines: c.Bool("lines"), policy: c.String("policy"), current: c.String("current")}
	switch {
	case o.lines && !c.IsSet("policy"):
		return o, stage.WithHint(stage.Usagef("--lines needs --policy"), "such as --policy 'semver:~1.2'")
	case !o.lines && (c.IsSet("policy") || c.IsSet("current")):
		return o, stage.WithHint(stage.Usagef("--policy and --current go with --lines"), "in a stream the policies are annotations of the manifests")
	case o.minAge < 0:
		return o, stage.Usagef("--min-age is a duration such as 24h, not %s", o.minAge)
	}
	if c.IsSet("current") {
		if err := imageref.CheckTag(o.current); err != nil {
			return o, stage.Usage(fmt.Errorf("--current: %w", err))
		}
	}
	return o, nil
}

// parse reads a policy under the flags.
func (o options) parse(text string) (policy.Policy, error) {
	rule, err := policy.Parse(text)
	if o.strict {
		rule = rule.Strict()
	}
	return rule, err
}

// hintFor shows how a policy of the kind that was meant is written, or which kinds there are.
func hintFor(text string) string {
	kind, _, _ := strings.Cut(policy.Normal(text), ":")
	switch kind {
	case "semver":
		return "a constraint is written such as ~1.2, ^1.2, 1.2.x or >=1.2.0, <2.0.0"
	case "regexp", "alphabetical", "numerical":
		return `an expression is one of RE2, such as ^build-(\d+)-`
	}
	return "a policy is glob:PATTERN, semver:CONSTRAINT, regexp:EXPRESSION, alphabetical:EXPRESSION or numerical:EXPRESSION"
}

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	o, err := readOptions(c)
	if err != nil {
		return err
	}
	if o.lines {
		return chooseLine(s, o)
	}
	var scans clock
	return s.Read(func(line *jsonl.Line) (bool, error) {
		scans.take(line)
		if line.Type != jsonl.TypeImage {
			return true, ctx.Err()
		}
		var image jsonl.Image
		if err := line.Decode(&image); err != nil {
			s.Fail(jsonl.Error{Code: "bad-record", Message: err.Error(), Hint: "an image record is described in schema/stream.v1.schema.json"})
			return true, nil
		}
		pick, bad := judge{o, scans.at(s.Now)}.pick(image)
		if bad != nil {
			s.Fail(*bad)
		}
		s.Total(string(pick.Reason), 1)
		return true, s.Write(pick)
	})
}

// clock finds the time of the scan that wrote a record: that of the innermost stage which has begun
// and not ended. Ages are judged by it, so that the same stream gives the same picks at any time.
type clock struct {
	open []jsonl.Begin
	last time.Time
}

func (c *clock) take(line *jsonl.Line) {
	switch line.Type {
	case jsonl.TypeBegin:
		var begin jsonl.Begin
		if line.Decode(&begin) == nil && !begin.Started.IsZero() {
			c.open, c.last = append(c.open, begin), begin.Started
		}
	case jsonl.TypeEnd:
		var end jsonl.End
		if line.Decode(&end) != nil {
			return
		}
		for i := len(c.open) - 1; i >= 0; i-- {
			if c.open[i].Stage == end.Stage {
				c.open = c.open[:i]
				return
			}
		}
	}
}

// at is the time; now serves a stream in which no stage began.
func (c *clock) at(now func() time.Time) time.Time {
	switch {
	case len(c.open) > 0:
		return c.open[len(c.open)-1].Started
	case !c.last.IsZero():
		return c.last
	}
	return now()
}
