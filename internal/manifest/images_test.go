package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const sha = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

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

func TestImagesOfPods(t *testing.T) {
	const pod = `{"initContainers":[{"name":"init","image":"busybox"}],"containers":[{"name":"web","image":"r/a:1"},{"name":"bare"},{"name":"odd","image":"{{ .x }}"}]}`
	for kind, shape := range map[string]string{
		"Deployment": `{"template":{"spec":%s}}`, "StatefulSet": `{"template":{"spec":%s}}`,
		"DaemonSet": `{"template":{"spec":%s}}`, "ReplicaSet": `{"template":{"spec":%s}}`,
		"Job": `{"template":{"spec":%s}}`, "CronJob": `{"jobTemplate":{"spec":{"template":{"spec":%s}}}}`, "Pod": `%s`,
	} {
		o := object(t, `{"apiVersion":"v1","kind":"`+kind+`","spec":`+fmt.Sprintf(shape, pod)+`}`)
		var got []string
		for _, c := range Images(o) {
			got = append(got, fmt.Sprint(c.Name, "=", c.Ref, c.Err != nil))
			set(o, c.Fields[0].Path, "r/new:2")
		}
		if want := "[web=r/a:1false odd={{ .x }}true init=busyboxfalse]"; fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, want %s", kind, got, want)
		}
		for _, c := range Images(o) {
			if c.Ref != "r/new:2" {
				t.Errorf("%s: the path %v of %s leads elsewhere", kind, c.Fields[0].Path, c.Name)
			}
		}
	}
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

