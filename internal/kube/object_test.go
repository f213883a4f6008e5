package kube

import (
	"strings"
	"testing"
)

func TestParseObject(t *testing.T) {
	o, err := ParseObject([]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo"}}`), "config")
	if err != nil {
		t.Fatal(err)
	}
	if got := o.ID.String() + " " + o.Version; got != "Deployment.apps/demo/web v1" {
		t.Error(got)
	}
	for name, raw := range map[string]string{
		"no JSON":       `{`,
		"no object":     `[]`,
		"no kind":       `{"apiVersion":"v1","metadata":{"name":"a"}}`,
		"no apiVersion": `{"kind":"A","metadata":{"name":"a"}}`,
		"no version":    `{"apiVersion":"apps/","kind":"A","metadata":{"name":"a"}}`,
		"no metadata":   `{"apiVersion":"v1","kind":"A"}`,
		"name a number": `{"apiVersion":"v1","kind":"A","metadata":{"name":1}}`,
		"generateName":  `{"apiVersion":"v1","kind":"A","metadata":{"generateName":"a-"}}`,
	} {
		if _, err := ParseObject([]byte(raw), "config"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEncodeSendsTheManifestAndNoMore(t *testing.T) {
	o, err := ParseObject([]byte(`{"apiVersion":"v1","kind":"A","metadata":{"name":"a","namespace":"old","uid":"1","resourceVersion":"2",
		"managedFields":[],"creationTimestamp":null,"generation":3,"selfLink":"/","labels":{"b":"c"}},"n":12345678901234567890,"f":1.10}`), "config")
	if err != nil {
		t.Fatal(err)
	}
	owner := Owner{"team", "default"}
	body, err := o.encode("new", owner)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"v1","f":1.10,"kind":"A","metadata":{"annotations":{"sluice.dev/inventory":"team/default"},` +
		`"labels":{"b":"c","sluice.dev/inventory":"team.default"},"name":"a","namespace":"new"},"n":12345678901234567890}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	cluster, err := o.encode("", owner)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(cluster), `"namespace":`) {
		t.Errorf("a cluster-scoped object with a namespace: %s", cluster)
	}
	if digest(body) == digest(cluster) || digest([]byte("a"), []byte("b")) == digest([]byte("ab")) {
		t.Error("digests do not tell bodies apart")
	}
}

func TestEncodeWritesTextsOfSecretsAsData(t *testing.T) {
	for _, one := range []struct{ raw, want string }{
		{`"data":{"a":"YQ==","b":"YQ=="},"stringData":{"b":"b","c":""}`, `"data":{"a":"YQ==","b":"Yg==","c":""},"kind"`},
		{`"stringData":{"a":"a"}`, `"data":{"a":"YQ=="},"kind"`},
		{`"stringData":{"a":1}`, `"stringData":{"a":1}`},
		{`"stringData":{"a":"a"},"data":[]`, `"stringData":{"a":"a"}`},
		{`"stringData":null`, `"stringData":null`},
	} {
		o, err := ParseObject([]byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},`+one.raw+`}`), "config")
		if err != nil {
			t.Fatal(err)
		}
		body, err := o.encode("ns", Owner{"ns", "default"})
		if err != nil || !strings.Contains(string(body), one.want) {
			t.Errorf("%s: %s (%v)", one.raw, body, err)
		}
	}
}

func TestIgnoring(t *testing.T) {
	for _, one := range []struct{ name, value, want string }{
		{"fluxcd.io/ignore", "true", ignoreAll},
		{"fluxcd.io/ignore", "sync_only", ignorePrune},
		{"fluxcd.io/ignore", "false", ""},
		{"fluxcd.io/ignore", "True", ""},
		{"flux.weave.works/ignore", "true", ignoreAll},
		{"other/ignore", "true", ""},
		{"sluice.dev/prune", "disabled", ignorePrune},
		{"sluice.dev/prune", "enabled", ""},
	} {
		annotations := map[string]string{one.name: one.value}
		if got := ignoring(func(name string) string { return annotations[name] }); got != one.want {
			t.Errorf("%s: %s means %q, want %q", one.name, one.value, got, one.want)
		}
	}
}

func TestOwnersAreToldApartByTheirLabels(t *testing.T) {
	long := strings.Repeat("n", 60)
	seen := map[string]Owner{}
	for _, owner := range []Owner{{"a", "b"}, {"a", "c"}, {long, "b"}, {long, "bb"}, {long, "bbb"}} {
		label := owner.label()
		if other, taken := seen[label]; taken || len(label) > 63 {
			t.Errorf("%v: %s, as %v", owner, label, other)
		}
		seen[label] = owner
	}
}

func TestStages(t *testing.T) {
	for _, one := range []struct {
		kind       GroupKind
		namespaced bool
		want       int
	}{
		{GroupKind{"", "Namespace"}, false, stageNamespaces},
		{GroupKind{"apiextensions.k8s.io", "CustomResourceDefinition"}, false, stageCRDs},
		{GroupKind{"rbac.authorization.k8s.io", "ClusterRole"}, false, stageBasics},
		{GroupKind{"", "ServiceAccount"}, true, stageBasics},
		{GroupKind{"apps", "Deployment"}, true, stageRest},
		{GroupKind{"example.com", "Namespace"}, true, stageRest},
		{GroupKind{"admissionregistration.k8s.io", "ValidatingWebhookConfiguration"}, false, stageWebhooks},
	} {
		if got := stageOf(one.kind, one.namespaced); got != one.want {
			t.Errorf("%v: stage %d, want %d", one.kind, got, one.want)
		}
	}
}
