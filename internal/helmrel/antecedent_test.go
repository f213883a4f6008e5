package helmrel

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

func TestTakenBy(t *testing.T) {
	mine, release := ID{"dev", "app"}, ReleaseID{"prod", "app"}
	helm := func(namespace, name string) map[string]string {
		return map[string]string{"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
	}
	for _, test := range []struct {
		annotations map[string]string
		want        string
	}{
		{nil, ""},
		{map[string]string{Antecedent: ""}, ""},
		{map[string]string{Antecedent: "dev:helmrelease/app"}, ""},
		{map[string]string{Antecedent: "dev:helmrelease/other"}, "HelmRelease dev/other"},
		{map[string]string{Antecedent: "prod:helmrelease/app"}, "HelmRelease prod/app"},
		{map[string]string{Antecedent: "dev:helmrelease/gone"}, ""},
		{map[string]string{Antecedent: "nonsense"}, "HelmRelease nonsense/"},
		{helm("prod", "app"), ""},
		{helm("prod", "other"), "release prod/other"},
		{helm("dev", "app"), "release dev/app"},
	} {
		if got := takenBy(test.annotations, mine, release, func(id ID) bool { return id == ID{"dev", "gone"} }); got != test.want {
			t.Errorf("%v: %q, want %q", test.annotations, got, test.want)
		}
	}
}

func (b *bench) annotate(name, value string) {
	b.t.Helper()
	b.kube.Must(b.t, "PATCH", "/api/v1/namespaces/"+b.namespace+"/configmaps/"+name, `{"metadata":{"annotations":{"`+Antecedent+`":"`+value+`"}}}`)
}

// taken demands that an action is refused because of an object, and that nothing is written.
func (b *bench) taken(object string, act func() error) {
	b.t.Helper()
	requests := b.kube.Count(b.t, b.agent, func() {
		var taken *TakenError
		if err := act(); !errors.As(err, &taken) || !strings.Contains(err.Error(), object+" belongs to HelmRelease else/where") {
			b.t.Errorf("got %v", err)
		}
	})
	if writes := kubetest.Writes(requests); len(writes) > 0 {
		b.t.Errorf("it wrote %v", writes)
	}
}

// Every object names its HelmRelease; one that names another is neither changed nor deleted, and keeps the
// whole release from being so.
func TestAntecedent(t *testing.T) {
	b := newBench(t)
	files := hooked("two")
	files["templates/list.yaml"] = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: listed}}\n"
	b.settles("", files, StepInstall, 1)
	for _, name := range []string{"app-one", "app-two", "listed"} {
		if got := kubetest.Object(b.configMap(name).At("metadata", "annotations").(map[string]any)).At(Antecedent); got != b.namespace+":helmrelease/app" {
			t.Errorf("%s: %v", name, got)
		}
	}
	b.annotate("listed", "else:helmrelease/where")
	b.taken("ConfigMap listed", func() error { _, _, err := b.run(`,"values":{"count":2}`, files); return err })
	delete(files, "templates/list.yaml")
	b.taken("ConfigMap listed", func() error { _, _, err := b.run("", files); return err })
	b.taken("ConfigMap listed", func() error {
		return b.helm.Uninstall(t.Context(), ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app"))
	})
	b.annotate("listed", "")
	b.settles("", files, StepUpgrade, 2)
	if b.configMap("listed") != nil {
		t.Error("it was not deleted")
	}
}

// What a failed upgrade has made goes with the next one that does not have it either.
func TestLeftoversOfAFailedUpgrade(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	files := hooked("two")
	files["templates/zfails.yaml"] = "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 99999999}]}\n"
	if _, _, err := b.run("", files); err == nil || b.configMap("app-two") == nil {
		t.Fatalf("%v; what it made: %v", err, b.configMap("app-two"))
	}
	b.settles("", simple(), StepUpgrade, 3)
	if b.configMap("app-two") != nil {
		t.Error("an orphan is left")
	}
}

// five is a chart of five objects of five kinds.
func five() map[string]string {
	files := map[string]string{"Chart.yaml": chartYAML("five", "0.1.0"), "values.yaml": "greeting: hello\n"}
	for kind, body := range map[string]string{
		"ConfigMap":      "data: {greeting: \"{{ .Values.greeting }}\"}",
		"Secret":         "stringData: {a: b}",
		"ServiceAccount": "automountServiceAccountToken: false",
		"Service":        "spec: {ports: [{port: 80}], selector: {app: \"{{ .Release.Name }}\"}}",
		"Deployment":     "spec: {replicas: 0, selector: {matchLabels: {app: \"{{ .Release.Name }}\"}}, template: {metadata: {labels: {app: \"{{ .Release.Name }}\"}}, spec: {containers: [{name: main, image: example.com/app}]}}}",
	} {
		version := "v1"
		if kind == "Deployment" {
			version = "apps/v1"
		}
		files["templates/"+strings.ToLower(kind)+".yaml"] = "apiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: \"{{ .Release.Name }}\"}\n" + body + "\n"
	}
	return files
}

func TestRequestsOfManyReleases(t *testing.T) {
	b := newBench(t)
	const n = 10
	for _, test := range []struct {
		name, spec string
		most       int // requests
	}{
		{"installing", "", n*7 + 25},
		{"nothing changed", "", 3},
		{"upgrading", `,"values":{"greeting":"bye"}`, n*12 + 15},
	} {
		l := &life{bench: b, name: "many"}
		requests := b.kube.Count(t, b.agent, func() {
			if err := l.many(n, test.spec, five()); err != nil {
				t.Fatal(err)
			}
		})
		for _, r := range l.results {
			if r.Code != "" {
				t.Errorf("%+v", r)
			}
		}
		t.Logf("%s: %d requests for %d releases", test.name, len(requests), n)
		if len(requests) > test.most {
			t.Errorf("%s: %d requests, more than %d:\n%v", test.name, len(requests), test.most, requests)
		}
	}
}
