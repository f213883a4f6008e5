package helmrel

import (
	"slices"
	"strings"
	"testing"
)

func (p paper) depending(on map[string]string) paper {
	before := p.change
	p.change = func(r *Run) {
		if before != nil {
			before(r)
		}
		for _, w := range r.Wanted {
			if text, ok := on[w.ID.Name]; ok {
				w.Release.Metadata.Annotations = map[string]string{DependsOn: text}
			}
		}
	}
	return p
}

func TestDependsOn(t *testing.T) {
	abc := paper{wanted: []string{"s/a=x", "s/b=y", "s/c=z"}, whole: []string{"s"}}
	for _, test := range []struct {
		name  string
		on    map[string]string
		paper paper
		want  string
		order string
	}{
		{"none", nil, abc, "a:install b:install c:install", "a b c"},
		{"a chain", map[string]string{"a": "b", "b": "ns/c"}, abc, "a:install b:install c:install", "c b a"},
		{"two at once", map[string]string{"a": "c, ns/b"}, abc, "a:install b:install c:install", "c b a"},
		{"a cycle", map[string]string{"a": "b", "b": "a"}, abc, "a:failed b:failed c:install", ""},
		{"into a cycle", map[string]string{"a": "b", "b": "c", "c": "b"}, abc, "a:blocked b:failed c:failed", ""},
		{"on itself", map[string]string{"a": "a"}, abc, "a:failed b:install c:install", ""},
		{"not there", map[string]string{"a": "else/where", "c": "a"}, abc, "a:blocked b:install c:blocked", ""},
		{"no name", map[string]string{"a": "b,"}, abc, "a:failed b:install c:install", ""},
		{"too many slashes", map[string]string{"a": "b/c/d"}, abc, "a:failed b:install c:install", ""},
		{"one that cannot be read", map[string]string{"a": "b"}, paper{wanted: []string{"s/a=x", "s/b?="}, whole: []string{"s"}}, "a:blocked b:failed", ""},
		{"as wanted already", map[string]string{"a": "b"}, paper{wanted: []string{"s/a=x", "s/b?="}, whole: []string{"s"},
			inventory: []string{"s/a=x"}, cluster: []string{"a=x deployed"}}, "a:unchanged b:failed", ""},
	} {
		_, p := test.paper.depending(test.on).decide(t)
		var order []string
		for _, it := range p.order {
			order = append(order, it.wanted.ID.Name)
		}
		if p.shown() != test.want || test.order != "" && strings.Join(order, " ") != test.order {
			t.Errorf("%s: %s in the order %v; want %s in the order %s", test.name, p.shown(), order, test.want, test.order)
		}
		for _, it := range p.items {
			if i := slices.Index(p.order, it); i < 0 {
				t.Errorf("%s: %s is not in the order", test.name, it.wanted.ID)
			}
		}
	}
}

// A release comes after what it depends on, however many workers there are, and not where that fails.
func TestDependsOnInTheCluster(t *testing.T) {
	b := newBench(t)
	l := &life{bench: b, name: "chain", annotate: func(i int, h *HelmRelease) {
		if i < 3 {
			h.Metadata.Annotations = map[string]string{DependsOn: b.namespace + "/chain-" + string(rune('0'+i+1))}
		}
	}}
	if err := l.many(4, "", simple()); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for i := range 4 {
		name := "chain-" + string(rune('0'+i))
		versions[name] = b.configMap(name+"-one").At("metadata", "creationTimestamp").(string)
	}
	if versions["chain-0"] < versions["chain-3"] {
		t.Errorf("made at %v", versions)
	}
	l.annotate = func(i int, h *HelmRelease) {
		switch i {
		case 0:
			h.Metadata.Annotations = map[string]string{DependsOn: "chain-1"}
		case 1:
			h.Spec.Values = []byte(`{"name":"Not_A_Name"}`)
		}
	}
	if err := l.many(2, `,"values":{"count":2}`, simple()); err != nil {
		t.Fatal(err)
	}
	if a, d := l.results[0], l.results[1]; d.Action != Failed || a.Action != Blocked || a.Code != CodeDependency || !strings.Contains(a.Message, "chain-1, which is failed") {
		t.Errorf("%+v\n%+v", a, d)
	}
}
