package helmrel

import (
	"strings"
	"testing"
)

// examined is a chart with a test that passes while the value says so.
func examined() map[string]string {
	files := simple()
	files["values.yaml"] += "verdict: good\n"
	files["templates/test.yaml"] = `apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-{{ .Values.verdict }}", annotations: {helm.sh/hook: test}}
`
	return files
}

const bad = `"values":{"verdict":"Not_A_Name"}`

func TestChartTests(t *testing.T) {
	b := newBench(t)
	const spec = `,"wait":false,"test":{"enable":true}`
	if _, out, err := b.run(spec, examined()); err != nil || out.Test != TestPassed || b.configMap("app-good") != nil {
		t.Fatalf("%+v, %v; what the test made: %v", out, err, b.configMap("app-good"))
	}
	b.settles(spec, examined(), StepUnchanged, 1)
	_, out, err := b.run(spec+","+bad, examined())
	if err == nil || !strings.Contains(err.Error(), "testing: ") || out.Test != TestFailed || out.Revision != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	// a failed test is a failed revision: no quiet run makes a success of it
	for range 3 {
		b.settles(spec+","+bad, examined(), StepBlocked, 2)
	}
	b.settles(spec, examined(), StepUpgrade, 3)
	if h := b.history("app").shown(); h != "1:superseded* 2:superseded* 3:deployed*" {
		t.Errorf("history %s", h)
	}
}

func TestChartTestsOfAFirstInstall(t *testing.T) {
	b := newBench(t)
	if _, out, err := b.run(`,"test":{"enable":true},"rollback":{"enable":true},`+bad, examined()); err == nil || out.Revision != 1 || out.RolledBack {
		t.Fatalf("%+v, %v", out, err)
	}
	if h := b.history("app").shown(); h != "1:failed*" || b.configMap("app-one") == nil {
		t.Errorf("the evidence is gone: %s", h)
	}
}

func TestChartTestsIgnored(t *testing.T) {
	b := newBench(t)
	const spec = `,"wait":false,"test":{"enable":true,"ignoreFailures":true},` + bad
	if _, out, err := b.run(spec, examined()); err != nil || out.Test != TestIgnored || !strings.Contains(out.Note, "ignored") {
		t.Fatalf("%+v, %v", out, err)
	}
	b.settles(spec, examined(), StepUnchanged, 1)
}

func TestChartTestsKept(t *testing.T) {
	b := newBench(t)
	if _, _, err := b.run(`,"wait":false,"test":{"enable":true,"cleanup":false}`, examined()); err != nil || b.configMap("app-good") == nil {
		t.Fatalf("%v; what the test made is gone", err)
	}
}

func TestFailedTestsRollBack(t *testing.T) {
	b := newBench(t)
	const spec = `,"wait":false,"test":{"enable":true},"rollback":{"enable":true}`
	b.settles(spec, examined(), StepInstall, 1)
	_, out, err := b.run(spec+`,"values":{"greeting":"bye","verdict":"Not_A_Name"}`, examined())
	if err == nil || !out.RolledBack || out.Revision != 3 || b.configMap("app-one").At("data", "greeting") != "hello" {
		t.Fatalf("%+v, %v", out, err)
	}
	b.settles(spec+`,"values":{"greeting":"bye","verdict":"Not_A_Name"}`, examined(), StepBlocked, 3)
}

// A release that was made before its tests were asked for is tested, and made no anew.
func TestChartTestsAskedForLater(t *testing.T) {
	b := newBench(t)
	b.settles(`,"wait":false`, examined(), StepInstall, 1)
	b.settles(`,"wait":false,"test":{"enable":true}`, examined(), StepTest, 1)
	b.settles(`,"wait":false,"test":{"enable":true}`, examined(), StepUnchanged, 1)
}

// With retry a failed upgrade is repeated at once, maxRetries times, also where the history is short.
func TestRollbackRetries(t *testing.T) {
	b := newBench(t)
	const spec = `,"wait":false,"maxHistory":3,"rollback":{"enable":true,"retry":true,"maxRetries":2}`
	b.settles(spec, failing(), StepInstall, 1)
	for n := range 3 {
		if d, out, err := b.run(spec+`,"values":{"greeting":"bye"}`, failing()); err == nil || !out.RolledBack || out.Revision != 3+2*n {
			t.Fatalf("try %d: %+v, %+v, %v", n+1, d, out, err)
		}
	}
	b.settles(spec+`,"values":{"greeting":"bye"}`, failing(), StepBlocked, 7)
	if h := b.history("app"); len(h) > 3 {
		t.Errorf("history %s", h.shown())
	}
	b.later = firstBackoff
	if _, out, err := b.run(spec+`,"values":{"greeting":"bye"}`, failing()); err == nil || out.Revision != 9 {
		t.Errorf("after the backoff: %+v, %v", out, err)
	}
}
