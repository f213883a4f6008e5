package helmrel

import (
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// drifting is a chart of what the API server writes in its own way, so that a naive comparison sees drift.
func (b *bench) drifting() map[string]string {
	files := five()
	files["templates/pod.yaml"] = `apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}-own", labels: }
spec:
  replicas: 0
  selector: {matchLabels: {app: own}}
  template:
    metadata: {labels: {app: own}}
    spec:
      containers:
      - name: main
        image: example.com/app
        resources: {limits: {cpu: 0.5, memory: 1024Mi}}
        env: [{name: A, value: ""}]
        ports: [{containerPort: 80}]
`
	files["crds/thing.yaml"] = strings.ReplaceAll(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`, "GROUP", b.namespace+".example.com")
	files["templates/thing.yaml"] = "apiVersion: " + b.namespace + ".example.com/v1\nkind: Thing\nmetadata: {name: it}\nspec: {size: 1}\n"
	return files
}

func TestDrift(t *testing.T) {
	b := newBench(t)
	files := b.drifting()
	l := &life{bench: b, name: "app"}
	if err := l.runs("", files, nil); err != nil || l.results[0].Code != "" {
		t.Fatalf("%v, %+v", err, l.results)
	}
	shows := func(mode DriftMode, action Action, message string) {
		t.Helper()
		l.drift = mode
		if err := l.runs("", files, nil); err != nil || l.results[0].Action != action || l.results[0].Message != message {
			t.Fatalf("%v, %+v", err, l.results)
		}
	}
	at := "/api/v1/namespaces/" + b.namespace
	requests := b.kube.Count(t, b.agent, func() { shows(DriftDetect, Unchanged, "") })
	if writes := kubetest.Writes(requests); len(writes) > 0 {
		t.Logf("dry runs: %v", writes)
	}
	b.kube.Must(t, "PATCH", at+"/configmaps/app", `{"data":{"greeting":"changed","own":"stays"}}`)
	b.kube.Must(t, "PATCH", "/apis/apps/v1/namespaces/"+b.namespace+"/deployments/app-own", `{"spec":{"paused":true,"replicas":1}}`)
	b.kube.Must(t, "PATCH", "/apis/"+b.namespace+".example.com/v1/namespaces/"+b.namespace+"/things/it", `{"spec":{"size":2}}`)
	b.kube.Must(t, "DELETE", at+"/secrets/app", "")
	const all = "ConfigMap app differs in .data.greeting; Deployment app-own differs in .spec.replicas; Secret app is gone; Thing it differs in .spec.size"
	shows(DriftOff, Unchanged, "")
	shows(DriftDetect, Drifted, all)
	if got := b.configMap("app").At("data", "greeting"); got != "changed" {
		t.Errorf("it was corrected: %v", got)
	}
	shows(DriftCorrect, Corrected, all)
	shows(DriftCorrect, Unchanged, "")
	if o := b.configMap("app"); o.At("data", "greeting") != "hello" || o.At("data", "own") != "stays" {
		t.Errorf("%v", o.At("data"))
	}
	if o := b.kube.Must(t, "GET", at+"/secrets/app", ""); o.At("metadata", "labels", "app.kubernetes.io/managed-by") != "Helm" {
		t.Errorf("made anew: %v", o)
	}
	if h := b.history("app").shown(); h != "1:deployed*" {
		t.Errorf("history %s", h)
	}
}
