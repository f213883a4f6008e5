package helmrel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// objects are a cluster's ConfigMaps and Secrets by namespace/name.
type objects struct {
	maps    map[string]map[string]string
	secrets map[string]map[string][]byte
	urls    map[string]string
	err     error
}

func (o objects) ConfigMap(_ context.Context, namespace, name string) (map[string]string, error) {
	if m, ok := o.maps[namespace+"/"+name]; ok || o.err != nil {
		return m, o.err
	}
	return nil, fmt.Errorf("configmaps %q: %w", name, ErrNotFound)
}

func (o objects) Secret(_ context.Context, namespace, name string) (map[string][]byte, error) {
	if m, ok := o.secrets[namespace+"/"+name]; ok || o.err != nil {
		return m, o.err
	}
	return nil, fmt.Errorf("secrets %q: %w", name, ErrNotFound)
}

func (o objects) URL(_ context.Context, at string) ([]byte, error) {
	if text, ok := o.urls[at]; ok || o.err != nil {
		return []byte(text), o.err
	}
	return nil, fmt.Errorf("%s: %w", at, ErrNotFound)
}

var cluster = objects{
	urls: map[string]string{"https://values.example/it": "from: url\n", "https://values.example/bad": "hunter2222: ["},
	maps: map[string]map[string]string{
		"dev/base":  {"values.yaml": "a: {x: 1, z: 1}\nlist: [1, 2]\nfrom: base\n", "bad": "a: [", "scalar": "text", "empty": ""},
		"prod/base": {"values.yaml": "from: prod\n", "more.yaml": "a: {z: 2}\nfrom: more\n"},
	},
	secrets: map[string]map[string][]byte{
		"dev/creds": {"values.yaml": []byte("a: {password: hunter2222}\nfrom: secret\n"), "bad": []byte("hunter2222: [")},
	},
}

func withSpec(t *testing.T, spec string) *HelmRelease {
	t.Helper()
	return parse(t, `{"metadata":{"name":"app","namespace":"dev"},"spec":{"chart":{"git":"g","path":"p"},`+spec+`}}`)
}

