package helmrel

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// paper is a run on paper: what is wanted, what the inventory holds, what the cluster has.
type paper struct {
	wanted    []string // source/name=release; a name with "?" cannot be read
	whole     []string // sources that are here and whole
	cut       []string // sources that are here and not whole
	dropped   []string
	inventory []string // source/name=release
	cluster   []string // name=release status; "~" instead of a name: made by hand
	prune     bool
	change    func(*Run)
}

func (p paper) decide(t *testing.T) (*Run, *plan) {
	t.Helper()
	r := &Run{Inventory: ID{"ops", "default"}, Prune: p.prune, Dropped: p.dropped}
	inv := &kube.Inventory{Entries: map[kube.ID]*kube.Entry{}, Sources: map[string]kube.SourceState{}}
	for _, text := range p.inventory {
		source, name, release := cut3(text)
		id := entryID(ReleaseID{"ns", release})
		inv.Entries[id] = &kube.Entry{ID: id, Source: source, Extra: map[string]string{extraOwner: "ns/" + name}}
	}
	histories := map[ReleaseID]History{}
	for _, text := range p.cluster {
		name, rest, _ := strings.Cut(text, "=")
		release, status, _ := strings.Cut(rest, " ")
		revision := Revision{Version: 1, Status: status, Digest: "d", Inventory: "ops.default", Owner: "ns." + name}
		if status, byHand := strings.CutSuffix(status, " by-hand"); byHand {
			revision.Status, revision.Digest = status, ""
		}
		if name == "~" {
			revision = Revision{Version: 1, Status: status}
		}
		histories[ReleaseID{"ns", release}] = History{revision}
	}
	for _, text := range p.wanted {
		source, name, release := cut3(text)
		w := Wanted{Source: source, ID: ID{"ns", strings.TrimSuffix(name, "?")}}
		if strings.HasSuffix(name, "?") {
			w.Fault = errors.New("unreadable")
		} else {
			w.Release = &HelmRelease{Metadata: Metadata{Name: name, Namespace: "ns"}, Spec: Spec{ReleaseName: release}}
		}
		r.Wanted = append(r.Wanted, w)
		r.ready = append(r.ready, &prepared{chart: &Chart{}, digest: "d"})
	}
	for _, source := range p.whole {
		r.From = append(r.From, kube.Source{Name: source, Whole: true})
	}
	for _, source := range p.cut {
		r.From = append(r.From, kube.Source{Name: source})
	}
	if p.change != nil {
		p.change(r)
	}
	plan := &plan{inventory: inv, histories: histories, states: map[string]kube.SourceState{}}
	plan.decide(r)
	return r, plan
}

func cut3(text string) (source, name, release string) {
	source, rest, _ := strings.Cut(text, "/")
	name, release, _ = strings.Cut(rest, "=")
	return source, name, release
}

// shown is the plan as words: what becomes of each, and what is forgotten.
func (p *plan) shown() string {
	var words []string
	for _, it := range p.items {
		word := string(it.decision.Step)
		if it.result != nil {
			word = string(it.result.Action)
		}
		words = append(words, it.wanted.ID.Name+":"+word)
	}
	for _, u := range p.removals {
		word := "uninstall"
		if u.result != nil {
			word = string(u.result.Action)
		}
		words = append(words, "-"+u.release.Name+":"+word)
	}
	for _, id := range p.forget {
		words = append(words, "forget:"+id.Name)
	}
	return strings.Join(words, " ")
}

