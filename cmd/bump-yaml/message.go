package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// told is what a commit's message can tell: the value of a --message template.
type told struct {
	// Edits are the changed scalars, as in the commit record: File, Line, ID, Container, Annotation,
	// Old and New.
	Edits []jsonl.Edit
	// Images are the references that the commit brings, each once, sorted.
	Images []string
	// Source is the name of the source, Branch the branch that is committed to, Base the one that a
	// review is for.
	Source, Branch, Base string
}

// messenger writes the message of a commit.
type messenger func(told) (string, error)

// autoRelease is the message that Flux gave its automatic updates.
func autoRelease(t told) (string, error) {
	if len(t.Images) == 1 {
		return "Auto-release " + t.Images[0] + "\n", nil
	}
	var m strings.Builder
	fmt.Fprintf(&m, "Auto-release multiple (%d) images\n\n", len(t.Images))
	for _, ref := range t.Images {
		fmt.Fprintf(&m, " - %s\n", ref)
	}
	return m.String(), nil
}

// byTemplate makes messages after a template, which is tried before anything else is done.
func byTemplate(text string) (messenger, error) {
	parsed, err := template.New("--message").Option("missingkey=error").
		Funcs(template.FuncMap{"join": strings.Join}).Parse(text)
	if err != nil {
		return nil, templateError(err)
	}
	write := func(t told) (string, error) {
		var m strings.Builder
		if err := parsed.Execute(&m, t); err != nil {
			return "", err
		}
		if strings.TrimSpace(m.String()) == "" {
			return "", errors.New("the template makes an empty message")
		}
		return m.String(), nil
	}
	for _, n := range []int{1, 3} {
		if _, err := write(sample(n)); err != nil {
			return nil, templateError(err)
		}
	}
	return write, nil
}

func templateError(err error) error {
	return stage.WithHint(stage.Usagef("--message is no template for a commit's message: %w", err),
		"it knows .Edits (each with .File .Line .ID .Container .Annotation .Old .New), .Images, .Source, .Branch and .Base, in the language of Go's text/template")
}

// sample is a commit of n edits.
func sample(n int) told {
	t := told{Source: "config", Branch: "main"}
	for i := range n {
		ref := fmt.Sprintf("registry.example/app-%d:2", i)
		t.Edits = append(t.Edits, jsonl.Edit{File: "app.yaml", Line: 1, ID: "Deployment.apps/demo/app", Container: "app", Old: "registry.example/app:1", New: ref})
		t.Images = append(t.Images, ref)
	}
	return t
}

// withSkip adds the text that tells a continuous integration to leave the commit alone.
func withSkip(write messenger, skip string) messenger {
	if skip == "" {
		return write
	}
	return func(t told) (string, error) {
		m, err := write(t)
		return strings.TrimRight(m, "\n") + "\n\n" + strings.Trim(skip, "\n") + "\n", err
	}
}

// after puts what a person says before the message that says what was done.
func after(text string, write messenger) messenger {
	if text == "" {
		return write
	}
	return func(t told) (string, error) {
		m, err := write(t)
		return strings.TrimSpace(text) + "\n\n" + m, err
	}
}

// tell puts together what a commit's message can tell.
func (p plan) tell(source, branch, base string) told {
	t := told{Source: source, Branch: branch, Base: base}
	for _, pick := range p.picks {
		t.Edits = append(t.Edits, pick.edits...)
		if len(pick.edits) > 0 && pick.pick.To != "" {
			t.Images = append(t.Images, pick.pick.To)
		}
	}
	slices.Sort(t.Images)
	t.Images = slices.Compact(t.Images)
	return t
}
