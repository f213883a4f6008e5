package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/yamledit"
)

// policyRows hold spec 3.1: what annotations say, and what they say after one policy has changed.
var policyRows = []struct {
	row, name string
	departs   string // as in releaseRow
	notes     string // the annotations, a line each
	says      string
	policy    string // that changes, to value; empty where none does
	value     string
	after     string // the annotations then
}{
	{row: "3.1/1", name: "automated", notes: "fluxcd.io/automated: \"true\"\n", says: "automated",
		policy: "automated", after: ""},
	{row: "3.1/2", name: "locked", notes: "fluxcd.io/automated: 'true'\n", says: "automated",
		policy: "locked", value: "true", after: "fluxcd.io/automated: 'true'\nfluxcd.io/locked: 'true'\n"},
	{row: "3.1/2", name: "unlocked", notes: "# why\nfluxcd.io/locked: \"true\" # since then\nfluxcd.io/locked_msg: x\n", says: "locked",
		policy: "locked", after: "# why\nfluxcd.io/locked_msg: x\n"},
	{row: "3.1/3", name: "locked_user", notes: "a: b\n",
		policy: "locked_user", value: "Ann <ann@example.org>", after: "a: b\nfluxcd.io/locked_user: \"Ann <ann@example.org>\"\n"},
	{row: "3.1/3", name: "locked_msg", notes: "a: b\n",
		policy: "locked_msg", value: "a=b: #1 \"so\"", after: "a: b\nfluxcd.io/locked_msg: \"a=b: #1 \\\"so\\\"\"\n"},
	{row: "3.1/4", name: "ignore", notes: "fluxcd.io/ignore: \"true\"\n", says: "ignored",
		policy: "ignore", value: "sync_only", after: "fluxcd.io/ignore: \"sync_only\"\n"},
	{row: "3.1/5", name: "ignore: sync_only", notes: "fluxcd.io/ignore: sync_only\n"},
	{row: "3.1/5", name: "ignore: false", notes: "fluxcd.io/ignore: \"false\"\n"},
	{row: "3.1/6", name: "tag.CONTAINER", notes: "fluxcd.io/tag.app: glob:1.*\n", says: "app=glob:1.*",
		policy: "tag.app", value: "semver:>=1.0", after: "fluxcd.io/tag.app: semver:>=1.0\n"},
	{row: "3.1/6", name: "another container", notes: "fluxcd.io/tag.app: glob:1.*\n", says: "app=glob:1.*",
		policy: "tag.my.db", value: "regexp:^(a|b)$", after: "fluxcd.io/tag.app: glob:1.*\nfluxcd.io/tag.my.db: regexp:^(a|b)$\n"},
	{row: "3.1/7", name: "tag_all", notes: "fluxcd.io/tag_all: glob:*\n", says: "doubt: fluxcd.io/tag_all has no effect",
		departs: "Flux said nothing of it in a file"},
	{row: "3.1/8", name: "the legacy prefix", notes: "flux.weave.works/automated: \"true\"\nflux.weave.works/tag.app: glob:1.*\n", says: "automated app=glob:1.*",
		policy: "tag.app", value: "glob:2.*", after: "flux.weave.works/automated: \"true\"\nflux.weave.works/tag.app: glob:2.*\n"},
	{row: "3.1/9", name: "filter", notes: "filter.fluxcd.io/app: glob:1.*\n", says: "app=glob:1.*",
		policy: "tag.app", value: "glob:2.*", after: "filter.fluxcd.io/app: glob:2.*\n"},
	{row: "3.1/10", name: "two prefixes", notes: "flux.weave.works/locked: \"true\"\nfluxcd.io/locked: \"false\"\n", says: "doubt: flux.weave.works/locked has no effect: fluxcd.io/locked counts",
		departs: "Flux let one of them win at random; fluxcd.io wins over filter.fluxcd.io, and that over flux.weave.works",
		policy:  "locked", value: "true", after: "fluxcd.io/locked: \"true\"\n"},
	{row: "3.1/10", name: "three prefixes", departs: "as before",
		notes: "flux.weave.works/tag.app: a\nfilter.fluxcd.io/app: b\nfluxcd.io/tag.app: c\n", says: "app=c",
		policy: "tag.app", value: "d", after: "fluxcd.io/tag.app: d\n"},
	{row: "3.1/11", name: "only the exact text true", notes: "fluxcd.io/automated: \"True\"\n", says: "doubt: fluxcd.io/automated has no effect",
		policy: "automated", value: "true", after: "fluxcd.io/automated: \"true\"\n"},
	{row: "3.1/11", name: "without quotes", notes: "fluxcd.io/automated: true\n", says: "automated",
		policy: "automated", value: "true", after: "fluxcd.io/automated: \"true\"\n"},
	{row: "3.1/11", name: "yes without quotes", notes: "fluxcd.io/automated: yes\n", says: "automated"},
	{row: "3.1/12", name: "no annotations", notes: "",
		policy: "automated", value: "true", after: "fluxcd.io/automated: \"true\"\n"},
}

func TestPolicyRows(t *testing.T) {
	for _, test := range policyRows {
		t.Run(test.row+" "+test.name, func(t *testing.T) {
			before := policyFile(test.notes)
			object := only(t, before)
			if got := policiesOf(object); !strings.HasPrefix(got, test.says) || test.says == "" && got != "" {
				t.Fatalf("they say %q, want %q", got, test.says)
			}
			if test.policy == "" {
				return
			}
			after := setPolicy(t, before, test.policy, test.value)
			if want := policyFile(test.after); after != want {
				t.Errorf("got\n%s\nwant\n%s", after, want)
			}
		})
	}
}

// setPolicy changes a policy of the one object of a file.
func setPolicy(t *testing.T, file, policy, value string) string {
	t.Helper()
	edits, err := manifest.SetPolicy(only(t, file), policy, value)
	if err != nil {
		t.Fatal(err)
	}
	change := yamledit.Change{}
	for _, e := range edits {
		change.Entries = append(change.Entries, yamledit.Entry{Path: []any{"metadata", "annotations"}, Key: e.Key, Value: e.Value, Delete: e.Delete})
	}
	after, outcomes, err := yamledit.Apply([]byte(file), []yamledit.Change{change})
	if err != nil || outcomes[0].Err != nil {
		t.Fatal(err, outcomes)
	}
	return string(after)
}

func policyFile(notes string) string {
	if notes != "" {
		notes = "  annotations:\n" + indented(notes)
	}
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app\n" + notes + "spec: {} # end\n"
}

func policiesOf(object map[string]any) string {
	p := manifest.ReadPolicies(object)
	var says []string
	for name, holds := range map[string]bool{"automated": p.Automated, "locked": p.Locked, "ignored": p.Ignored} {
		if holds {
			says = append(says, name)
		}
	}
	for container, tag := range p.Tags {
		says = append(says, fmt.Sprint(container, "=", tag.Expr))
	}
	for _, doubt := range p.Doubts {
		says = append(says, "doubt: "+strings.TrimPrefix(doubt, "the annotation "))
	}
	return strings.Join(says, " ")
}
