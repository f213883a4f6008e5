package helmrel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// waiting is a chart whose Deployment never becomes ready.
func waiting() map[string]string {
	files := simple()
	files["templates/never.yaml"] = `apiVersion: apps/v1
kind: Deployment
metadata: {name: never}
spec:
  selector: {matchLabels: {app: never}}
  template:
    metadata: {labels: {app: never}, annotations: {kubebox/fails: "no such image"}}
    spec: {containers: [{name: main, image: example.com/app}]}
`
	return files
}

// spec.wait and spec.timeout, and that a rollback or tests that hang on the outcome make Helm wait.
func TestFieldWaitAndTimeout(t *testing.T) {
	t.Parallel()
	for spec, waits := range map[string]bool{
		``:                            false,
		`,"wait":true`:                true,
		`,"rollback":{"enable":true}`: true,
		`,"test":{"enable":true}`:     true,
		`,"wait":false,"rollback":{"enable":true},"test":{"enable":true}`: false,
	} {
		b := newBench(t)
		d, _, err := b.run(spec+`,"timeout":1`, waiting())
		if d.Step != StepInstall || (err != nil) != waits {
			t.Errorf("%s: %+v, %v", spec, d, err)
		}
	}
}

// verbs are what was asked of one kind of object, each word once.
func verbs(requests []kubetest.Request, resource string) string {
	var all []string
	for _, r := range kubetest.Writes(requests) {
		if r.Resource == resource && !slices.Contains(all, r.Verb) {
			all = append(all, r.Verb)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// spec.forceUpgrade replaces objects in place of patching them.
func TestFieldForceUpgrade(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{``: "patch", `,"forceUpgrade":true`: "update"} {
		b := newBench(t)
		b.settles(spec, simple(), StepInstall, 1)
		requests := b.kube.Count(t, b.agent, func() { b.settles(spec+`,"values":{"greeting":"bye"}`, simple(), StepUpgrade, 2) })
		if got := verbs(requests, "configmaps"); got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}

func TestFieldResetValues(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{``: "hello", `,"resetValues":true`: "hello", `,"resetValues":false`: "bye"} {
		b := newBench(t)
		b.settles(spec+`,"values":{"greeting":"bye"}`, simple(), StepInstall, 1)
		b.settles(spec+`,"values":{"count":2}`, simple(), StepUpgrade, 2)
		if o := b.configMap("app-one"); o.At("data", "greeting") != want || o.At("data", "count") != "2" {
			t.Errorf("%s: %v, want %s", spec, o.At("data"), want)
		}
	}
}

func TestFieldSkipCRDs(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]bool{``: true, `,"skipCRDs":true`: false} {
		b := newBench(t)
		group := b.namespace + ".example.com"
		files := simple()
		files["crds/it.yaml"] = strings.ReplaceAll(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: its.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: its, singular: it, kind: It}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`, "GROUP", group)
		b.settles(spec, files, StepInstall, 1)
		o := b.kube.Must(t, "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/its."+group, "")
		if (o != nil) != want {
			t.Errorf("%s: there is a definition: %v", spec, o != nil)
		}
	}
}

// spec.maxHistory: Helm keeps so many revisions, 10 by default, and all for 0.
func TestFieldMaxHistory(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]int{``: 10, `,"maxHistory":2`: 2, `,"maxHistory":0`: 12} {
		b := newBench(t)
		for n := 1; n <= 12; n++ {
			step := StepUpgrade
			if n == 1 {
				step = StepInstall
			}
			b.settles(fmt.Sprintf(`%s,"values":{"count":%d}`, spec, n), simple(), step, n)
		}
		if got := len(b.history("app")); got != want {
			t.Errorf("%s: %d revisions, want %d", spec, got, want)
		}
	}
}

// spec.disableOpenAPIValidation says nothing: a field that the API server does not know is dropped by it,
// in an install as in an upgrade, as Helm's own validation leaves it at since the server knows fields.
func TestFieldDisableOpenAPIValidation(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{``, `,"disableOpenAPIValidation":true`} {
		b := newBench(t)
		files := simple()
		files["templates/config.yaml"] += "nonsense: {really: true}\n"
		b.settles(spec, files, StepInstall, 1)
		b.settles(spec+`,"values":{"greeting":"bye"}`, files, StepUpgrade, 2)
		if o := b.configMap("app-one"); o.At("data", "greeting") != "bye" || o.At("nonsense") != nil {
			t.Errorf("%s: %s", spec, o)
		}
	}
}

// shaky is a chart that can be upgraded to "bye" only in part: an immutable ConfigMap comes last.
func shaky() map[string]string {
	files := immutable()
	files["templates/changes.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a-changes}\ndata: {greeting: \"{{ .Values.greeting }}\"}\n"
	files["templates/hook.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-rollback}}\n"
	files["templates/pods.yaml"] = `apiVersion: apps/v1
kind: Deployment
metadata: {name: pods}
spec:
  selector: {matchLabels: {app: pods}}
  template:
    metadata: {labels: {app: pods}}
    spec: {containers: [{name: main, image: example.com/app}]}
`
	return files
}

func immutable() map[string]string {
	files := simple()
	files["templates/config.yaml"] += "immutable: true\n"
	return files
}

// spec.rollback.force, recreate and disableHooks.
func TestFieldsOfRollback(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]struct {
		changes, pods string
		hook          bool
	}{
		``:                     {"patch", "", true},
		`,"force":true`:        {"patch update", "", true},
		`,"recreate":true`:     {"patch", "delete", true},
		`,"disableHooks":true`: {"patch", "", false},
	} {
		b := newBench(t)
		spec := `,"wait":true,"rollback":{"enable":true` + option + `}`
		b.settles(spec, shaky(), StepInstall, 1)
		requests := b.kube.Count(t, b.agent, func() {
			_, out, err := b.run(spec+`,"values":{"greeting":"bye"}`, shaky())
			if err == nil || !out.RolledBack {
				t.Errorf("%s: %+v, %v", option, out, err)
			}
		})
		var changes []kubetest.Request
		for _, r := range requests {
			if r.Name == "a-changes" {
				changes = append(changes, r)
			}
		}
		if got := verbs(changes, "configmaps"); got != want.changes {
			t.Errorf("%s: the object was changed by %q, want %q", option, got, want.changes)
		}
		if got := verbs(requests, "pods"); got != want.pods {
			t.Errorf("%s: pods: %q, want %q", option, got, want.pods)
		}
		if got := b.configMap("hook") != nil; got != want.hook {
			t.Errorf("%s: the hook was run: %v", option, got)
		}
		if got := b.configMap("a-changes").At("data", "greeting"); got != "hello" {
			t.Errorf("%s: greeting %v after the rollback", option, got)
		}
	}
}

// spec.rollback.wait and timeout: a rollback that waits for what is not ready fails.
func TestFieldsOfRollbackWaitAndTimeout(t *testing.T) {
	t.Parallel()
	for option, fails := range map[string]bool{``: false, `,"timeout":1`: false, `,"wait":true,"timeout":1`: true} {
		b := newBench(t)
		files := waiting()
		files["templates/config.yaml"] += "immutable: true\n"
		spec := `,"wait":false,"rollback":{"enable":true` + option + `}`
		b.settles(spec, files, StepInstall, 1)
		_, out, err := b.run(spec+`,"values":{"greeting":"bye"}`, files)
		if err == nil || out.RollbackFailed != fails || out.RolledBack == fails {
			t.Errorf("%s: %+v, %v", option, out, err)
		}
	}
}

// spec.valueFileSecrets come before valuesFrom, which come before values.
func TestFieldValues(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.kube.Must(t, "POST", "/api/v1/namespaces/"+b.namespace+"/secrets", "metadata: {name: old}\nstringData: {values.yaml: '{greeting: old, count: 7, name: old}'}")
	b.kube.Must(t, "POST", "/api/v1/namespaces/"+b.namespace+"/configmaps", "metadata: {name: base}\ndata: {other.yaml: '{greeting: base, name: base}', bad.yaml: 'a: ['}")
	spec := `,"valueFileSecrets":[{"name":"old"}],"valuesFrom":[{"configMapKeyRef":{"name":"base","key":"other.yaml"}},
		{"configMapKeyRef":{"name":"base","key":"bad.yaml","optional":true}},{"configMapKeyRef":{"name":"base","key":"none","optional":true}},
		{"secretKeyRef":{"name":"none","optional":true}},{"chartFileRef":{"path":"none","optional":true}}],"values":{"name":"inline"}`
	b.settles(spec, simple(), StepInstall, 1)
	if o := b.configMap("app-inline"); o.At("data", "greeting") != "base" || o.At("data", "count") != "7" {
		t.Errorf("%s", o)
	}
}

// spec.test.timeout: tests that do not end have failed.
func TestFieldTestTimeout(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	files := simple()
	files["templates/test.yaml"] = `apiVersion: v1
kind: Pod
metadata: {name: never, annotations: {helm.sh/hook: test, kubebox/fails: "no such image"}}
spec: {restartPolicy: Never, containers: [{name: main, image: example.com/app}]}
`
	if _, out, err := b.run(`,"wait":false,"test":{"enable":true,"timeout":1}`, files); err == nil || out.Test != TestFailed || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("%+v, %v", out, err)
	}
}
