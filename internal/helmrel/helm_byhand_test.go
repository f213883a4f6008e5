package helmrel

import (
	"fmt"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
)

// byHand is Helm as its own program sets it up, with nothing of ours between it and the cluster.
func byHand(t *testing.T, b *bench) *action.Configuration {
	t.Helper()
	settings := cli.New()
	settings.KubeConfig = b.kube.Kubeconfig
	settings.SetNamespace(b.namespace)
	cfg := &action.Configuration{}
	if err := cfg.Init(settings.RESTClientGetter(), b.namespace, "", func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// helm list, status, history, get values, get manifest, upgrade and rollback work on releases that were
// made here; what was done by hand is noticed, and is put back to what is wished.
func TestHelmByHand(t *testing.T) {
	b := newBench(t)
	const wish = `,"values":{"greeting":"bye"}`
	b.settles("", simple(), StepInstall, 1)
	b.settles(wish, simple(), StepUpgrade, 2)
	cfg := byHand(t, b)

	listed, err := action.NewList(cfg).Run()
	if err != nil || len(listed) != 1 || listed[0].Name != "app" || listed[0].Version != 2 || listed[0].Info.Status != "deployed" || listed[0].Chart.Metadata.Version != "0.1.0" {
		t.Errorf("helm list: %+v, %v", listed, err)
	}
	history, err := action.NewHistory(cfg).Run("app")
	if err != nil || len(history) != 2 || history[0].Info.Status != "superseded" && history[1].Info.Status != "superseded" {
		t.Errorf("helm history: %v, %v", history, err)
	}
	values, err := action.NewGetValues(cfg).Run("app")
	if err != nil || fmt.Sprint(values) != "map[greeting:bye]" {
		t.Errorf("helm get values: %v, %v", values, err)
	}
	status, err := action.NewStatus(cfg).Run("app")
	if err != nil || status.Info.Notes != "thanks\n" || status.Manifest == "" {
		t.Errorf("helm status: %+v, %v", status, err)
	}

	// a rollback by hand
	back := action.NewRollback(cfg)
	back.Version = 1
	if err := back.Run("app"); err != nil {
		t.Fatal(err)
	}
	if got := b.configMap("app-one").At("data", "greeting"); got != "hello" {
		t.Errorf("greeting %v after helm rollback", got)
	}
	d, _, err := b.run(wish, simple())
	if err != nil || d.Step != StepUpgrade || d.Revision != 4 || d.Why != "revision 3 was not made here" {
		t.Errorf("after helm rollback: %+v, %v", d, err)
	}
	if got := b.configMap("app-one").At("data", "greeting"); got != "bye" {
		t.Errorf("greeting %v after the next run", got)
	}
	b.settles(wish, simple(), StepUnchanged, 4)

	// an upgrade by hand, which copies the labels
	upgrade := action.NewUpgrade(byHand(t, b))
	upgrade.Namespace, upgrade.ResetValues = b.namespace, true
	if _, err := upgrade.Run("app", status.Chart, map[string]any{"greeting": "by hand"}); err != nil {
		t.Fatal(err)
	}
	b.settles(wish, simple(), StepUpgrade, 6)
	b.settles(wish, simple(), StepUnchanged, 6)

	// and an uninstall by hand
	if _, err := action.NewUninstall(byHand(t, b)).Run("app"); err != nil {
		t.Fatal(err)
	}
	b.settles(wish, simple(), StepInstall, 1)
}