// TestReleaseImages holds the values layouts that Flux v1 knew: what is found, and what a new tag
// (or reference) makes of it. "mended" marks where we depart from Flux on purpose.
func TestReleaseImages(t *testing.T) {
	for _, test := range []struct {
		name, values, notes string
		found               string // name=reference, separated by spaces
		to                  string // the new reference of the first one found
		edits               string // path=new, separated by spaces; "error: …" where it cannot be done
	}{
		{"1", `{"image":"r/a:1"}`, ``, "chart-image=r/a:1", "r/a:NEW", "image=r/a:NEW"},
		{"2", `{"image":"r/a","tag":"v1"}`, ``, "chart-image=r/a:v1", "r/a:NEW", "tag=NEW"},
		{"3", `{"registry":"q.io","image":"r/a","tag":"v1"}`, ``, "chart-image=q.io/r/a:v1", "q.io/r/a:NEW", "tag=NEW"},
		{"4", `{"registry":"q.io","image":"r/a:1"}`, ``, "chart-image=q.io/r/a:1", "q.io/r/a:NEW", "image=r/a:NEW"},
		{"5", `{"image":{"repository":"r/a","tag":"v1"}}`, ``, "chart-image=r/a:v1", "r/a:NEW", "image.tag=NEW"},
		{"6", `{"image":{"registry":"q.io","repository":"r/a","tag":"v1"}}`, ``, "chart-image=q.io/r/a:v1", "q.io/r/a:NEW", "image.tag=NEW"},
		{"7", `{"image":{"registry":"q.io","repository":"r/a:1"}}`, ``, "chart-image=q.io/r/a:1", "q.io/r/a:NEW", "image.repository=r/a:NEW"},
		{"8", `{"image":{"repository":"r/a"}}`, ``, "chart-image=r/a", "r/a:NEW", "image.repository=r/a:NEW"},
		{"9", `{"db":{"image":{"registry":"q.io","repository":"r/a","tag":"v1"}}}`, ``, "db=q.io/r/a:v1", "q.io/r/a:NEW", "db.image.tag=NEW"},
		{"9 as 1", `{"db":{"image":"r/a:1"}}`, ``, "db=r/a:1", "r/a:NEW", "db.image=r/a:NEW"},
		{"9 as 2", `{"db":{"image":"r/a","tag":"1"}}`, ``, "db=r/a:1", "r/a:NEW", "db.tag=NEW"},
		{"10 deep", `{"c":{"d":{"image":"r/deep:1"}}}`, ``, "", "", ""},
		{"10 list", `{"list":[{"image":"r/a:1"}]}`, ``, "", "", ""},
		{"11", `{"image":{"repository":"r/a","tag":"v1"},"tag":"x"}`, ``, "chart-image=r/a:v1", "r/a:NEW", "image.tag=NEW"},
		{"12 mended: a number is a tag", `{"image":{"repository":"r/a","tag":1.10}}`, ``, "chart-image=r/a:1.10", "r/a:1.20", "image.tag=1.20"},
		{"12 mended: an integer too", `{"image":"r/a","tag":20200101}`, ``, "chart-image=r/a:20200101", "r/a:NEW", "tag=NEW"},
		{"12 other types are none", `{"image":"r/a","tag":true}`, ``, "chart-image=r/a", "r/a:NEW", "image=r/a:NEW"},
		{"13", `{"image":{"repository":"r/a","tag":"1.10"}}`, ``, "chart-image=r/a:1.10", "r/a:NEW", "image.tag=NEW"},
		{"14 mended: an empty tag waits for one", `{"image":{"repository":"r/a","tag":""}}`, ``, "chart-image=r/a", "r/a:NEW", "image.tag=NEW"},
		{"14 mended: null too", `{"image":{"repository":"r/a","tag":null}}`, ``, "chart-image=r/a", "r/a:NEW", "image.tag=NEW"},
		{"14 an empty tag beside a full name", `{"image":{"repository":"r/a:1","tag":""}}`, ``, "chart-image=r/a:1", "r/a:NEW", "image.repository=r/a:NEW"},
		{"14 mended: an empty registry is none", `{"registry":"","image":"r/a:1"}`, ``, "chart-image=r/a:1", "r/a:NEW", "image=r/a:NEW"},
		{"15", `{"image":"r/a:2","tag":"v1"}`, ``, "", "", ""},
		{"16 mended: the split stays", `{"registry":"q.io/r","image":"a","tag":"v1"}`, ``, "chart-image=q.io/r/a:v1", "q.io/r/a:NEW", "tag=NEW"},
		{"17 mended: a registry without dot stays", `{"registry":"myreg","image":"a","tag":"v1"}`, ``, "chart-image=myreg/a:v1", "myreg/a:NEW", "tag=NEW"},
		{"18 mended: host and port", `{"image":"registry:5000/a:v1"}`, ``, "chart-image=registry:5000/a:v1", "registry:5000/a:NEW", "image=registry:5000/a:NEW"},
		{"18 mended: split", `{"registry":"registry:5000","image":"a","tag":"v1"}`, ``, "chart-image=registry:5000/a:v1", "registry:5000/a:NEW", "tag=NEW"},
		{"19 mended: a digest can change", `{"image":{"repository":"r/a@` + sha + `"}}`, ``, "chart-image=r/a@" + sha, "r/a:NEW", "image.repository=r/a:NEW"},
		{"20", `{"image":{"image":"r/a","tag":"v1"}}`, ``, "image=r/a:v1", "r/a:NEW", "image.tag=NEW"},
		{"21", `{"chart-image":{"image":"r/k:1"},"image":"r/top:1"}`, ``, "chart-image=r/k:1", "r/k:NEW", "chart-image.image=r/k:NEW"},
		{"22 repository", `{"a":{"b":{"c":"q.io/r/a:1"}}}`, `"repository.fluxcd.io/x":"a.b.c"`, "x=q.io/r/a:1", "q.io/r/a:NEW", "a.b.c=q.io/r/a:NEW"},
		{"22 repository, tag", `{"a":{"r":"r/a","t":"1"}}`, `"repository.fluxcd.io/x":"a.r","tag.fluxcd.io/x":"a.t"`, "x=r/a:1", "r/a:NEW", "a.t=NEW"},
		{"22 registry, repository", `{"g":"q.io","r":"r/a:1"}`, `"registry.fluxcd.io/x":"g","repository.fluxcd.io/x":"r"`, "x=q.io/r/a:1", "q.io/r/a:NEW", "r=r/a:NEW"},
		{"22 all three", `{"g":"q.io","r":"r/a","t":"1"}`, `"registry.fluxcd.io/x":"g","repository.fluxcd.io/x":"r","tag.fluxcd.io/x":"t"`, "x=q.io/r/a:1", "q.io/r/a:NEW", "t=NEW"},
		{"22 overrides a name", `{"image":"r/top:1","o":{"r":"r/o:2"}}`, `"repository.fluxcd.io/chart-image":"o.r"`, "chart-image=r/o:2", "r/o:NEW", "o.r=r/o:NEW"},
		{"22 leads nowhere, the name stays", `{"db":{"image":"r/a:1"}}`, `"repository.fluxcd.io/db":"no.where"`, "db=r/a:1", "r/a:NEW", "db.image=r/a:NEW"},
		{"22 leads nowhere, nothing there", `{}`, `"repository.fluxcd.io/x":"values.a"`, "x!", "", ""},
		{"22 leads to a map", `{"a":{"b":"c"}}`, `"repository.fluxcd.io/x":"a"`, "x!", "", ""},
		{"22 no reference", `{"a":"B C"}`, `"repository.fluxcd.io/x":"a"`, "x!", "", ""},
		{"22 tag leads nowhere", `{"a":"r/a"}`, `"repository.fluxcd.io/x":"a","tag.fluxcd.io/x":"t"`, "x!", "", ""},
		{"22 registry leads nowhere", `{"a":"r/a"}`, `"repository.fluxcd.io/x":"a","registry.fluxcd.io/x":"t"`, "x!", "", ""},
		{"23 tag only", `{"t":"1"}`, `"tag.fluxcd.io/x":"t"`, "", "", ""},
		{"23 registry, tag", `{"g":"q.io","t":"1"}`, `"registry.fluxcd.io/x":"g","tag.fluxcd.io/x":"t"`, "", "", ""},
		{"order", `{"z":{"image":"z:1"},"a":{"image":"a:1"},"image":"top:1"}`, ``, "chart-image=top:1 a=a:1 z=z:1", "top:NEW", "image=top:NEW"},
		{"no holder", `{"image":{"name":"r/a","tag":"1"},"repository":"r/a","tag":"1","o":{"repository":"r/b","tag":"2"}}`, ``, "", "", ""},
		{"no reference", `{"image":"Not An Image","o":{"image":"{{ x }}"}}`, ``, "", "", ""},

		// A picker of one's own may move an image to another registry, or pin a digest.
		{"move", `{"registry":"q.io","image":"r/a","tag":"1"}`, ``, "chart-image=q.io/r/a:1", "ghcr.io/x/a:2", "registry=ghcr.io image=x/a tag=2"},
		{"move to the hub", `{"registry":"q.io","image":"r/a","tag":"1"}`, ``, "chart-image=q.io/r/a:1", "alpine:2", "registry=docker.io image=library/alpine tag=2"},
		{"move without a registry's field", `{"image":"r/a","tag":"1"}`, ``, "chart-image=r/a:1", "ghcr.io/x/a:2", "image=ghcr.io/x/a tag=2"},
		{"tag and digest", `{"image":"r/a","tag":"1"}`, ``, "chart-image=r/a:1", "r/a:2@" + sha, "tag=2@" + sha},
		{"digest in one field", `{"image":"r/a:1"}`, ``, "chart-image=r/a:1", "r/a@" + sha, "image=r/a@" + sha},
		{"digest alone beside a tag", `{"image":"r/a","tag":"1"}`, ``, "chart-image=r/a:1", "r/a@" + sha, "error: a digest without a tag"},
		{"no reference to go to", `{"image":"r/a:1"}`, ``, "chart-image=r/a:1", "r/a:", "error: the tag is empty"},
		{"digest beside a tag", `{"image":{"repository":"r/a","tag":"1","digest":"` + sha + `"}}`, ``, "chart-image=r/a:1@" + sha, "r/a:2@sha256:ff" + sha[9:], "image.tag=2 image.digest=sha256:ff" + sha[9:]},
		{"digest of the same tag", `{"image":"r/a","tag":"1","digest":"` + sha + `"}`, ``, "chart-image=r/a:1@" + sha, "r/a:1@sha256:ff" + sha[9:], "digest=sha256:ff" + sha[9:]},
		{"digest beside a name with its tag", `{"image":{"repository":"r/a:1","digest":"` + sha + `"}}`, ``, "chart-image=r/a:1@" + sha, "r/a:2@" + sha, "image.repository=r/a:2"},
		{"digest and no tag", `{"image":{"repository":"r/a","tag":"","digest":"` + sha + `"}}`, ``, "chart-image=r/a@" + sha, "r/a:2@" + sha, "image.tag=2"},
		{"digest that the new one lacks", `{"image":{"repository":"r/a","tag":"1","digest":"` + sha + `"}}`, ``, "chart-image=r/a:1@" + sha, "r/a:2", "error: would keep the old one"},
		{"empty digest", `{"image":{"repository":"r/a","tag":"1","digest":""}}`, ``, "chart-image=r/a:1", "r/a:2", "image.tag=2"},
		{"no digest", `{"image":{"repository":"r/a","tag":"1","digest":"x:y z"}}`, ``, "chart-image=r/a:1", "r/a:2", "image.tag=2"},
		{"two digests", `{"image":{"repository":"r/a@` + sha + `","digest":"` + sha + `"}}`, ``, "", "", ""},
		{"nothing to do", `{"image":"r/a:1"}`, ``, "chart-image=r/a:1", "r/a:1", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := release(t, test.values, test.notes)
			images := Images(o)
			var found []string
			for _, c := range images {
				if c.Err != nil {
					found = append(found, c.Name+"!")
				} else {
					found = append(found, c.Name+"="+c.Ref)
				}
			}
			if got := strings.Join(found, " "); got != test.found {
				t.Fatalf("found %q, want %q", got, test.found)
			}
			if test.to == "" {
				return
			}
			edits, err := Rewrite(images[0].Fields, test.to)
			if want, bad := strings.CutPrefix(test.edits, "error: "); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got edits %v and error %v, want an error with %q", edits, err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range edits {
				got = append(got, strings.Trim(strings.ReplaceAll(fmt.Sprint(e.Path[2:]), " ", "."), "[]")+"="+e.New)
				set(o, e.Path, e.New)
			}
			if g := strings.Join(got, " "); g != test.edits {
				t.Fatalf("edits %q, want %q", g, test.edits)
			}
			if after := Images(o); !sameImage(after[0].Ref, test.to) || after[0].Name != images[0].Name {
				t.Errorf("read back, the values hold %s=%s", after[0].Name, after[0].Ref)
			}
		})
	}
}

