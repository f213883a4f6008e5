package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

func TestSpellings(t *testing.T) {
	for id, want := range map[string]string{
		"Deployment.apps/demo/web": "demo/deployment/web demo:deployment/web deployment/demo/web demo/deployment.apps/web demo:deployment.apps/web deployment.apps/demo/web",
		"Pod/web":                  "pod/web default/pod/web default:pod/web",
	} {
		if got := strings.Join(parseID(id).spellings(), " "); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
	for id, want := range map[string]string{"HelmRelease.helm.fluxcd.io/demo/api": "demo:helmrelease/api", "Pod/web": "pod/web"} {
		if got := parseID(id).flux(); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
}

func TestGlobs(t *testing.T) {
	web := parseID("Deployment.apps/demo/web-front")
	for glob, want := range map[string]bool{
		"demo/*": true, "demo/deployment/web-front": true, "DEMO:Deployment/web-*": true, "*": true, "**": true, "*/web-*": true,
		"*front": true, "demo/*/w*f*t": true, "demo/deployment.apps/*": true, "Deployment.apps/demo/web-front": true,
		"": false, "demo": false, "demo/*/web": false, "demo/*/w*f*x": false, "prod/*": false, "web-front": false, "*web-front-web-front": false,
		"demo/deployment/web-?ront": false, "demo/deployment/web-frontweb-front*": false,
	} {
		if got := web.matches(glob); got != want {
			t.Errorf("%q: %v", glob, got)
		}
	}
	if globMatches("a*a", "a") || !globMatches("a*a", "aa") {
		t.Error("the ends of a glob must not share text")
	}
}

func TestNear(t *testing.T) {
	all := []manifest{{ID: "Deployment.apps/demo/web"}, {ID: "Deployment.apps/demo/api"}, {ID: "Deployment.apps/prod/web"}, {ID: "ConfigMap/demo/web"}}
	for name, want := range map[string]string{
		"demo/deployment/wbe":  "near it: demo/deployment/web",
		"dmo:deployment/web":   "near it: demo/deployment/web",
		"demo/deploy/web":      "near it: demo/deployment/web",
		"something/else/there": "workloads are named namespace/kind/name",
	} {
		if got := near(name, all); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	for pair, want := range map[[2]string]int{{"", ""}: 0, {"a", ""}: 1, {"", "ab"}: 2, {"abc", "abc"}: 0, {"abc", "axc"}: 1, {"abc", "bc"}: 1, {"kitten", "sitting"}: 3} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}

// What a name stands for must be one object: two sources may hold the same one.
func TestChoose(t *testing.T) {
	var in stream
	for n, text := range []string{
		`{"type":"manifest","source":"one","file":"a.yaml","doc":0,"line":3,"id":"Deployment.apps/demo/web","object":{}}`,
		`{"type":"manifest","source":"two","file":"b.yaml","doc":0,"line":1,"id":"Deployment.apps/demo/web","object":{}}`,
		`{"type":"manifest","source":"two","file":"b.yaml","doc":1,"line":9,"id":"Deployment.extensions/demo/api","object":{}}`,
		`{"type":"manifest","source":"two","file":"b.yaml","doc":2,"line":19,"id":"Deployment.apps/demo/api","object":{}}`,
	} {
		in.lines = append(in.lines, &jsonl.Line{N: n + 1, Type: jsonl.TypeManifest, Raw: []byte(text)})
	}
	if _, err := in.choose([]string{"demo/deployment/web"}); err == nil || !strings.Contains(err.Error(), "(one: a.yaml:3), Deployment.apps/demo/web (two: b.yaml:1)") {
		t.Errorf("got %v", err)
	}
	if _, err := in.choose([]string{"demo/deployment/api"}); err == nil {
		t.Error("two groups have that name")
	}
	got, err := in.choose([]string{"demo/deployment.apps/api", "deployment.apps/demo/api", "Demo:Deployment.extensions/api"})
	if err != nil || len(got) != 2 || got[0].Line != 19 || got[1].Line != 9 {
		t.Errorf("%v, %v", got, err)
	}
	if all, err := in.choose(nil); err != nil || len(all) != 4 || !slices.IsSortedFunc(all, func(a, b manifest) int { return a.line.N - b.line.N }) {
		t.Errorf("%v, %v", all, err)
	}
}

// Flux's words about policies, whatever else an annotation's edit brought along.
func TestPolicyEvents(t *testing.T) {
	edit := func(name, key, value string) jsonl.Edit {
		return jsonl.Edit{ID: "Deployment.apps/demo/" + name, Annotation: key, New: value}
	}
	p := policies{settings: []setting{{"automated", "true"}, {"locked", ""}, {"locked_user", ""}, {"tag.x", ""}}}
	got, err := p.message("Because.")(told{Edits: []jsonl.Edit{
		edit("b", "fluxcd.io/automated", "true"), edit("b", "flux.weave.works/automated", ""), edit("a", "flux.weave.works/automated", "true"),
		edit("a", "fluxcd.io/locked", ""), edit("a", "fluxcd.io/locked_user", ""), edit("c", "fluxcd.io/locked_user", ""), edit("c", "filter.fluxcd.io/x", ""),
	}})
	want := "Because.\n\n- Automated: demo:deployment/a, demo:deployment/b\n- Unlocked: demo:deployment/a\n- Updated policies: demo:deployment/c\n"
	if got != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A glob means what the regular expression with .* in the place of its stars means.
func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{{"demo/*", "demo/deployment/web"}, {"a*a", "a"}, {"**", ""}, {"*b*c", "abbc"}, {"", ""}, {"x", "x"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, glob, text string) {
		if strings.Contains(text, "\n") || !utf8.ValidString(glob) || !utf8.ValidString(text) {
			t.Skip("the regexp that it is compared with reads these differently")
		}
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*") + "$").MatchString(text)
		if got := globMatches(glob, text); got != want {
			t.Errorf("%q and %q: %v", glob, text, got)
		}
	})
}