// Of eleven releases ten may go at once, and all where a person has confirmed the plan.
func TestBrakeHoldsUninstallsBack(t *testing.T) {
	all := paper{whole: []string{"a"}, prune: true}
	for _, name := range strings.Fields("a b c d e f g h i j k") {
		all.inventory = append(all.inventory, "a/"+name+"="+name)
		all.cluster = append(all.cluster, name+"="+name+" deployed")
	}
	_, p := all.decide(t)
	if p.braked == nil || !p.quiet() || strings.Count(p.shown(), ":held") != 11 {
		t.Fatalf("braked %v: %s", p.braked, p.shown())
	}
	digest := regexp.MustCompile(`digest is ([0-9a-f]{20})`).FindStringSubmatch(p.braked.Message)[1]
	confirmed := all
	confirmed.change = func(r *Run) { r.Brake.Confirm = digest }
	if _, p := confirmed.decide(t); p.braked != nil || strings.Count(p.shown(), ":uninstall") != 11 {
		t.Errorf("confirmed: %v, %s", p.braked, p.shown())
	}
	fewer := all
	fewer.inventory, fewer.cluster = all.inventory[:10], all.cluster[:10]
	if _, p := fewer.decide(t); p.braked != nil || strings.Count(p.shown(), ":uninstall") != 10 {
		t.Errorf("ten: %v, %s", p.braked, p.shown())
	}
	fewer.change = confirmed.change
	if _, p := fewer.decide(t); p.braked == nil || p.braked.Code != "prune-unconfirmed" {
		t.Errorf("the digest of another plan: %v, %s", p.braked, p.shown())
	}
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		name  string
		paper paper
		want  string
	}{
		{"new", paper{wanted: []string{"a/app=x"}, whole: []string{"a"}}, "app:install"},
		{"as wanted", paper{wanted: []string{"a/app=x"}, whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}}, "app:unchanged"},
		{"same name twice", paper{wanted: []string{"a/app=x", "b/app=y", "b/other=z"}, whole: []string{"a", "b"}}, "app:failed app:failed other:install"},
		{"same release twice", paper{wanted: []string{"a/one=x", "a/two=x"}, whole: []string{"a"}}, "one:blocked two:blocked"},
		{"same release twice, one has it", paper{wanted: []string{"a/one=x", "a/two=x"}, whole: []string{"a"}, inventory: []string{"a/two=x"}, cluster: []string{"two=x deployed"}}, "one:blocked two:unchanged"},

		{"gone", paper{whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "-x:uninstall"},
		{"gone, no prune", paper{whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}}, ""},
		{"gone from what is not whole", paper{cut: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "-x:held"},
		{"of a source that is not here", paper{whole: []string{"b"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, ""},
		{"of a dropped source", paper{whole: []string{"b"}, dropped: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "-x:uninstall"},
		{"gone, and the release too", paper{whole: []string{"a"}, inventory: []string{"a/app=x"}, prune: true}, "forget:x"},
		{"gone, uninstalled with its history kept", paper{whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x uninstalled"}, prune: true}, "forget:x"},
		{"gone in the middle of an upgrade", paper{whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x pending-upgrade"}, prune: true}, "-x:uninstall"},
		{"gone while somebody's Helm is at work", paper{whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x pending-upgrade by-hand"}, prune: true}, "-x:blocked"},
		{"gone, somebody else's by now", paper{whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"other=x deployed"}, prune: true}, "-x:unchanged forget:x"},
		{"gone, made anew by hand", paper{whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"~=x deployed"}, prune: true}, "-x:unchanged forget:x"},

		{"unreadable is not gone", paper{wanted: []string{"a/app?="}, whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "app:failed"},
		{"another release name", paper{wanted: []string{"a/app=y"}, whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "app:install"},
		{"another HelmRelease name", paper{wanted: []string{"a/new=x"}, whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "new:upgrade"},
		{"the same, but who knows whether the old one is gone", paper{wanted: []string{"a/new=x"}, cut: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "new:blocked"},
		{"moved to another source", paper{wanted: []string{"b/app=x"}, whole: []string{"a", "b"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "app:unchanged"},
		{"taken by another source", paper{wanted: []string{"b/app=x"}, whole: []string{"b"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}, prune: true}, "app:failed"},
		{"made by hand", paper{wanted: []string{"a/app=x"}, whole: []string{"a"}, cluster: []string{"~=x deployed"}}, "app:blocked"},
		{"made by hand, adopted", paper{wanted: []string{"a/app=x"}, whole: []string{"a"}, cluster: []string{"~=x deployed"}, change: func(r *Run) { r.Adopt = true }}, "app:upgrade"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, p := test.paper.decide(t); p.shown() != test.want {
				t.Errorf("got %q, want %q", p.shown(), test.want)
			}
		})
	}
}

// Without --prune no removal is ever planned, whatever the rest.
func TestNoPruneNoRemoval(t *testing.T) {
	states := []string{"app=x deployed", "app=x failed", "other=x deployed", "~=x deployed", "app=x pending-upgrade"}
	for _, cluster := range states {
		for _, wanted := range [][]string{nil, {"a/other=y"}, {"b/app=x"}} {
			for _, sources := range [][]string{{"a"}, {"a", "b"}, {"b"}} {
				_, p := paper{wanted: wanted, whole: sources, dropped: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{cluster}}.decide(t)
				if len(p.removals) > 0 {
					t.Errorf("%s, %v, %v: %s", cluster, wanted, sources, p.shown())
				}
			}
		}
	}
}

func TestQuiet(t *testing.T) {
	settled := paper{wanted: []string{"a/app=x"}, whole: []string{"a"}, inventory: []string{"a/app=x"}, cluster: []string{"app=x deployed"}}
	if _, p := settled.decide(t); !p.quiet() {
		t.Errorf("there is something to write: %s, %v", p.shown(), p.states)
	}
	for name, change := range map[string]func(*Run){
		"a new source state": func(r *Run) { r.From[0].State.Manifests = 1 },
		"sync_only": func(r *Run) {
			r.Wanted[0].Release.Metadata.Annotations = map[string]string{"fluxcd.io/ignore": "sync_only"}
		},
	} {
		other := settled
		other.change = change
		if _, p := other.decide(t); p.quiet() {
			t.Errorf("%s is not noted", name)
		}
	}
	settled.inventory = nil
	if _, p := settled.decide(t); p.quiet() {
		t.Error("a release that the inventory lacks is not noted")
	}
}

func TestCheckSources(t *testing.T) {
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	before := kube.SourceState{Fetched: noon, Revision: "r", Tool: "git-fetch 1", Manifests: 3, Paths: []string{"p"}}
	for _, test := range []struct {
		name   string
		now    func(*kube.SourceState)
		change func(*Run)
		code   string
	}{
		{"the same", func(*kube.SourceState) {}, nil, ""},
		{"later", func(s *kube.SourceState) { s.Fetched = noon.Add(1) }, nil, ""},
		{"earlier", func(s *kube.SourceState) { s.Fetched = noon.Add(-1) }, nil, "stale"},
		{"earlier, replayed", func(s *kube.SourceState) { s.Fetched = noon.Add(-1) }, func(r *Run) { r.Replay = true }, ""},
		{"fewer", func(s *kube.SourceState) { s.Manifests = 2 }, nil, "fewer"},
		{"fewer, no prune", func(s *kube.SourceState) { s.Manifests = 2 }, func(r *Run) { r.Prune = false }, ""},
		{"fewer, allowed", func(s *kube.SourceState) { s.Manifests = 2 }, func(r *Run) { r.AllowFewer = true }, ""},
		{"fewer, not whole", func(s *kube.SourceState) { s.Manifests = 2 }, func(r *Run) { r.From[0].Whole = false }, ""},
		{"fewer at another revision", func(s *kube.SourceState) { s.Manifests, s.Revision = 2, "q" }, nil, ""},
		{"fewer by another program", func(s *kube.SourceState) { s.Manifests, s.Tool = 2, "git-fetch 2" }, nil, ""},
		{"fewer of other paths", func(s *kube.SourceState) { s.Manifests, s.Paths = 2, nil }, nil, ""},
	} {
		now := before
		test.now(&now)
		r := &Run{Prune: true, From: []kube.Source{{Name: "a", State: now, Whole: true}}}
		if test.change != nil {
			test.change(r)
		}
		err := r.checkSources(&kube.Inventory{Sources: map[string]kube.SourceState{"a": before}})
		var refused *kube.RefusedError
		code := ""
		if errors.As(err, &refused) {
			code = refused.Code
		}
		if code != test.code {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestDecideState(t *testing.T) {
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	before := kube.SourceState{Fetched: noon, Revision: "r", Manifests: 3}
	for _, test := range []struct {
		name  string
		from  kube.Source
		known bool
		want  string // revision, manifests, minutes after noon; empty for nothing to note
	}{
		{"the same, later", kube.Source{Whole: true, State: kube.SourceState{Fetched: noon.Add(time.Minute), Revision: "r", Manifests: 3}}, true, ""},
		{"a new revision", kube.Source{Whole: true, State: kube.SourceState{Fetched: noon.Add(time.Minute), Revision: "q", Manifests: 3}}, true, "q 3 1"},
		{"a replay", kube.Source{Whole: true, State: kube.SourceState{Fetched: noon.Add(-time.Minute), Revision: "q", Manifests: 3}}, true, "q 3 0"},
		{"not whole", kube.Source{State: kube.SourceState{Fetched: noon.Add(time.Minute), Revision: "q", Manifests: 1}}, true, ""},
		{"new", kube.Source{Whole: true, State: kube.SourceState{Fetched: noon, Revision: "q", Manifests: 1}}, false, "q 1 0"},
		{"new and not whole", kube.Source{State: kube.SourceState{Fetched: noon, Revision: "q", Manifests: 1}}, false, " 0 0"},
		{"new without a HelmRelease", kube.Source{Whole: true, State: kube.SourceState{Fetched: noon, Revision: "q"}}, false, ""},
	} {
		test.from.Name = "a"
		p := &plan{inventory: &kube.Inventory{Sources: map[string]kube.SourceState{}}, states: map[string]kube.SourceState{}}
		if test.known {
			p.inventory.Sources["a"] = before
		}
		p.decideState(test.from)
		got := ""
		if s, ok := p.states["a"]; ok {
			got = fmt.Sprintf("%s %d %.0f", s.Revision, s.Manifests, s.Fetched.Sub(noon).Minutes())
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestExplain(t *testing.T) {
	for _, test := range []struct {
		err  error
		code string
		hint string
	}{
		{errors.New("x"), "failed", ""},
		{&Fault{Code: "chart", Err: errors.New("x")}, "chart", ""},
		{&Fault{Code: "chart", Err: fmt.Errorf("x: %w", &MissingDependency{Name: "db"})}, "missing-dependency", "helm dependency build"},
		{&Fault{Code: "chart", Err: &UntrustedHost{"example.com", errors.New("x")}}, "chart", "--chart-host example.com"},
		{fmt.Errorf("http is not encrypted: %w", ErrRefused), "refused-url", "--insecure-host"},
		{fmt.Errorf("x: %w", ErrRefused), "refused-url", ""},
		{&Fault{Code: "helm", Err: errors.New(`namespaces "x" not found`)}, "helm", "make the namespace"},
		{&Fault{Code: "helm", Err: errors.New("field is immutable")}, "helm", "cannot be changed in place"},
		{&kube.Error{Code: "unreachable", Hint: "h", Err: errors.New("x")}, "unreachable", "h"},
	} {
		code, hint := Explain(test.err)
		if code != test.code || !strings.Contains(hint, test.hint) || test.hint == "" && hint != "" {
			t.Errorf("%v: %s, %q", test.err, code, hint)
		}
	}
}

// Results come in the order of what is wanted, however the work finishes.
func TestReportsInOrder(t *testing.T) {
	var got []int
	r := &Run{Report: func(result Result) { got = append(got, result.Index) }}
	o := &inOrder{run: r, waiting: make([]*Result, 5), total: 5}
	for _, i := range []int{2, 0, 4, 1} {
		o.done(&Result{Index: i})
	}
	o.rest() // 3 was never done: the run was stopped
	if !slices.Equal(got, []int{0, 1, 2, 4}) {
		t.Errorf("reported %v", got)
	}
}
