package helmrel

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

func readCRD(t *testing.T, file string) (text string, schema map[string]any) {
	t.Helper()
	content, err := os.ReadFile("../../deploy/crds/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(content, &crd); err != nil {
		t.Fatal(err)
	}
	return string(content), crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// The schema has every field that is read or written, with its type, and no other.
func TestCRDHasTheFieldsThatAreRead(t *testing.T) {
	for _, file := range []string{"helmreleases.yaml", "helmreleases-v1beta1.yaml"} {
		_, schema := readCRD(t, file)
		spec := schema["properties"].(map[string]any)["spec"].(map[string]any)
		compareSchema(t, file+": spec", reflect.TypeFor[Spec](), spec)
		status := schema["properties"].(map[string]any)["status"].(map[string]any)
		compareSchema(t, file+": status", reflect.TypeFor[Status](), status)
	}
}

func compareSchema(t *testing.T, at string, field reflect.Type, schema map[string]any) {
	t.Helper()
	if field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	want := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer",
		reflect.Struct: "object", reflect.Slice: "array"}[field.Kind()]
	if field.Name() == "RawMessage" {
		want = "object"
	}
	if schema["type"] != want {
		t.Errorf("%s is of type %v, want %s", at, schema["type"], want)
	}
	switch {
	case field.Kind() == reflect.Struct:
		properties := schema["properties"].(map[string]any)
		for i := range field.NumField() {
			name, _, _ := strings.Cut(field.Field(i).Tag.Get("json"), ",")
			property, ok := properties[name].(map[string]any)
			if !ok {
				t.Errorf("%s.%s is not in the schema", at, name)
				continue
			}
			compareSchema(t, at+"."+name, field.Field(i).Type, property)
			delete(properties, name)
		}
		for name := range properties {
			t.Errorf("%s.%s is in the schema and not read", at, name)
		}
	case want == "array":
		compareSchema(t, at+"[]", field.Elem(), schema["items"].(map[string]any))
	}
}

// everyField is a HelmRelease with all of them.
const everyField = `
apiVersion: VERSION
kind: HelmRelease
metadata: {name: all, namespace: NAMESPACE}
spec:
  helmVersion: v3
  chart: {git: g, path: p, ref: r, secretRef: {name: s, namespace: other}, skipDepUpdate: true, repository: https://example.com, name: it, version: 1.x, chartPullSecret: {name: s}}
  releaseName: all.of-it
  targetNamespace: elsewhere
  maxHistory: 0
  valueFileSecrets: [{name: s}]
  valuesFrom:
  - configMapKeyRef: {name: it, namespace: other, key: k, optional: true}
  - secretKeyRef: {name: it, namespace: other, key: k, optional: true}
  - externalSourceRef: {url: https://example.com, optional: true}
  - chartFileRef: {path: p, optional: true}
  values: {any: {thing: [1, a, {b: null}]}}
  timeout: 1
  wait: true
  forceUpgrade: true
  resetValues: false
  skipCRDs: true
  disableOpenAPIValidation: true
  rollback: {enable: true, retry: true, maxRetries: 0, force: true, recreate: true, disableHooks: true, timeout: 1, wait: true}
  test: {enable: true, ignoreFailures: true, timeout: 1, cleanup: false}
`

func TestCRDsInACluster(t *testing.T) {
	b := newBench(t)
	for file, version := range map[string]string{"helmreleases.yaml": APIVersion, "helmreleases-v1beta1.yaml": LegacyAPIVersion} {
		text, _ := readCRD(t, file)
		b.kube.Must(t, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", text)
		group, _, _ := strings.Cut(version, "/")
		name := "helmreleases." + group
		waitFor(t, name+" is established", func() bool {
			o := b.kube.Must(t, "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+name, "")
			return strings.Contains(o.String(), `"Established"`) && b.served("/apis/"+version+"/namespaces/"+b.namespace+"/helmreleases")
		})
		object := strings.NewReplacer("VERSION", version, "NAMESPACE", b.namespace).Replace(everyField)
		path := "/apis/" + version + "/namespaces/" + b.namespace + "/helmreleases"
		stored := b.kube.Must(t, "POST", path+"?fieldValidation=Strict", object)
		h, unknown, err := Parse([]byte(stored.String()))
		if err != nil || len(unknown) > 0 {
			t.Errorf("%s: %v, unknown %q", version, err, unknown)
		}
		if h.Spec.Rollback.Timeout == nil || h.Spec.Test.Cleanup == nil || len(h.Spec.ValuesFrom) != 4 {
			t.Errorf("%s: something got lost: %s", version, stored)
		}
		b.kube.Must(t, "PATCH", path+"/all/status", `{"status":{"phase":"Succeeded","observedGeneration":1,"conditions":[{"type":"Released","status":"True"}]}}`)
		for _, bad := range []string{"maxHistory: -1", "timeout: 0", "wait: maybe", "releaseName: Not_A_Name", "values: []"} {
			_, err := b.kube.Do(t.Context(), "POST", path, "apiVersion: "+version+"\nkind: HelmRelease\nmetadata: {name: bad}\nspec: {chart: {}, "+bad+"}\n")
			if err == nil {
				t.Errorf("%s: %s is accepted", version, bad)
			}
		}
	}
}

// The columns, names and the subresource of the Helm Operator's definition, and every phase among those
// that the schema allows.
func TestCRDLooks(t *testing.T) {
	for _, file := range []string{"helmreleases.yaml", "helmreleases-v1beta1.yaml"} {
		content, err := os.ReadFile("../../deploy/crds/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Names struct {
					ShortNames []string `json:"shortNames"`
				} `json:"names"`
				Scope    string `json:"scope"`
				Versions []struct {
					Subresources map[string]any `json:"subresources"`
					Columns      []struct {
						Name string `json:"name"`
					} `json:"additionalPrinterColumns"`
				} `json:"versions"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal(content, &crd); err != nil {
			t.Fatal(err)
		}
		version := crd.Spec.Versions[0]
		var columns []string
		for _, c := range version.Columns {
			columns = append(columns, c.Name)
		}
		_, status := version.Subresources["status"]
		if got := strings.Join(columns, " "); got != "Release Phase ReleaseStatus Message Age" || !status ||
			strings.Join(crd.Spec.Names.ShortNames, " ") != "hr hrs" || crd.Spec.Scope != "Namespaced" {
			t.Errorf("%s: %+v", file, crd)
		}
		_, schema := readCRD(t, file)
		allowed := schema["properties"].(map[string]any)["status"].(map[string]any)["properties"].(map[string]any)["phase"].(map[string]any)["enum"].([]any)
		for phase := range effects {
			if !slices.Contains(allowed, any(string(phase))) {
				t.Errorf("%s does not allow phase %s", file, phase)
			}
		}
	}
}

func (b *bench) served(path string) bool {
	o, err := b.kube.Do(b.t.Context(), "GET", path, "")
	return err == nil && o != nil
}

func waitFor(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s until %s", what)
		}
	}
}
