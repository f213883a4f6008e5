package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// chooseLine reads tags from standard input and writes the chosen one, or what became of each.
func chooseLine(s *stage.IO, o options) error {
	rule, err := o.parse(o.policy)
	if err != nil {
		return stage.WithHint(stage.Usage(err), hintFor(o.policy))
	}
	tags, err := readTags(s.Stdin())
	if err != nil {
		return err
	}
	terms := policy.Options{AllowDowngrade: o.allowDowngrade, MinAge: o.minAge, Now: s.Now()}
	choice, candidates := rule.Explain(tags, o.current, terms)
	if o.explain {
		if err := s.Plain(explained(candidates)); err != nil {
			return err
		}
	}
	switch {
	case len(tags) == 0:
		return stage.WithHint(errors.New("no tag came on standard input"), "the program before this one says why, if it failed")
	case choice.Verdict == policy.NoMatch, choice.Tag == "" && choice.Verdict == policy.TooYoung:
		return stage.WithHint(errors.New(choice.Message), choice.Hint)
	case choice.Verdict == policy.NoMetadata:
		return stage.WithHint(errors.New(choice.Message), "glob, regexp and --min-age go by creation time: give TAG<tab>TIME, the time as in 2026-01-31T00:00:00Z")
	case o.current == "":
		choice.Message = "" // that there was no tag
	}
	if text := sentence(choice); text != "" {
		s.Warn("%s", text)
	}
	if o.explain {
		return nil
	}
	return s.Plain(choice.Tag + "\n")
}

// explained is one line for each tag: the tag, the verdict, and what more there is to say.
func explained(candidates []policy.Candidate) string {
	var text strings.Builder
	for _, c := range candidates {
		fmt.Fprintf(&text, "%s\t%s", c.Tag.Name, verdicts[c.Standing])
		if c.Message != "" {
			fmt.Fprintf(&text, "\t%s", c.Message)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// readTags reads lines of TAG or TAG<tab>TIME. Empty lines are skipped.
func readTags(r io.Reader) ([]policy.Tag, error) {
	var tags []policy.Tag
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		if text := strings.TrimSpace(line); text != "" {
			tag, err := parseLine(text)
			if err != nil {
				return nil, stage.Usage(fmt.Errorf("reading standard input: line %d: %w", n, err))
			}
			tags = append(tags, tag)
		}
		if err != nil {
			return tags, nil
		}
	}
}

func parseLine(text string) (policy.Tag, error) {
	name, when, timed := strings.Cut(text, "\t")
	tag := policy.Tag{Name: name}
	if err := imageref.CheckTag(name); err != nil {
		return tag, err
	}
	if !timed || when == "" {
		return tag, nil
	}
	var err error
	if tag.Created, err = time.Parse(time.RFC3339Nano, when); err != nil {
		return tag, fmt.Errorf("%q is no time as in 2026-01-31T00:00:00Z", when)
	}
	return tag, nil
}
