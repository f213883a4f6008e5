package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var o map[string]any
	if err := decoder.Decode(&o); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

func release(t testing.TB, values, annotations string) map[string]any {
	t.Helper()
	return object(t, `{"apiVersion":"helm.fluxcd.io/v1","kind":"HelmRelease","metadata":{"name":"x","annotations":{`+
		annotations+`}},"spec":{"values":`+values+`}}`)
}

// set puts a text where a path leads.
func set(o map[string]any, path []any, value string) {
	var at any = o
	for _, key := range path[:len(path)-1] {
		switch k := key.(type) {
		case string:
			at = at.(map[string]any)[k]
		case int:
			at = at.([]any)[k]
		}
	}
	at.(map[string]any)[path[len(path)-1].(string)] = value
}

func TestNoImages(t *testing.T) {
	for _, text := range []string{
		`{"apiVersion":"v1","kind":"Service","spec":{"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}}}`,
		`{"apiVersion":"v1","kind":"ReplicationController","spec":{"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}}}`,
		`{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmRelease","spec":{"values":{"image":"a:1"}}}`,
		`{"apiVersion":"helm.fluxcd.io/v1","kind":"HelmRelease","spec":{}}`,
		`{"apiVersion":"helm.fluxcd.io/v1","kind":"HelmRelease"}`,
		`{"apiVersion":"helm.fluxcd.io/v1","kind":"HelmRelease","spec":{"values":[1]}}`,
		`{"kind":"Deployment"}`,
		`{"kind":"Deployment","spec":{"template":{"spec":{"containers":"foo"}}}}`,
		`{"kind":"Pod","spec":{"containers":["a",{"image":7},null]}}`,
		`{"kind":7}`,
		`{}`,
	} {
		if got := Images(object(t, text)); len(got) > 0 {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

func TestRewriteRefusesFieldsThatCannotHoldIt(t *testing.T) {
	fields := []Field{{RoleTag, []any{"t"}, "1"}}
	if edits, err := Rewrite(fields, "a:2"); err == nil {
		t.Errorf("a tag's field alone became %v", edits)
	}
}

func TestReadPolicies(t *testing.T) {
	for _, test := range []struct {
		name, notes string
		want        Policies
	}{
		{"none", ``, Policies{}},
		{"all", `"fluxcd.io/automated":"true","fluxcd.io/locked":"true","fluxcd.io/ignore":"true"`, Policies{Automated: true, Locked: true, Ignored: true}},
		{"legacy", `"flux.weave.works/automated":"true","flux.weave.works/locked":"true","flux.weave.works/ignore":"true","flux.weave.works/tag.a":"glob:x"`,
			Policies{Automated: true, Locked: true, Ignored: true, Tags: map[string]TagPolicy{"a": {"glob:x", "flux.weave.works/tag.a"}}}},
		{"fluxcd.io wins", `"flux.weave.works/automated":"true","fluxcd.io/automated":"false","flux.weave.works/tag.a":"1","fluxcd.io/tag.a":"2"`,
			Policies{Tags: map[string]TagPolicy{"a": {"2", "fluxcd.io/tag.a"}}, Doubts: []string{
				"the annotation flux.weave.works/automated has no effect: fluxcd.io/automated counts", "the annotation flux.weave.works/tag.a has no effect: fluxcd.io/tag.a counts"}}},
		{"two that agree", `"flux.weave.works/automated":"true","fluxcd.io/automated":"true","flux.weave.works/tag.a":"1","fluxcd.io/tag.a":"1"`,
			Policies{Automated: true, Tags: map[string]TagPolicy{"a": {"1", "fluxcd.io/tag.a"}}}},
		{"filter wins over the legacy prefix", `"flux.weave.works/tag.a":"1","filter.fluxcd.io/a":"3"`, Policies{
			Tags: map[string]TagPolicy{"a": {"3", "filter.fluxcd.io/a"}}, Doubts: []string{"the annotation flux.weave.works/tag.a has no effect: filter.fluxcd.io/a counts"}}},
		{"fluxcd.io wins over filter", `"fluxcd.io/tag.a":"2","filter.fluxcd.io/a":"3"`, Policies{
			Tags: map[string]TagPolicy{"a": {"2", "fluxcd.io/tag.a"}}, Doubts: []string{"the annotation filter.fluxcd.io/a has no effect: fluxcd.io/tag.a counts"}}},
		{"other types", `"fluxcd.io/automated":true,"fluxcd.io/tag.a":1.10,"fluxcd.io/locked":null`, Policies{Automated: true, Tags: map[string]TagPolicy{"a": {"1.10", "fluxcd.io/tag.a"}}}},
		{"names with dots", `"fluxcd.io/tag.my.app":"x"`, Policies{Tags: map[string]TagPolicy{"my.app": {"x", "fluxcd.io/tag.my.app"}}}},
		{"no container", `"fluxcd.io/tag.":"x","filter.fluxcd.io/":"x"`, Policies{}},
		{"sync_only", `"fluxcd.io/ignore":"sync_only"`, Policies{}},
		{"for all tags", `"fluxcd.io/tag_all":"glob:*"`, Policies{Doubts: []string{`the annotation fluxcd.io/tag_all has no effect: write fluxcd.io/tag.CONTAINER for each container`}}},
		{"doubtful", `"fluxcd.io/locked":"yes"`, Policies{Doubts: []string{`the annotation fluxcd.io/locked has no effect: it says "yes", only "true" counts`}}},
	} {
		if test.want.Tags == nil {
			test.want.Tags = map[string]TagPolicy{}
		}
		for range 20 { // maps are read in a random order
			if got := ReadPolicies(release(t, `{}`, test.notes)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
				break
			}
		}
	}
	if got := ReadPolicies(object(t, `{"metadata":{"annotations":[1]}}`)); got.Automated {
		t.Errorf("a list of annotations gave %+v", got)
	}
}

func TestMinAge(t *testing.T) {
	for _, test := range []struct {
		notes string
		want  time.Duration
		key   string
		err   string
	}{
		{``, 0, "", ""},
		{`"sluice.dev/min-age":"24h"`, 24 * time.Hour, "sluice.dev/min-age", ""},
		{`"sluice.dev/min-age":"24h","sluice.dev/min-age.app":"90m"`, 90 * time.Minute, "sluice.dev/min-age.app", ""},
		{`"sluice.dev/min-age":"24h","sluice.dev/min-age.app":"0s"`, 0, "sluice.dev/min-age.app", ""},
		{`"sluice.dev/min-age":"24h","sluice.dev/min-age.other":"90m"`, 24 * time.Hour, "sluice.dev/min-age", ""},
		{`"sluice.dev/min-age.other":"90m"`, 0, "", ""},
		{`"sluice.dev/min-age.":"90m","sluice.dev/min-ages":"1h"`, 0, "", ""},
		{`"sluice.dev/min-age":24`, 0, "sluice.dev/min-age", `"24" is no age`},
		{`"sluice.dev/min-age":"-1h"`, 0, "sluice.dev/min-age", `"-1h" is no age`},
		{`"sluice.dev/min-age":"1h","sluice.dev/min-age.app":""`, 0, "sluice.dev/min-age.app", `"" is no age`},
	} {
		got, key, err := ReadPolicies(release(t, `{}`, test.notes)).MinAge("app")
		if got != test.want || key != test.key || (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, %q, %v", test.notes, got, key, err)
		}
	}
}

func TestStrays(t *testing.T) {
	p := ReadPolicies(release(t, `{}`, `"fluxcd.io/tag.b":"1","fluxcd.io/tag.a":"2","fluxcd.io/tag.c":"3","sluice.dev/min-age.a":"1h","sluice.dev/min-age.d":"2h","sluice.dev/min-age":"3h"`))
	if got := fmt.Sprint(p.Strays([]string{"a"})); got != "[{1 fluxcd.io/tag.b} {3 fluxcd.io/tag.c} {2h sluice.dev/min-age.d}]" {
		t.Errorf("got %s", got)
	}
}

// FuzzImages: whatever an object looks like, an image that is found can be rewritten, and is then
// found again with the new tag.
func FuzzImages(f *testing.F) {
	f.Add(`{"image":{"registry":"q.io","repository":"r/a","tag":"v1"}}`, "a", "image.repository", "image.tag")
	f.Add(`{"db":{"image":"registry:5000/a:1"},"image":"x","tag":1.10}`, "db", "db.image", "tag")
	f.Add(`{"a":{"b":"c"},"t":null}`, "x", "a.b", "t")
	f.Fuzz(func(t *testing.T, values, name, repository, tag string) {
		var v any
		decoder := json.NewDecoder(strings.NewReader(values))
		decoder.UseNumber()
		if decoder.Decode(&v) != nil {
			return
		}
		o := map[string]any{"apiVersion": "helm.fluxcd.io/v1", "kind": "HelmRelease", "spec": map[string]any{"values": v},
			"metadata": map[string]any{"annotations": map[string]any{"repository.fluxcd.io/" + name: repository, "tag.fluxcd.io/" + name: tag}}}
		ReadPolicies(o)
		for i, c := range Images(o) {
			if c.Err != nil {
				continue
			}
			edits, err := Rewrite(c.Fields, strings.SplitN(c.Ref, "@", 2)[0]+"x")
			if err != nil {
				continue
			}
			for _, e := range edits {
				set(o, e.Path, e.New)
			}
			again := Images(o)
			if len(again) <= i || again[i].Name != c.Name {
				return // two names shared a scalar, and the edit made one of them no reference
			}
			if again[i].Ref != strings.SplitN(c.Ref, "@", 2)[0]+"x" {
				t.Fatalf("%s: %s became %s", c.Name, c.Ref, again[i].Ref)
			}
		}
	})
}
