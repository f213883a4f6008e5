package helmrel

import (
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
)

// byHand is Helm as a person uses it, without anything of this package in between.
func (b *bench) byHand() *action.Configuration {
	b.t.Helper()
	cfg := &action.Configuration{}
	getter := getter{b.helm, b.namespace, &sight{seen: map[string]*answer{}}}
	if err := cfg.Init(getter, b.namespace, "secret", func(string, ...any) {}); err != nil {
		b.t.Fatal(err)
	}
	return cfg
}

// A rollback or an upgrade by hand copies the labels; it is seen all the same, and taken back, and the
// record says what was found. Helm reads what was made here.
func TestChangedByHand(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	b.settles(`,"values":{"greeting":"bye"}`, simple(), StepUpgrade, 2)
	back := action.NewRollback(b.byHand())
	back.Version = 1
	if err := back.Run("app"); err != nil || b.configMap("app-one").At("data", "greeting") != "hello" {
		t.Fatal(err)
	}
	d, _, err := b.run(`,"values":{"greeting":"bye"}`, simple())
	if err != nil || d.Step != StepUpgrade || !strings.Contains(d.Why, "revision 3 was not made here") || b.configMap("app-one").At("data", "greeting") != "bye" {
		t.Fatalf("%+v, %v", d, err)
	}
	c, err := FromFolder(folder(simple()))
	if err != nil {
		t.Fatal(err)
	}
	helmChart, err := c.part.helm()
	if err != nil {
		t.Fatal(err)
	}
	upgrade := action.NewUpgrade(b.byHand())
	upgrade.Namespace, upgrade.Timeout = b.namespace, time.Minute
	if _, err := upgrade.Run("app", helmChart, map[string]any{"greeting": "by hand"}); err != nil {
		t.Fatal(err)
	}
	b.settles(`,"values":{"greeting":"bye"}`, simple(), StepUpgrade, 6)
	b.settles(`,"values":{"greeting":"bye"}`, simple(), StepUnchanged, 6)
	values, err := action.NewGetValues(b.byHand()).Run("app")
	if err != nil || values["greeting"] != "bye" {
		t.Errorf("helm get values: %v, %v", values, err)
	}
	history, err := action.NewHistory(b.byHand()).Run("app")
	if err != nil || len(history) != 6 {
		t.Errorf("helm history: %d revisions, %v", len(history), err)
	}
	list := action.NewList(b.byHand())
	releases, err := list.Run()
	if err != nil || len(releases) != 1 || releases[0].Version != 6 {
		t.Errorf("helm list: %v, %v", releases, err)
	}
}
