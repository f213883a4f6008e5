package helmrel

import (
	"strings"
	"testing"
)

// defining is a chart that brings a kind of its own, of which a version has one more field.
func (b *bench) defining(field string) map[string]string {
	files := simple()
	files["crds/gadget.yaml"] = strings.NewReplacer("GROUP", b.namespace+".example.com", "FIELD", field).Replace(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {FIELD: {type: string}}}}}]
`)
	return files
}

func (b *bench) fields() string {
	crd := b.kube.Must(b.t, "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets."+b.namespace+".example.com", "")
	if crd == nil {
		return "none"
	}
	version := crd.At("spec", "versions").([]any)[0].(map[string]any)
	var names []string
	for name := range version["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)["properties"].(map[string]any) {
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestCRDPolicies(t *testing.T) {
	b := newBench(t)
	b.settles(`,"skipCRDs":true`, b.defining("one"), StepInstall, 1)
	if got := b.fields(); got != "none" {
		t.Fatalf("skipCRDs brought %s", got)
	}
	b.settles("", b.defining("one"), StepUpgrade, 2) // a missing one is made by an upgrade too
	b.settles("", b.defining("two"), StepUpgrade, 3)
	if got := b.fields(); got != "one" {
		t.Errorf("create: %s", got)
	}
	b.crds = CRDsReplace
	b.settles("", b.defining("three"), StepUpgrade, 4)
	if got := b.fields(); got != "three" {
		t.Errorf("replace: %s", got)
	}
	b.crds = CRDsSkip
	b.settles("", b.defining("four"), StepUpgrade, 5)
	if got := b.fields(); got != "three" {
		t.Errorf("skip: %s", got)
	}
	if err := b.helm.Uninstall(t.Context(), ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app")); err != nil || b.fields() != "three" {
		t.Errorf("%v; it was deleted with the release: %s", err, b.fields())
	}
	for text, want := range map[string]CRDPolicy{"": CRDsCreate, "skip": CRDsSkip, "delete": ""} {
		h := &HelmRelease{Metadata: Metadata{Annotations: map[string]string{CRDAnnotation: text}}}
		if got, err := (Task{HelmRelease: h}).crds(); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}
