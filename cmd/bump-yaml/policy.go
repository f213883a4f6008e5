package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	mf "github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/stage"
	"github.com/sluice-gitops/sluice/internal/yamledit"
)

const policyManual = `Reads a stream and changes the policies of the workloads that are named, which are annotations of
theirs. Nothing else in the files changes. The rest is as in bump-yaml: one commit for each source,
pushed, and replaced in the stream.

   git-fetch https://git.example/team/config.git | bump-yaml policy --automate --tag 'web=semver:~1.4' demo/deployment/web >/dev/null

A workload is named namespace/kind/name or, as Flux did, namespace:kind/name. An annotation that is
there keeps its key, the legacy flux.weave.works ones too; a new one is fluxcd.io's. A tag's pattern
is glob:P or a bare P, semver:C, regexp:R, alphabetical:R or numerical:R; one that does not parse is
refused, and * takes the policy away.`

var policyCommand = &stage.App{
	Name: "policy", Usage: "change the policies of workloads, as fluxctl policy did", ArgsUsage: "WORKLOAD...",
	Manual: policyManual, Reads: true, Writes: true, Run: runPolicy,
	Flags: append([]cli.Flag{
		&cli.BoolFlag{Name: "automate", Usage: "ask for new images"},
		&cli.BoolFlag{Name: "deautomate", Usage: "ask for none any more"},
		&cli.BoolFlag{Name: "lock", Usage: "forbid new images"},
		&cli.BoolFlag{Name: "unlock", Usage: "allow them again"},
		&cli.GenericFlag{Name: "tag", Value: &texts{}, Usage: "choose the tags of a container by `CONTAINER=PATTERN`; may be given several times"},
		&cli.StringFlag{Name: "tag-all", Usage: "choose the tags of every container by `PATTERN`"},
		&cli.BoolFlag{Name: "all", Usage: "all workloads, in place of names"},
		&cli.StringFlag{Name: "user-name", Usage: "with --lock: note that `NAME` locks it"},
		&cli.StringFlag{Name: "message", Usage: "put `TEXT` first in the commit's message, and with --lock note it"},
	}, commitFlags()...),
}

// texts are the values of a flag that may be given several times. The library's own kind of it
// would cut a pattern at its commas.
type texts []string

func (t *texts) Set(text string) error { *t = append(*t, text); return nil }

func (t *texts) String() string { return strings.Join(*t, " ") }

// setting is a policy and the value that it is to have; empty: none.
type setting struct{ policy, value string }

// policies is what bump-yaml policy is asked for.
type policies struct {
	settings []setting
	tagAll   *string  // the policy of every container, empty to take it away; nil to leave it
	names    []string // none: all workloads
}

func runPolicy(ctx context.Context, s *stage.IO, c *cli.Context) error {
	p, err := readPolicies(c)
	if err != nil {
		return err
	}
	o, err := readOptions(s, c, p.message(c.String("message")))
	if err != nil {
		return err
	}
	return edit(ctx, s, o, func(in *stream) (asked, error) { return p.find(s, in) })
}

func readPolicies(c *cli.Context) (p policies, err error) {
	p.names = c.Args().Slice()
	if err := namesOrAll(c, p.names); err != nil {
		return p, err
	}
	lock := c.Bool("lock")
	switch {
	case c.Bool("automate") && c.Bool("deautomate"):
		return p, stage.Usagef("--automate and --deautomate are opposites")
	case lock && c.Bool("unlock"):
		return p, stage.Usagef("--lock and --unlock are opposites")
	case c.IsSet("user-name") && !lock:
		return p, stage.Usagef("--user-name says who locks; it needs --lock")
	}
	p.flag(c, "automate", setting{"automated", "true"})
	p.flag(c, "deautomate", setting{"automated", ""})
	p.flag(c, "unlock", setting{"locked", ""}, setting{"locked_user", ""}, setting{"locked_msg", ""})
	if lock {
		// Who and why belong to this lock: those of an earlier one do not stay.
		note := strings.Join(strings.Fields(c.String("message")), " ")
		p.flag(c, "lock", setting{"locked", "true"}, setting{"locked_user", c.String("user-name")}, setting{"locked_msg", note})
	}
	for _, text := range *c.Generic("tag").(*texts) {
		container, pattern, found := strings.Cut(text, "=")
		if !found || container == "" {
			return p, stage.Usagef("--tag is written CONTAINER=PATTERN, not %q", text)
		}
		value, err := normal("--tag", pattern)
		if err != nil {
			return p, err
		}
		if slices.ContainsFunc(p.settings, func(s setting) bool { return s.policy == "tag."+container }) {
			return p, stage.Usagef("--tag names the container %s twice", container)
		}
		p.settings = append(p.settings, setting{"tag." + container, value})
	}
	if c.IsSet("tag-all") {
		value, err := normal("--tag-all", c.String("tag-all"))
		if err != nil {
			return p, err
		}
		p.tagAll = &value
	}
	if len(p.settings) == 0 && p.tagAll == nil {
		return p, stage.Usagef("no policy is asked for: --automate, --deautomate, --lock, --unlock, --tag or --tag-all")
	}
	return p, nil
}

