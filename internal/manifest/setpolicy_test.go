package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func TestSetPolicy(t *testing.T) {
	for _, test := range []struct {
		name, notes, policy, value string
		want                       string // key=value, or -key; "error: …"
	}{
		{"a new one", ``, "automated", "true", "fluxcd.io/automated=true"},
		{"a new one beside legacy ones", `"flux.weave.works/automated":"true"`, "locked", "true", "fluxcd.io/locked=true"},
		{"the legacy one", `"flux.weave.works/automated":"false"`, "automated", "true", "flux.weave.works/automated=true"},
		{"there already", `"fluxcd.io/automated":"true"`, "automated", "true", ""},
		{"there already, legacy", `"flux.weave.works/automated":"true"`, "automated", "true", ""},
		{"there without quotes", `"fluxcd.io/automated":true`, "automated", "true", "fluxcd.io/automated=true"},
		{"two say so, the loser goes", `"fluxcd.io/automated":"true","flux.weave.works/automated":"false"`, "automated", "true", "-flux.weave.works/automated"},
		{"two, the winner changes", `"fluxcd.io/locked":"false","flux.weave.works/locked":"true"`, "locked", "true", "fluxcd.io/locked=true -flux.weave.works/locked"},
		{"null does not count", `"fluxcd.io/locked":null,"flux.weave.works/locked":"false"`, "locked", "true", "-fluxcd.io/locked flux.weave.works/locked=true"},
		{"null alone", `"fluxcd.io/locked":null`, "locked", "true", "fluxcd.io/locked=true"},
		{"away", `"fluxcd.io/locked":"true"`, "locked", "", "-fluxcd.io/locked"},
		{"away, both", `"fluxcd.io/locked":"false","flux.weave.works/locked":"true"`, "locked", "", "-fluxcd.io/locked -flux.weave.works/locked"},
		{"away, not there", ``, "locked", "", ""},
		{"away, null", `"fluxcd.io/locked":null`, "locked", "", "-fluxcd.io/locked"},
		{"user", ``, "locked_user", "Ann <ann@example.org>", "fluxcd.io/locked_user=Ann <ann@example.org>"},
		{"message", `"flux.weave.works/locked_msg":"x"`, "locked_msg", "a=b: c", "flux.weave.works/locked_msg=a=b: c"},
		{"ignore", ``, "ignore", "sync_only", "fluxcd.io/ignore=sync_only"},
		{"tag", ``, "tag.app", "semver:>=1.0", "fluxcd.io/tag.app=semver:>=1.0"},
		{"tag, legacy", `"flux.weave.works/tag.app":"glob:*"`, "tag.app", "semver:~1", "flux.weave.works/tag.app=semver:~1"},
		{"tag, filter", `"filter.fluxcd.io/app":"glob:*"`, "tag.app", "semver:~1", "filter.fluxcd.io/app=semver:~1"},
		{"tag, filter wins over legacy", `"filter.fluxcd.io/app":"glob:*","flux.weave.works/tag.app":"x"`, "tag.app", "semver:~1", "filter.fluxcd.io/app=semver:~1 -flux.weave.works/tag.app"},
		{"tag, all three", `"filter.fluxcd.io/app":"a","flux.weave.works/tag.app":"b","fluxcd.io/tag.app":"c"`, "tag.app", "", "-fluxcd.io/tag.app -filter.fluxcd.io/app -flux.weave.works/tag.app"},
		{"tag of another container", `"fluxcd.io/tag.db":"c"`, "tag.app", "x", "fluxcd.io/tag.app=x"},
		{"tag of nobody", ``, "tag.", "x", "error: no container"},
		{"tag that no key can hold", ``, "tag.my app", "x", "error: no annotation can have the name"},
		{"boolean", ``, "automated", "yes", `error: it cannot be "yes"`},
		{"unknown", ``, "automate", "true", "error: there is no such policy"},
		{"for all", ``, "tag_all", "glob:*", "error: there is no such policy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := release(t, `{}`, test.notes)
			edits, err := SetPolicy(o, test.policy, test.value)
			if want, bad := strings.CutPrefix(test.want, "error: "); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("%v, %v", edits, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := spell(edits); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			annotate(o, edits)
			if got := policyOf(ReadPolicies(o), test.policy); got != "?" && got != test.value {
				t.Errorf("the policy is %q afterwards, not %q", got, test.value)
			}
			if again, err := SetPolicy(o, test.policy, test.value); err != nil || len(again) > 0 {
				t.Errorf("the second time: %v, %v", again, err)
			}
		})
	}
	if edits, err := SetPolicy(object(t, `{"metadata":{"name":"x"}}`), "locked", "true"); err != nil || spell(edits) != "fluxcd.io/locked=true" {
		t.Errorf("without annotations: %v, %v", edits, err)
	}
}

func spell(edits []AnnotationEdit) string {
	var list []string
	for _, e := range edits {
		if e.Delete {
			list = append(list, "-"+e.Key)
		} else {
			list = append(list, e.Key+"="+e.Value)
		}
	}
	return strings.Join(list, " ")
}

func annotate(o map[string]any, edits []AnnotationEdit) {
	notes := o["metadata"].(map[string]any)["annotations"].(map[string]any)
	for _, e := range edits {
		if e.Delete {
			delete(notes, e.Key)
		} else {
			notes[e.Key] = e.Value
		}
	}
}

// policyOf is a policy as it was read; "?" for what is read nowhere.
func policyOf(p Policies, policy string) string {
	value, known := map[string]bool{"automated": p.Automated, "locked": p.Locked, "ignore": p.Ignored}[policy]
	switch container, tag := strings.CutPrefix(policy, "tag."); {
	case tag:
		return p.Tags[container].Expr
	case known && value:
		return fmt.Sprint(value)
	case known && policy != "ignore":
		return ""
	}
	return "?"
}
