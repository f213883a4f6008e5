package helmrel

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	me    = Owner{Inventory: ID{"ops", "default"}, Release: ID{"dev", "app"}}
	mine  = Revision{Owner: "dev.app", Inventory: "ops.default"}
	byMan = Revision{}
)

func rev(who Revision, version int, status, digest string) Revision {
	who.Version, who.Status, who.Digest = version, status, digest
	return who
}

func aged(r Revision, age time.Duration) Revision {
	r.Since = noon.Add(-age)
	return r
}

func tried(r Revision, attempt int) Revision {
	r.Attempt = attempt
	return aged(r, time.Minute)
}

func interrupted(r Revision) Revision {
	r.Interrupted = true
	return r
}

func back(r Revision) Revision {
	r.Back = true
	return r
}

func tested(r Revision) Revision {
	r.Test = TestPassed
	return r
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	other := Revision{Owner: "dev.other", Inventory: "ops.default"}
	stranger := Revision{Owner: "dev.app", Inventory: "ops.theirs"}
	for _, test := range []struct {
		name     string
		history  History
		wish     Wish
		step     Step
		revision int
		code     string
		why      string
	}{
		{"nothing there", nil, Wish{}, StepInstall, 1, "", ""},
		{"as wanted", History{rev(mine, 1, "deployed", "d")}, Wish{}, StepUnchanged, 1, "", ""},
		{"other digest", History{rev(mine, 1, "superseded", "c"), rev(mine, 2, "deployed", "old")}, Wish{}, StepUpgrade, 3, "", ""},
		{"same digest but superseded", History{rev(mine, 1, "superseded", "d")}, Wish{}, StepUpgrade, 2, "", ""},
		{"rolled back by hand", History{rev(mine, 1, "superseded", "c"), rev(mine, 2, "superseded", "d"), rev(mine, 3, "deployed", "")}, Wish{}, StepUpgrade, 4, "", "revision 3 was not made here"},
		{"uninstalled, history kept", History{rev(mine, 4, "uninstalled", "d")}, Wish{}, StepInstall, 5, "", "history kept"},
		{"uninstalling", History{rev(mine, 4, "uninstalling", "d")}, Wish{}, StepBlocked, 4, CodePending, "is uninstalling"},
		{"uninstalling, for long", History{aged(rev(mine, 4, "uninstalling", "d"), 5*time.Minute)}, Wish{}, StepUpgrade, 5, "", "being uninstalled, and that was interrupted"},
		{"install killed", History{rev(mine, 1, "pending-install", "d")}, Wish{}, StepUpgrade, 2, "", "interrupted: it was left pending-install"},
		{"upgrade killed", History{rev(mine, 1, "deployed", "c"), rev(mine, 2, "pending-upgrade", "d")}, Wish{}, StepUpgrade, 3, "", "pending-upgrade"},
		{"killed once more", History{rev(mine, 1, "deployed", "c"), tried(rev(mine, 4, "pending-upgrade", "d"), 2)}, Wish{}, StepUpgrade, 5, "", "pending-upgrade"},
		{"killed three times", History{rev(mine, 1, "deployed", "c"), tried(rev(mine, 4, "pending-upgrade", "d"), 3)}, Wish{}, StepBlocked, 4, CodeFailing, "3 runs were killed"},
		{"killed three times, long ago", History{rev(mine, 1, "deployed", "c"), aged(tried(rev(mine, 4, "pending-upgrade", "d"), 3), 4*time.Hour)}, Wish{}, StepUpgrade, 5, "", "interrupted"},
		{"killed three times, other wish", History{rev(mine, 1, "deployed", "c"), tried(rev(mine, 4, "pending-upgrade", "b"), 3)}, Wish{}, StepUpgrade, 5, "", "interrupted"},
		{"noted as interrupted", History{rev(mine, 1, "deployed", "c"), interrupted(rev(mine, 2, "failed", "d"))}, Wish{}, StepUpgrade, 3, "", "revision 2 was interrupted"},
		{"rollback killed", History{rev(mine, 1, "deployed", "c"), rev(mine, 2, "failed", "d"), back(rev(mine, 3, "pending-rollback", "c"))}, Wish{Rollback: true}, StepRollback, 4, "", "pending-rollback"},
		{"rollback killed, other wish", History{rev(mine, 1, "deployed", "c"), rev(mine, 2, "failed", "b"), back(rev(mine, 3, "pending-rollback", "c"))}, Wish{Rollback: true}, StepUpgrade, 4, "", "pending-rollback"},
		{"somebody's helm at work", History{rev(mine, 1, "deployed", "d"), rev(mine, 2, "pending-upgrade", "")}, Wish{}, StepBlocked, 2, CodePending, "not begun here"},
		{"somebody's helm killed", History{rev(mine, 1, "deployed", "d"), aged(rev(mine, 2, "pending-upgrade", ""), 5*time.Minute)}, Wish{}, StepUpgrade, 3, "", "interrupted"},

		{"failed with the same", History{rev(mine, 1, "failed", "d")}, Wish{}, StepBlocked, 1, CodeFailing, "revision 1 failed with the same"},
		{"failed with another", History{rev(mine, 1, "failed", "c")}, Wish{}, StepUpgrade, 2, "", "have changed since"},
		{"failed and rolled back", History{rev(mine, 1, "deployed", "c"), rev(mine, 2, "failed", "d"), rev(mine, 3, "deployed", "")}, Wish{}, StepBlocked, 3, CodeFailing, "revision 2 failed"},
		{"failed, rolled back, wished back", History{rev(mine, 1, "superseded", "d"), rev(mine, 2, "failed", "c"), rev(mine, 3, "deployed", "")}, Wish{}, StepUpgrade, 4, "", "revision 3 was not made here"},
		{"failed long ago, other since", History{rev(mine, 1, "failed", "d"), rev(mine, 2, "deployed", "c")}, Wish{}, StepUpgrade, 3, "", ""},
		{"failed, again asked for", History{rev(mine, 1, "failed", "d")}, Wish{Again: true}, StepUpgrade, 2, "", "tried again"},
		{"first retry", History{rev(mine, 2, "failed", "d"), rev(mine, 3, "deployed", "")}, Wish{Retries: 1}, StepUpgrade, 4, "", "tried again"},
		{"failed an hour ago", History{aged(rev(mine, 1, "failed", "d"), time.Hour)}, Wish{}, StepUpgrade, 2, "", "tried again"},
		{"failed almost an hour ago", History{aged(rev(mine, 1, "failed", "d"), time.Hour-time.Second)}, Wish{}, StepBlocked, 1, CodeFailing, "tried again 1 hour later"},
		{"failed a second time", History{rev(mine, 1, "failed", "d"), aged(rev(mine, 2, "failed", "d"), time.Hour)}, Wish{}, StepBlocked, 2, CodeFailing, "2 hours later"},
		{"failed often, little history", History{aged(tried(rev(mine, 9, "failed", "d"), 9), 23*time.Hour)}, Wish{}, StepBlocked, 9, CodeFailing, "24 hours later"},
		{"not rolled back yet", History{rev(mine, 1, "deployed", "c"), rev(mine, 2, "failed", "d")}, Wish{Rollback: true}, StepRollback, 3, "", "was not rolled back"},
		{"nothing to roll back to", History{rev(mine, 1, "failed", "d")}, Wish{Rollback: true}, StepBlocked, 1, CodeFailing, ""},
		{"the rollback failed", History{rev(mine, 1, "deployed", "c"), rev(mine, 2, "failed", "d"), back(rev(mine, 3, "failed", "c"))}, Wish{Rollback: true}, StepBlocked, 3, CodeFailing, ""},
		{"tests failed, not rolled back yet", History{rev(mine, 1, "superseded", "c"), rev(mine, 2, "failed", "d")}, Wish{Rollback: true}, StepRollback, 3, "", ""},
		{"retry before the rollback", History{rev(mine, 1, "deployed", "c"), rev(mine, 2, "failed", "d")}, Wish{Rollback: true, Retries: 1}, StepUpgrade, 3, "", "tried again"},
		{"rolled back, its target wished", History{rev(mine, 1, "superseded", "d"), rev(mine, 2, "failed", "c"), back(rev(mine, 3, "deployed", "d"))}, Wish{}, StepUnchanged, 3, "", ""},
		{"not tested yet", History{rev(mine, 1, "deployed", "d")}, Wish{Test: true}, StepTest, 1, "", "not run yet"},
		{"tested", History{tested(rev(mine, 1, "deployed", "d"))}, Wish{Test: true}, StepUnchanged, 1, "", ""},
		{"retries used up", History{rev(mine, 2, "failed", "d"), rev(mine, 3, "superseded", ""), rev(mine, 4, "failed", "d"), rev(mine, 5, "deployed", "")}, Wish{Retries: 1}, StepBlocked, 5, CodeFailing, ""},
		{"retries without end", History{rev(mine, 2, "failed", "d"), rev(mine, 4, "failed", "d"), rev(mine, 5, "deployed", "")}, Wish{Retries: -1}, StepUpgrade, 6, "", ""},

		{"made by hand", History{rev(byMan, 1, "deployed", "")}, Wish{}, StepBlocked, 1, CodeForeign, "somebody else"},
		{"made by hand, adopted", History{rev(byMan, 1, "deployed", "")}, Wish{Adopt: true}, StepUpgrade, 2, "", "not made here"},
		{"made by hand, known", History{rev(byMan, 1, "deployed", "")}, Wish{Known: true}, StepUpgrade, 2, "", "not made here"},
		{"of another inventory", History{rev(stranger, 1, "deployed", "d")}, Wish{Known: true, Adopt: true}, StepBlocked, 1, CodeForeign, "inventory ops.theirs"},
		{"of another HelmRelease", History{rev(other, 1, "deployed", "d")}, Wish{Known: true, Adopt: true}, StepBlocked, 1, CodeForeign, "HelmRelease dev/other"},
		{"of one that left", History{rev(other, 1, "deployed", "d")}, Wish{Left: func(o string) bool { return o == "dev.other" }}, StepUpgrade, 2, "", ""},
		{"foreign and pending", History{rev(byMan, 1, "pending-install", "")}, Wish{}, StepBlocked, 1, CodeForeign, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.wish.Digest, test.wish.Owner, test.wish.Now, test.wish.Timeout = "d", me, noon, 5*time.Minute
			got := Decide(test.history, test.wish)
			if got.Step != test.step || got.Revision != test.revision || got.Code != test.code || !strings.Contains(got.Why, test.why) {
				t.Errorf("got %+v", got)
			}
			if got.Step == StepBlocked && (got.Why == "" || got.Hint == "") {
				t.Errorf("blocked without why or hint: %+v", got)
			}
		})
	}
}