func testChart(t *testing.T) *Chart {
	t.Helper()
	c, err := FromFolder([]File{{"Chart.yaml", []byte("apiVersion: v2\nname: app\nversion: 1.0.0\n")},
		{"values.yaml", []byte("x: 1\n")}, {"env/prod.yaml", []byte("from: chart\nbig: 1234567\n")}, {"broken.yaml", []byte("a: [")}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMerge(t *testing.T) {
	for _, test := range []struct{ name, spec, want string }{
		{"nothing", `"wait":true`, `{}`},
		{"null", `"values":null`, `{}`},
		{"inline last", `"valuesFrom":[{"configMapKeyRef":{"name":"base"}}],"values":{"from":"inline"}`,
			`{"a":{"x":1,"z":1},"from":"inline","list":[1,2]}`},
		{"in order, maps deeply, lists whole", `"valuesFrom":[{"configMapKeyRef":{"name":"base"}},{"configMapKeyRef":{"name":"base","namespace":"prod","key":"more.yaml"}}],"values":{"list":[3]}`,
			`{"a":{"x":1,"z":2},"from":"more","list":[3]}`},
		{"file secrets come first", `"valueFileSecrets":[{"name":"creds"}],"valuesFrom":[{"configMapKeyRef":{"name":"base"}}]`,
			`{"a":{"password":"hunter2222","x":1,"z":1},"from":"base","list":[1,2]}`},
		{"a map replaces a scalar, a scalar a map", `"valuesFrom":[{"configMapKeyRef":{"name":"base"}}],"values":{"a":1,"from":{"k":"v"}}`,
			`{"a":1,"from":{"k":"v"},"list":[1,2]}`},
		{"null takes a map away", `"valuesFrom":[{"configMapKeyRef":{"name":"base"}}],"values":{"a":null,"list":null}`,
			`{"a":null,"from":"base","list":null}`},
		{"first reference counts", `"valuesFrom":[{"secretKeyRef":{"name":"none"},"configMapKeyRef":{"name":"base","namespace":"prod"}}]`, `{"from":"prod"}`},
		{"chart file", `"valuesFrom":[{"chartFileRef":{"path":"./env/prod.yaml"}}]`, `{"big":1234567,"from":"chart"}`},
		{"optional object", `"valuesFrom":[{"configMapKeyRef":{"name":"none","optional":true}},{"secretKeyRef":{"name":"none","optional":true}},{"chartFileRef":{"path":"none","optional":true}}]`, `{}`},
		{"optional key", `"valuesFrom":[{"configMapKeyRef":{"name":"base","key":"none","optional":true}}]`, `{}`},
		{"optional bad YAML", `"valuesFrom":[{"configMapKeyRef":{"name":"base","key":"bad","optional":true}}]`, `{}`},
		{"optional bad YAML in a chart file", `"valuesFrom":[{"chartFileRef":{"path":"broken.yaml","optional":true}}]`, `{}`},
		{"a URL", `"valuesFrom":[{"externalSourceRef":{"url":"https://values.example/it"}}]`, `{"from":"url"}`},
		{"optional URLs", `"valuesFrom":[{"externalSourceRef":{"url":"https://values.example/none","optional":true}},{"externalSourceRef":{"url":"https://values.example/bad","optional":true}}]`, `{}`},
		{"empty text", `"valuesFrom":[{"configMapKeyRef":{"name":"base","key":"empty"}}]`, `{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			values, _, err := withSpec(t, test.spec).Merge(context.Background(), cluster, testChart(t))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestMergeFaults(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{`"valuesFrom":[{"configMapKeyRef":{"name":"none"}}]`, "spec.valuesFrom[0]: reading ConfigMap dev/none"},
		{`"valuesFrom":[{"configMapKeyRef":{"name":"base","key":"none"}}]`, "key none of ConfigMap dev/base: not found"},
		{`"valuesFrom":[{"configMapKeyRef":{"name":"base","key":"bad"}}]`, "key bad of ConfigMap dev/base: "},
		{`"valuesFrom":[{"configMapKeyRef":{"name":"base","key":"scalar"}}]`, "expected an object"},
		{`"valuesFrom":[{"secretKeyRef":{"name":"creds","key":"bad"}}]`, "key bad of Secret dev/creds: not a YAML object"},
		{`"valueFileSecrets":[{"name":"none"}]`, "spec.valueFileSecrets[0]: reading Secret dev/none"},
		{`"valuesFrom":[{"chartFileRef":{"path":"none"}}]`, "chart file none: not found"},
		{`"valuesFrom":[{"chartFileRef":{"path":"broken.yaml"}}]`, "chart file broken.yaml: "},
		{`"valuesFrom":[{"chartFileRef":{"path":"../x","optional":true}}]`, "leads out of the chart"},
		{`"valuesFrom":[{"chartFileRef":{"path":"/etc/passwd"}}]`, "leads out of the chart"},
		{`"valuesFrom":[{"externalSourceRef":{"url":"https://values.example/none"}}]`, "spec.valuesFrom[0]: https://values.example/none: not found"},
		{`"valuesFrom":[{"externalSourceRef":{"url":"https://values.example/bad"}}]`, "what the URL answers is not a YAML object"},
	} {
		_, _, err := withSpec(t, test.spec).Merge(context.Background(), cluster, testChart(t))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.spec, err, test.want)
			continue
		}
		if strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: a secret is in %v", test.spec, err)
		}
	}
	// optional forgives what is not there, not an API server that does not answer
	down := objects{err: errors.New("connection refused")}
	_, _, err := withSpec(t, `"valuesFrom":[{"configMapKeyRef":{"name":"base","optional":true}}]`).Merge(context.Background(), down, testChart(t))
	if err == nil {
		t.Error("an unreachable API server counts as an absent ConfigMap")
	}
}

func TestMergeTwice(t *testing.T) {
	h := withSpec(t, `"valuesFrom":[{"configMapKeyRef":{"name":"base"}}],"values":{"a":{"z":3}}`)
	var results []Values
	for range 2 {
		v, _, err := h.Merge(context.Background(), cluster, testChart(t))
		if err != nil {
			t.Fatal(err)
		}
		v["a"].(map[string]any)["x"] = "changed"
		results = append(results, v)
	}
	if !reflect.DeepEqual(results[0], results[1]) {
		t.Errorf("%v, then %v", results[0], results[1])
	}
}

func TestNumbers(t *testing.T) {
	values, err := decodeObject([]byte(`{"int":1234567,"neg":-3,"max":9223372036854775807,"huge":12345678901234567890,"float":1.5,"exp":1e3,"in":[{"n":7}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Values{"int": int64(1234567), "neg": int64(-3), "max": int64(9223372036854775807), "huge": json.Number("12345678901234567890"),
		"float": 1.5, "exp": 1000.0, "in": []any{map[string]any{"n": int64(7)}}}
	if !reflect.DeepEqual(values, want) {
		t.Errorf("got  %#v\nwant %#v", values, want)
	}
	// what a template shows: a float64 of the first would come out as 1.234567e+06
	if s := fmt.Sprint(values["int"]); s != "1234567" {
		t.Errorf("int shows as %s", s)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	h := withSpec(t, `"valuesFrom":[{"secretKeyRef":{"name":"creds"}}],"values":{"db":{"password":"pa55word"},"name":"visible","tokens":["t0ken-1"]}`)
	_, secrets, err := h.Merge(context.Background(), cluster, testChart(t))
	if err != nil {
		t.Fatal(err)
	}
	text := secrets.Hide("hunter2222 aHVudGVyMjIyMg== pa55word t0ken-1 visible true")
	if text != "*** *** *** *** visible true" {
		t.Errorf("shown: %s", text)
	}
}

func FuzzValues(f *testing.F) {
	f.Add([]byte("a: {x: 1}\nb: [1, 2.5, 0x1F, 1_000]\n"))
	f.Add([]byte("a: &x {y: 1}\nb: *x\n"))
	f.Add([]byte("? [1]\n: 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		values, err := parseValues(text)
		if err != nil {
			return
		}
		one, err := json.Marshal(values)
		if err != nil {
			t.Fatalf("values that are no JSON: %v", err)
		}
		again, err := decodeObject(one)
		if err != nil {
			t.Fatal(err)
		}
		two, _ := json.Marshal(again)
		if string(one) != string(two) {
			t.Errorf("%s becomes %s", one, two)
		}
	})
}
