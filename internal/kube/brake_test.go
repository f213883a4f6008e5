package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParsePruneLimit(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "30": 30, "0%": 0, "25%": 50, "100%": 200} {
		limit, err := ParsePruneLimit(text)
		if err != nil || limit.of(200) != want {
			t.Errorf("%s of 200 is %d (%v), want %d", text, limit.of(200), err, want)
		}
	}
	for _, text := range []string{"", "%", "-1", "101%", "2.5%", "ten", "99999999999", " 1"} {
		if limit, err := ParsePruneLimit(text); err == nil {
			t.Errorf("%q is read as %v", text, limit)
		}
	}
	if limit, err := ParsePruneLimit("33%"); err != nil || limit.of(10) != 3 {
		t.Errorf("a third of ten: %d", limit.of(10))
	}
}

func TestPlanDigestNamesOnePlan(t *testing.T) {
	owner := Owner{"ns", "default"}
	victim := func(name, uid string) Victim { return Victim{ID{"", "ConfigMap", "ns", name}, uid} }
	plan := []Victim{victim("a", "1"), victim("b", "2")}
	digest := planDigest(owner, plan)
	if err := CheckPlanDigest(digest); err != nil {
		t.Error(err)
	}
	reversed := slices.Clone(plan)
	slices.Reverse(reversed)
	if planDigest(owner, reversed) != digest {
		t.Error("the order makes another plan")
	}
	for name, other := range map[string]string{
		"another inventory": planDigest(Owner{"ns", "other"}, plan),
		"another UID":       planDigest(owner, []Victim{victim("a", "1"), victim("b", "3")}),
		"another name":      planDigest(owner, []Victim{victim("a", "1"), victim("c", "2")}),
		"one less":          planDigest(owner, plan[:1]),
		"one more":          planDigest(owner, append(slices.Clone(plan), victim("c", "3"))),
		"words run on":      planDigest(owner, []Victim{victim(`a" "1`, ""), victim("b", "2")}),
	} {
		if other == digest {
			t.Errorf("%s: the same digest", name)
		}
	}
	for _, text := range []string{"", "yes", strings.ToUpper(digest), digest + "0", "sha256:" + digest} {
		if CheckPlanDigest(text) == nil {
			t.Errorf("%q may be a digest", text)
		}
	}
}

func TestBrake(t *testing.T) {
	inventory := func(n int, confirmed string) *Inventory {
		inv := many(n)
		inv.Confirmed = confirmed
		return inv
	}
	victims := func(n int) []Victim {
		var all []Victim
		for i := range n {
			all = append(all, Victim{ID{"", "ConfigMap", "ns", fmt.Sprint(i)}, "1"})
		}
		return all
	}
	owner := Owner{"ns", "default"}
	of := func(n int) string { return planDigest(owner, victims(n)) }
	number := &PruneLimit{N: 3}
	for _, one := range []struct {
		name      string
		brake     Brake
		holds     int
		confirmed string
		victims   int
		stored    bool
		want      string
	}{
		{"nothing to delete", Brake{Limit: &PruneLimit{}, Confirm: of(1)}, 5, "", 0, false, ""},
		{"ten in any case", Brake{}, 10, "", 10, false, ""},
		{"eleven of eleven", Brake{}, 11, "", 11, false, "prune-limit"},
		{"a quarter", Brake{}, 100, "", 25, false, ""},
		{"more than a quarter", Brake{}, 100, "", 26, false, "prune-limit"},
		{"at a limit", Brake{Limit: number}, 100, "", 3, false, ""},
		{"over a limit", Brake{Limit: number}, 100, "", 4, false, "prune-limit"},
		{"none at all", Brake{Limit: &PruneLimit{}}, 100, "", 1, false, "prune-limit"},
		{"over it, confirmed", Brake{Limit: number, Confirm: of(4)}, 100, "", 4, false, ""},
		{"over it, another confirmed", Brake{Limit: number, Confirm: of(5)}, 100, "", 4, false, "prune-unconfirmed"},
		{"within it, another confirmed", Brake{Limit: number, Confirm: of(5)}, 100, "", 2, false, "prune-unconfirmed"},
		{"over it, confirmed before", Brake{Limit: number}, 100, of(4), 4, true, ""},
		{"over it, another confirmed before", Brake{Limit: number}, 100, of(5), 4, false, "prune-limit"},
		{"within it, another confirmed before", Brake{Limit: number}, 100, of(5), 2, false, ""},
		{"within it, confirmed before", Brake{Limit: number}, 100, of(2), 2, true, ""},
		{"confirmed before and now", Brake{Limit: number, Confirm: of(4)}, 100, of(4), 4, true, ""},
		{"confirmed before, another now", Brake{Limit: number, Confirm: of(5)}, 100, of(4), 4, false, "prune-unconfirmed"},
	} {
		stored, held := one.brake.Check(inventory(one.holds, one.confirmed), owner, victims(one.victims))
		code := ""
		if held != nil {
			code = held.Code
		}
		if stored != one.stored || code != one.want {
			t.Errorf("%s: stored %v, %q (%v), want %v, %q", one.name, stored, code, held, one.stored, one.want)
		}
		if held != nil && (!strings.Contains(held.Message, of(one.victims)) || !strings.Contains(held.Message, fmt.Sprintf("%d of %d", one.victims, one.holds))) {
			t.Errorf("%s: the message names not digest and count: %s", one.name, held.Message)
		}
	}
}