func (p *policies) flag(c *cli.Context, name string, settings ...setting) {
	if c.Bool(name) {
		p.settings = append(p.settings, settings...)
	}
}

// normal spells a pattern in its one form; the one that everything matches is none, as in Flux.
func normal(flag, pattern string) (string, error) {
	parsed, err := policy.Parse(pattern)
	if err != nil {
		return "", stage.Usagef("%s: %w", flag, err)
	}
	if parsed.String() == policy.Default {
		return "", nil
	}
	return parsed.String(), nil
}

// find makes the wishes for the policies of workloads.
func (p policies) find(s *stage.IO, in *stream) (asked, error) {
	workloads, err := in.choose(p.names)
	if err != nil {
		return asked{}, err
	}
	var a asked
	for _, w := range workloads {
		containers := containerNames(w.decoded())
		missing := p.missing(containers)
		switch {
		case len(containers) == 0 && len(p.names) == 0: // not a workload
		case len(containers) == 0:
			a.fault(w, "no-image", "is no workload with images", "")
		case missing != "" && len(p.names) == 0:
			s.Debugf("%s:%d: %s has no container %s", w.File, w.Line, w.ID, missing)
		case missing != "":
			a.fault(w, "no-container", fmt.Sprintf("has no container %s: it has %s", missing, strings.Join(containers, ", ")), "")
		default:
			a.wishes = append(a.wishes, wish{Pick: jsonl.Pick{Place: w.Place, ID: w.ID}, annotate: p.annotate})
		}
	}
	return a, nil
}

func containerNames(object map[string]any) (names []string) {
	for _, c := range mf.Images(object) {
		names = append(names, c.Name)
	}
	return names
}

// missing is a container that a tag's policy is for, and that a workload does not have.
func (p policies) missing(containers []string) string {
	for _, s := range p.settings {
		if name, ok := strings.CutPrefix(s.policy, "tag."); ok && s.value != "" && !slices.Contains(containers, name) {
			return name
		}
	}
	return ""
}

// annotate says which annotations of an object change.
func (p policies) annotate(object map[string]any) ([]yamledit.Entry, error) {
	settings := slices.Clone(p.settings)
	if p.tagAll != nil {
		for _, name := range containerNames(object) {
			if !slices.ContainsFunc(settings, func(s setting) bool { return s.policy == "tag."+name }) {
				settings = append(settings, setting{"tag." + name, *p.tagAll})
			}
		}
	}
	var entries []yamledit.Entry
	for _, s := range settings {
		edits, err := mf.SetPolicy(object, s.policy, s.value)
		if err != nil {
			return nil, err
		}
		for _, e := range edits {
			entries = append(entries, yamledit.Entry{Path: []any{"metadata", "annotations"}, Key: e.Key, Value: e.Value, Delete: e.Delete})
		}
	}
	return entries, nil
}

// message is Flux's message for new policies, with what a person says first.
func (p policies) message(text string) messenger {
	return func(t told) (string, error) {
		events := p.events(t.Edits)
		switch {
		case text != "":
			return strings.TrimSpace(text) + "\n\n- " + strings.Join(events, "\n- ") + "\n", nil
		case len(events) == 1:
			return events[0] + "\n", nil
		}
		return "Updated workload policies\n\n- " + strings.Join(events, "\n- ") + "\n", nil
	}
}

// events tells what became of which workloads, in Flux's words.
func (p policies) events(edits []jsonl.Edit) []string {
	about := map[string][]jsonl.Edit{}
	for _, e := range edits {
		word := p.word(policyOf(e.Annotation))
		about[word] = append(about[word], e)
	}
	// Who locked a workload and why is a matter of the lock, where that is told of.
	locks := fluxIDs(append(about["Locked"], about["Unlocked"]...))
	about["Updated policies"] = slices.DeleteFunc(about["Updated policies"], func(e jsonl.Edit) bool {
		return strings.HasPrefix(policyOf(e.Annotation), "locked_") && slices.Contains(locks, parseID(e.ID).flux())
	})
	var events []string
	for _, word := range []string{"Automated", "Deautomated", "Locked", "Unlocked", "Updated policies"} {
		if len(about[word]) > 0 {
			events = append(events, word+": "+strings.Join(fluxIDs(about[word]), ", "))
		}
	}
	return events
}

// policyOf is the policy that an annotation of this key sets.
func policyOf(key string) string {
	prefix, name, _ := strings.Cut(key, "/")
	if prefix == "filter.fluxcd.io" {
		return "tag." + name
	}
	return name
}

// word tells what is asked for a policy.
func (p policies) word(name string) string {
	at := slices.IndexFunc(p.settings, func(s setting) bool { return s.policy == name })
	if at < 0 {
		return "Updated policies" // of --tag-all
	}
	switch on := p.settings[at].value != ""; {
	case name == "automated" && on:
		return "Automated"
	case name == "automated":
		return "Deautomated"
	case name == "locked" && on:
		return "Locked"
	case name == "locked":
		return "Unlocked"
	}
	return "Updated policies"
}