// Whatever the history, the step taken does not lead to the same step again: its outcome is blocked
// or unchanged.
func TestDecideSettles(t *testing.T) {
	for _, status := range []string{"deployed", "failed", "superseded", "unknown"} {
		for _, digest := range []string{"", "c", "d"} {
			for _, outcome := range []string{"deployed", "failed"} {
				h := History{rev(mine, 1, status, digest)}
				d := Decide(h, Wish{Digest: "d", Owner: me})
				if d.Step == StepUpgrade {
					h = append(h, rev(mine, 2, outcome, "d"))
					d = Decide(h, Wish{Digest: "d", Owner: me})
				}
				if d.Step != StepUnchanged && d.Step != StepBlocked {
					t.Errorf("%v leads to %+v", h, d)
				}
			}
		}
	}
}

func TestDigestOfWish(t *testing.T) {
	base := func() (*Chart, Values, Spec) { return &Chart{Digest: "x"}, Values{"a": int64(1)}, Spec{} }
	digest := func(c *Chart, v Values, s Spec) string {
		d, err := Digest(c, v, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	c, v, s := base()
	want := digest(c, v, s)
	yes, no, n := true, false, int64(7)
	for name, change := range map[string]func(*Chart, Values, *Spec){
		"chart":   func(c *Chart, _ Values, _ *Spec) { c.Digest = "y" },
		"value":   func(_ *Chart, v Values, _ *Spec) { v["a"] = int64(2) },
		"type":    func(_ *Chart, v Values, _ *Spec) { v["a"] = "1" },
		"wait":    func(_ *Chart, _ Values, s *Spec) { s.Wait = &yes },
		"timeout": func(_ *Chart, _ Values, s *Spec) { s.Timeout = &n },
		"reset":   func(_ *Chart, _ Values, s *Spec) { s.ResetValues = &no },
		"force":   func(_ *Chart, _ Values, s *Spec) { s.ForceUpgrade = true },
	} {
		c, v, s := base()
		change(c, v, &s)
		if digest(c, v, s) == want {
			t.Errorf("%s does not count", name)
		}
	}
	c, v, s = base()
	s.MaxHistory, s.Wait, s.Chart.Ref = new(int), &no, "other"
	if digest(c, v, s) != want {
		t.Error("a default spelled out, or what Helm does not see, counts")
	}
}

// What is written on a record is what is read off it, for that revision and no other.
func TestStateOfARevision(t *testing.T) {
	created := noon.Add(-time.Hour)
	for _, r := range []Revision{
		{Version: 3, Attempt: 1}, {Version: 3, Attempt: 12, Interrupted: true}, {Version: 3, Back: true}, {Version: 3, Attempt: 1, Test: TestIgnored},
	} {
		r.Status, r.Digest, r.Owner, r.Inventory, r.Since = "failed", want40, "dev.app", "ops.default", created
		labels := map[string]string{"status": "failed", LabelDigest: digestLabel(3, want40), LabelState: r.stateLabel(), LabelOwner: r.Owner, LabelInventory: r.Inventory}
		if got := revisionOf(3, labels, created); got != r {
			t.Errorf("%s: got %+v, want %+v", r.stateLabel(), got, r)
		}
		copied := revisionOf(4, labels, created)
		if copied != (Revision{Version: 4, Status: "failed", Owner: r.Owner, Inventory: r.Inventory, Since: created}) {
			t.Errorf("copied to the next revision: %+v", copied)
		}
	}
	labels := map[string]string{"createdAt": "1", "modifiedAt": fmt.Sprint(noon.Unix())}
	if got := revisionOf(1, labels, created).Since; !got.Equal(noon) {
		t.Errorf("written last at %v", got)
	}
}

func TestBackoff(t *testing.T) {
	var got []string
	for n := 1; n <= 7; n++ {
		got = append(got, inWords(backoffAfter(n)))
	}
	if all := strings.Join(got, ", "); all != "1 hour, 2 hours, 4 hours, 8 hours, 16 hours, 24 hours, 24 hours" {
		t.Error(all)
	}
	if inWords(90*time.Second) != "90 seconds" || inWords(300*time.Second) != "5 minutes" {
		t.Error(inWords(90*time.Second), inWords(300*time.Second))
	}
}

func TestLabels(t *testing.T) {
	long := strings.Repeat("n", 63)
	for _, label := range []string{digestLabel(1<<31, want40), labelOf("dev", "app"), labelOf(long, long), labelOf("a", strings.Repeat("b", 253))} {
		if len(label) > 63 || label == "" {
			t.Errorf("label %q has %d characters", label, len(label))
		}
	}
	for _, test := range []struct {
		label    string
		revision int
		want     string
	}{{"v3-" + want40, 3, want40}, {"v3-" + want40, 4, ""}, {"v31-" + want40, 3, ""}, {"", 1, ""}, {"v3", 3, ""}} {
		if got := ownDigest(test.label, test.revision); got != test.want {
			t.Errorf("ownDigest(%q, %d) = %q", test.label, test.revision, got)
		}
	}
}

const want40 = "0123456789012345678901234567890123456789"