// sameImage leaves out the spelling of Docker Hub, which a registry's field makes necessary.
func sameImage(a, b string) bool {
	return strings.TrimPrefix(a, "docker.io/library/") == strings.TrimPrefix(b, "docker.io/library/")
}

func TestBothReleaseGroups(t *testing.T) {
	for _, version := range []string{"helm.fluxcd.io/v1", "flux.weave.works/v1beta1"} {
		o := object(t, `{"apiVersion":"`+version+`","kind":"HelmRelease","spec":{"values":{"image":"a:1"}}}`)
		if got := Images(o); len(got) != 1 || got[0].Ref != "a:1" {
			t.Errorf("%s: got %v", version, got)
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
			Policies{Tags: map[string]TagPolicy{"a": {"2", "fluxcd.io/tag.a"}}}},
		{"filter wins over the legacy prefix", `"flux.weave.works/tag.a":"1","filter.fluxcd.io/a":"3"`, Policies{Tags: map[string]TagPolicy{"a": {"3", "filter.fluxcd.io/a"}}}},
		{"fluxcd.io wins over filter", `"fluxcd.io/tag.a":"2","filter.fluxcd.io/a":"3"`, Policies{Tags: map[string]TagPolicy{"a": {"2", "fluxcd.io/tag.a"}}}},
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
