package helmrel

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, object string) *HelmRelease {
	t.Helper()
	h, unknown, err := Parse([]byte(object))
	if err != nil {
		t.Fatal(err)
	}
	if len(unknown) > 0 {
		t.Fatalf("unknown fields %q", unknown)
	}
	return h
}

const minimal = `{"apiVersion":"helm.fluxcd.io/v1","kind":"HelmRelease","metadata":{"name":"app","namespace":"dev"},
	"spec":{"chart":{"git":"git@example.com:charts","path":"charts/app"}}}`

func TestDefaults(t *testing.T) {
	h := parse(t, minimal)
	s := h.Spec
	got := []any{h.ID().String(), h.Release().String(), s.Chart.GitRef(), s.HelmTimeout(), s.Rollback.HelmTimeout(), s.HelmWait(), s.Reset(), s.History(), s.Rollback.Retries()}
	want := []any{"dev/app", "dev/dev-app", "master", 300 * time.Second, 300 * time.Second, false, true, 10, 0}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestReleaseName(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{`"releaseName":"web"`, "dev/web"},
		{`"targetNamespace":"dev"`, "dev/dev-app"},
		{`"targetNamespace":"prod"`, "prod/dev-prod-app"},
		{`"targetNamespace":"prod","releaseName":"web"`, "prod/web"},
	} {
		h := parse(t, strings.Replace(minimal, `"spec":{`, `"spec":{`+test.spec+",", 1))
		if got := h.Release().String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.spec, got, test.want)
		}
	}
}

func TestSpecRules(t *testing.T) {
	for _, test := range []struct {
		spec string
		got  func(Spec) any
		want any
	}{
		{`"rollback":{"enable":true}`, func(s Spec) any { return s.HelmWait() }, true},
		{`"test":{"enable":true}`, func(s Spec) any { return s.HelmWait() }, true},
		{`"rollback":{"enable":true},"wait":false`, func(s Spec) any { return s.HelmWait() }, false},
		{`"wait":true`, func(s Spec) any { return s.HelmWait() }, true},
		{`"resetValues":false`, func(s Spec) any { return s.Reset() }, false},
		{`"maxHistory":0`, func(s Spec) any { return s.History() }, 0},
		{`"timeout":7`, func(s Spec) any { return s.HelmTimeout() }, 7 * time.Second},
		{`"rollback":{"enable":true,"retry":true}`, func(s Spec) any { return s.Rollback.Retries() }, 5},
		{`"rollback":{"enable":true,"retry":true,"maxRetries":0}`, func(s Spec) any { return s.Rollback.Retries() }, -1},
		{`"rollback":{"retry":true}`, func(s Spec) any { return s.Rollback.Retries() }, 0},
		{`"chart":{"git":"g","path":"p","repository":"r","name":"n","version":"1"}`, func(s Spec) any { return s.Chart.FromGit() }, true},
		{`"chart":{"path":"p","repository":"r","name":"n","version":"1"}`, func(s Spec) any { return s.Chart.FromGit() }, false},
	} {
		object := `{"metadata":{"name":"a"},"spec":{` + test.spec
		if !strings.Contains(test.spec, `"chart"`) {
			object += `,"chart":{"git":"g","path":"p"}`
		}
		if got := test.got(parse(t, object+"}}").Spec); got != test.want {
			t.Errorf("%s: %v, want %v", test.spec, got, test.want)
		}
	}
}

func TestParseFaults(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{`"helmVersion":"v2"`, "Helm 2 ended"},
		{`"helmVersion":"v4"`, `"v4" is unknown`},
		{`"chart":{}`, "names no chart"},
		{`"chart":{"git":"g"}`, "spec.chart.path is missing"},
		{`"chart":{"repository":"r"}`, "lacks name and version"},
		{`"chart":{"repository":"r","name":"n"}`, "lacks version"},
		{`"maxHistory":"many"`, "spec.maxHistory: expected an integer, found string"},
		{`"maxHistory":-1`, "maxHistory is negative"},
		{`"timeout":0`, "spec.timeout must be a positive"},
		{`"rollback":{"timeout":-3}`, "spec.rollback.timeout must be"},
		{`"wait":"yes"`, "spec.wait: expected true or false, found string"},
		{`"values":[1]`, "spec.values: expected an object"},
		{`"values":"x"`, "spec.values: expected an object"},
		{`"valuesFrom":{}`, "spec.valuesFrom: expected a list, found object"},
		{`"valuesFrom":[{}]`, "spec.valuesFrom[0]: it names none of"},
		{`"valuesFrom":[{"secretKeyRef":{}}]`, "spec.valuesFrom[0]: secretKeyRef.name is missing"},
		{`"valuesFrom":[{"chartFileRef":{}}]`, "chartFileRef.path is missing"},
		{`"valueFileSecrets":[{}]`, "spec.valueFileSecrets[0].name is missing"},
	} {
		object := `{"metadata":{"name":"a"},"spec":{` + test.spec
		if !strings.Contains(test.spec, `"chart"`) {
			object += `,"chart":{"git":"g","path":"p"}`
		}
		_, _, err := Parse([]byte(object + "}}"))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.spec, err, test.want)
		}
	}
	for _, object := range []string{"", "null", "[]", `{"metadata":{}}`} {
		if _, _, err := Parse([]byte(object)); err == nil {
			t.Errorf("%q parses", object)
		}
	}
}

func TestUnknownFields(t *testing.T) {
	h, unknown, err := Parse([]byte(`{"kind":"HelmRelease","status":{"x":1},"metadata":{"name":"a","uid":"u"},
		"spec":{"chart":{"git":"g","path":"p","reff":"x"},"releasename":"wrong","values":{"anything":1},
		"valuesFrom":[{"secretKeyRef":{"name":"s","kee":"k"}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"spec.chart.reff", "spec.releasename", "spec.valuesFrom[0].secretKeyRef.kee"}
	if !reflect.DeepEqual(unknown, want) {
		t.Errorf("unknown %q, want %q", unknown, want)
	}
	if h.Spec.ReleaseName != "" {
		t.Errorf("releasename was taken for releaseName: %q", h.Spec.ReleaseName)
	}
}

func TestIs(t *testing.T) {
	for _, test := range []struct {
		apiVersion, kind string
		want             bool
	}{
		{"helm.fluxcd.io/v1", "HelmRelease", true},
		{"flux.weave.works/v1beta1", "HelmRelease", true},
		{"helm.toolkit.fluxcd.io/v2", "HelmRelease", false},
		{"helm.fluxcd.io/v1", "HelmReleaseList", false},
	} {
		if got := Is(test.apiVersion, test.kind); got != test.want {
			t.Errorf("Is(%s, %s) = %v", test.apiVersion, test.kind, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(`{"metadata":{"name":"a"},"spec":{"values":{"n":12345678901234567890,"f":1.10},"valuesFrom":[{"secretKeyRef":null}]}}`))
	f.Add([]byte(`{"spec":[]}`))
	f.Fuzz(func(t *testing.T, object []byte) {
		h, _, err := Parse(object)
		if err != nil {
			return
		}
		if h.Release().Name == "" {
			t.Error("no release name")
		}
		if _, err := decodeObject(h.Spec.Values); err != nil {
			t.Errorf("values of a valid HelmRelease: %v", err)
		}
	})
}
