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

// chooseLine reads tags from standard input and writes the chosen one.
func chooseLine(s *stage.IO, o options) error {
	rule, err := policy.Parse(o.policy)
	if err != nil {
		return stage.WithHint(stage.Usage(err), "a policy is glob:PATTERN, semver:CONSTRAINT or regexp:EXPRESSION")
	}
	tags, err := readTags(s.Stdin())
	if err != nil {
		return err
	}
	choice := rule.Choose(tags, o.current, o.allowDowngrade)
	switch choice.Verdict {
	case policy.NoMatch:
		return errors.New(choice.Message)
	case policy.NoMetadata:
		return stage.WithHint(errors.New(choice.Message), "glob and regexp go by creation time: give TAG<tab>TIME, the time as in 2026-01-31T00:00:00Z; semver needs none")
	case policy.Older:
		s.Warn("%s", choice.Message)
	case policy.Replaced:
		if o.current != "" {
			s.Warn("%s", choice.Message)
		}
	}
	return s.Plain(choice.Tag + "\n")
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
