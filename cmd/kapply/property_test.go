package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "run the one random sequence of this seed")
	modelTime = flag.Duration("model.time", modelDefault(), "run random sequences for so long; $MODEL_TIME is the default")
)

func modelDefault() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("MODEL_TIME")); err == nil {
		return d
	}
	return 15 * time.Second
}

// Random sequences of streams and of what others do in the cluster meanwhile, against the model: after
// each step the cluster holds what the model says, and what nobody asked for is untouched.
func TestPropertyClusterEqualsModel(t *testing.T) {
	kubetest.Shared(t)
	if *modelSeed != 0 {
		newSequence(t, *modelSeed).play(1 << 30)
		return
	}
	began, sequences, steps := time.Now(), atomic.Int64{}, atomic.Int64{}
	var players sync.WaitGroup
	for range 3 {
		players.Go(func() {
			for time.Since(began) < *modelTime && !t.Failed() {
				seed := rand.Uint64()
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
					steps.Add(int64(newSequence(t, seed).play(*modelTime - time.Since(began))))
				})
				sequences.Add(1)
			}
		})
	}
	players.Wait()
	t.Logf("%d sequences, %d steps", sequences.Load(), steps.Load())
}

// sequence is one play.
type sequence struct {
	*world
	*rand.Rand
	seed     uint64
	model    model
	killer   *killer
	direct   string // kubeconfig
	proxied  string
	minute   int
	revision map[string]int
	fresh    int
	log      []string
}

const stepsOfASequence = 14

var (
	modelKinds   = map[string]string{"ConfigMap": "configmaps", "Secret": "secrets", "Service": "services"}
	modelKeys    = []string{"ConfigMap/a", "ConfigMap/b", "ConfigMap/c", "Secret/a", "Secret/b", "Service/a", "Service/b"}
	modelSources = []string{"one", "two", "three"}
)

func newSequence(t *testing.T, seed uint64) *sequence {
	s := &sequence{world: newWorld(t), Rand: rand.New(rand.NewPCG(seed, 0)), seed: seed, killer: &killer{left: 1 << 30}, revision: map[string]int{}}
	s.model = model{git: map[string]map[string]spec{}, live: map[string]*thing{}, entries: map[string]entry{}}
	for _, source := range modelSources {
		s.model.git[source] = map[string]spec{}
	}
	s.direct = s.kubeconfig
	s.through(s.killer.handle)
	s.proxied, s.kubeconfig = s.kubeconfig, s.direct
	return s
}

// play makes steps until the sequence or the time is over.
func (s *sequence) play(limit time.Duration) (steps int) {
	s.Cleanup(func() {
		if s.Failed() {
			s.Logf("again: go test ./cmd/kapply -run TestPropertyClusterEqualsModel -model.seed %d\n%s", s.seed, strings.Join(s.log, "\n"))
		}
	})
	s.standBy()
	for range 12 {
		s.changeGit()
	}
	for began := time.Now(); steps < stepsOfASequence && (steps == 0 || time.Since(began) < limit); steps++ {
		for range s.IntN(5) {
			s.changeGit()
		}
		for range s.IntN(3) {
			s.disturb()
		}
		s.step()
	}
	return steps
}

func (s *sequence) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func pick[T any](s *sequence, from []T) T { return from[s.IntN(len(from))] }

func (s *sequence) value() string {
	s.fresh++
	return fmt.Sprintf("v%d", s.fresh)
}

// standBy makes objects that are nobody's business, with the marks of ours copied onto them.
func (s *sequence) standBy() {
	for i, key := range []string{"ConfigMap/bystander", "Secret/bystander"} {
		kind, name, _ := strings.Cut(key, "/")
		body := fmt.Sprintf("metadata: {name: %s, labels: {v: none, sluice.dev/inventory: %s.default}}", name, s.namespace)
		if i == 1 {
			body = fmt.Sprintf("metadata: {name: %s, labels: {v: none}, annotations: {sluice.dev/inventory: %s/default}}", name, s.namespace)
		}
		o := s.cluster.Must(s, "POST", s.path(modelKinds[kind], ""), body)
		s.model.live[key] = &thing{value: "none", uid: text(o, "uid"), bystander: text(o, "resourceVersion")}
	}
}

func text(o kubetest.Object, field string) string {
	value, _ := o.At("metadata", field).(string)
	return value
}

// changeGit makes one commit.
func (s *sequence) changeGit() {
	source, key := pick(s, modelSources), pick(s, modelKeys)
	git := s.model.git[source]
	s.revision[source]++
	_, there := git[key]
	switch action := s.IntN(10); {
	case action < 5 && !there && s.elsewhere(key) && s.IntN(4) > 0:
		return // two sources that want one object are an accident
	case action < 5:
		git[key] = spec{value: s.value(), ignore: git[key].ignore}
		s.note("git: %s has %s at %s", source, key, git[key].value)
	case action < 7:
		delete(git, key)
		s.note("git: %s without %s", source, key)
	case action == 7 && there: // it moves
		other := pick(s, modelSources)
		spec := git[key]
		delete(git, key)
		s.model.git[other][key] = spec
		s.revision[other]++
		s.note("git: %s moves from %s to %s", key, source, other)
	case action == 8 && there:
		git[key] = spec{value: git[key].value, ignore: pick(s, []string{"", "true", "sync_only"})}
		s.note("git: %s of %s says ignore %q", key, source, git[key].ignore)
	case there: // it gets another name
		other := pick(s, modelKeys)
		if !s.elsewhere(other) {
			git[other] = git[key]
		}
		delete(git, key)
		s.note("git: %s of %s is now %s", key, source, other)
	}
}

func (s *sequence) elsewhere(key string) bool {
	return slices.ContainsFunc(modelSources, func(source string) bool { _, there := s.model.git[source][key]; return there })
}

// disturb does something behind the programs' back.
func (s *sequence) disturb() {
	key := pick(s, modelKeys)
	kind, name, _ := strings.Cut(key, "/")
	path := s.path(modelKinds[kind], name)
	t := s.model.live[key]
	set := func(manager, metadata string) {
		s.cluster.Must(s, "PATCH", path+"?force=true&fieldManager="+manager,
			fmt.Sprintf("{apiVersion: v1, kind: %s, metadata: {name: %s, %s}}", kind, name, metadata))
	}
	switch action := s.IntN(7); {
	case t == nil:
		if action == 0 {
			s.create(key)
		}
	case action == 0:
		s.note("others: edit %s", key)
		t.value, t.helm = s.value(), false
		set("kubectl-edit", "labels: {v: "+t.value+"}")
	case action == 1:
		s.note("others: delete %s", key)
		s.cluster.Must(s, "DELETE", path, "")
		delete(s.model.live, key)
	case action == 2:
		s.cluster.Must(s, "DELETE", path, "")
		s.create(key)
	case action == 3:
		t.ignore = pick(s, []string{"true", "sync_only"})
		s.note("others: %s says ignore %s", key, t.ignore)
		t.theirs = true
		set("kubectl-annotate", "annotations: {fluxcd.io/ignore: '"+t.ignore+"'}")
	case action == 4 && t.ignore != "":
		s.note("others: %s says ignore no more", key)
		t.ignore, t.theirs = "", false
		s.cluster.Must(s, "PATCH", path, `{"metadata": {"annotations": {"fluxcd.io/ignore": null}}}`)
	case action == 5:
		s.note("others: helm sets %s", key)
		t.value, t.helm = s.value(), true
		set("helm", "labels: {v: "+t.value+"}")
	}
}

// create makes an object as a person would.
func (s *sequence) create(key string) {
	kind, name, _ := strings.Cut(key, "/")
	s.note("others: create %s", key)
	body := fmt.Sprintf("metadata: {name: %s, labels: {v: foreign}}\n", name)
	if kind == "Service" {
		body += "spec: {ports: [{port: 80}]}\n"
	}
	s.cluster.Must(s, "POST", s.path(modelKinds[kind], "")+"?fieldManager=kubectl-create", body)
	s.model.live[key] = &thing{value: "foreign"}
}

// step runs kapply once, in one of the ways in which it is run.
func (s *sequence) step() {
	s.minute++
	parts, input := s.stream()
	args := []string{"--prune", "--max-prune", "100%", "--events=false"}
	prune := s.IntN(6) > 0
	if !prune {
		args = args[3:]
	}
	if s.IntN(5) == 0 {
		parts, input = s.cut(parts, input)
	}
	before := s.look()
	var rehearsed map[string]string
	if s.IntN(4) == 0 {
		o := s.run(input, append(args, "--dry-run")...)
		rehearsed = s.said(o)
		if after := s.look(); !maps.Equal(before, after) {
			s.Fatalf("a dry run changed something:\n%v\n%v", before, after)
		}
	}
	if s.IntN(4) == 0 {
		s.kill(input, args)
		rehearsed = nil
	}
	names := []string{}
	for _, p := range parts {
		names = append(names, fmt.Sprintf("%s (whole: %v, %d objects)", p.source, p.whole, len(p.specs)))
	}
	s.note("run %v: %s", args, strings.Join(names, ", "))
	good := s.model.run(parts, prune)
	o := s.run(input, args...)
	s.compare(o)
	if rehearsed != nil && !maps.Equal(rehearsed, s.said(o)) {
		s.Fatalf("the dry run said\n%v, the run\n%v", rehearsed, s.said(o))
	}
	if allowed := []int{4, 5}; good && o.code != 0 && prune || !good && !slices.Contains(allowed, o.code) {
		s.Fatalf("exit code %d, all well: %v\n%s", o.code, good, o.stderr)
	}
	if good && prune && s.IntN(3) == 0 {
		if writes := s.writes(func() { s.run(input, args...) }); len(writes) > 0 {
			s.Fatalf("the same again writes: %v", writes)
		}
	}
}

// said are the actions of a run. Half a line that came in goes out as it is.
func (s *sequence) said(o outcome) map[string]string {
	var whole strings.Builder
	for line := range strings.Lines(o.stdout) {
		if json.Valid([]byte(line)) {
			whole.WriteString(line)
		}
	}
	o.stdout = whole.String()
	return s.actions(o)
}

// stream is what some of the sources hold now; a file of one may be broken.
func (s *sequence) stream() (parts []part, input []byte) {
	for _, source := range modelSources {
		if s.IntN(4) == 0 {
			continue
		}
		p := part{source: source, specs: maps.Clone(s.model.git[source]), whole: s.IntN(8) > 0}
		if !p.whole {
			for _, key := range slices.Sorted(maps.Keys(p.specs)) {
				if s.IntN(2) == 0 {
					delete(p.specs, key)
				}
			}
		}
		parts = append(parts, p)
	}
	return parts, s.encode(parts)
}

func (s *sequence) encode(parts []part) []byte {
	var all []fetched
	for _, p := range parts {
		f := fetched{name: p.source, revision: fmt.Sprintf("%040d", s.revision[p.source]), at: script.Noon.Add(time.Duration(s.minute) * time.Minute), lost: !p.whole}
		for _, key := range slices.Sorted(maps.Keys(p.specs)) {
			f.yaml = append(f.yaml, manifestOf(key, p.specs[key]))
		}
		all = append(all, f)
	}
	return stream(all...)
}

func manifestOf(key string, want spec) string {
	kind, name, _ := strings.Cut(key, "/")
	annotations := ""
	if want.ignore != "" {
		annotations = ", annotations: {fluxcd.io/ignore: '" + want.ignore + "'}"
	}
	text := fmt.Sprintf("apiVersion: v1\nkind: %s\nmetadata: {name: %s, labels: {v: %s}%s}\n", kind, name, want.value, annotations)
	switch kind {
	case "ConfigMap":
		text += "data: {value: " + want.value + "}\n"
	case "Secret":
		text += "stringData: {value: " + want.value + "}\n"
	case "Service":
		text += "spec: {ports: [{port: 80}]}\n"
	}
	return text
}

// cut ends the stream somewhere after its first source. Nothing of it is whole then, unless the place
// is the end of one fetch.
func (s *sequence) cut(parts []part, input []byte) ([]part, []byte) {
	lines := bytes.SplitAfter(input, []byte("\n"))
	if len(parts) == 0 {
		return parts, input
	}
	keep := 2 + s.IntN(len(lines)-2)
	var left []part
	clean := false
	for _, line := range lines[:keep] {
		var record struct {
			Type, Name, Source string
			Object             struct {
				Kind     string
				Metadata struct{ Name string }
			}
		}
		_ = json.Unmarshal(line, &record)
		clean = record.Type == "end"
		switch record.Type {
		case "source":
			left = append(left, part{source: record.Name, specs: map[string]spec{}})
		case "manifest":
			key := record.Object.Kind + "/" + record.Object.Metadata.Name
			i := len(left) - 1
			left[i].specs[key] = parts[i].specs[key]
		}
	}
	input = bytes.Join(lines[:keep], nil)
	if clean {
		for i := range left {
			left[i].whole = parts[i].whole
		}
	}
	if !clean && s.IntN(2) == 0 { // in the middle of a line
		next := lines[min(keep, len(lines)-1)]
		input = append(input, next[:len(next)/2]...)
	}
	s.note("cut after line %d of %d", keep, len(lines)-1)
	return left, input
}

// kill begins a run and kills it at some request; what follows must make it good.
func (s *sequence) kill(input []byte, args []string) {
	s.kubeconfig = s.proxied
	command := s.command(input, append(args, "--concurrency", "2")...)
	s.kubeconfig = s.direct
	at := 1 + s.IntN(25)
	s.killer.arm(at, command)
	err := command.Run()
	s.killer.disarm()
	s.expireLease()
	s.note("killed at request %d: %v", at, err)
}

// look gives the resourceVersion of everything in the namespace that could be touched.
func (s *sequence) look() map[string]string {
	found := map[string]string{}
	for kind, resource := range modelKinds {
		for _, o := range s.list(resource) {
			if text(o, "name") != "kube-root-ca.crt" {
				found[kind+"/"+text(o, "name")] = text(o, "resourceVersion")
			}
		}
	}
	return found
}

func (s *sequence) list(resource string) []kubetest.Object {
	items, _ := s.cluster.Must(s, "GET", s.path(resource, ""), "").At("items").([]any)
	var objects []kubetest.Object
	for _, item := range items {
		objects = append(objects, kubetest.Object(item.(map[string]any)))
	}
	return objects
}

// compare looks at the cluster and at the inventory.
func (s *sequence) compare(o outcome) {
	s.Helper()
	found := model{live: map[string]*thing{}, entries: s.readEntries()}
	for kind, resource := range modelKinds {
		for _, o := range s.list(resource) {
			name := text(o, "name")
			if name == "kube-root-ca.crt" || strings.HasPrefix(name, "sluice-") {
				continue
			}
			t := &thing{uid: text(o, "uid"), bystander: text(o, "resourceVersion")}
			t.value, _ = o.At("metadata", "labels", "v").(string)
			t.ignore, _ = o.At("metadata", "annotations", "fluxcd.io/ignore").(string)
			found.live[kind+"/"+name] = t
		}
	}
	if got, want := found.String(), s.model.String(); got != want {
		s.Fatalf("the cluster holds\n%s\n\nand should hold\n%s\n\n%s", got, want, o.stderr)
	}
	for key, t := range s.model.live {
		seen := found.live[key]
		switch {
		case t.uid != "" && t.uid != seen.uid:
			s.Fatalf("%s is another one", key)
		case t.bystander != "" && t.bystander != seen.bystander:
			s.Fatalf("%s was touched", key)
		}
		t.uid = seen.uid
	}
	for key, e := range s.model.entries {
		uid := ""
		if e.mine != nil {
			uid = e.mine.uid
		}
		if found.entries[key].uid != uid {
			s.Fatalf("the inventory has UID %q of %s, want %q", found.entries[key].uid, key, uid)
		}
	}
}

// readEntries reads the inventory.
func (s *sequence) readEntries() map[string]entry {
	entries := map[string]entry{}
	object := s.cluster.Must(s, "GET", s.path("configmaps", "sluice-kapply-default"), "")
	lines, _ := object.At("data", "entries").(string)
	var group struct{ Source, Kind string }
	for line := range strings.Lines(lines) {
		var columns []string
		if json.Unmarshal([]byte(line), &columns) != nil {
			group.Kind = ""
			if err := json.Unmarshal([]byte(line), &group); err != nil {
				s.Fatal(err)
			}
			continue
		}
		e := entry{source: group.Source}
		if len(columns) > 2 {
			e.uid = columns[2]
		}
		entries[group.Kind+"/"+columns[1]] = e
	}
	return entries
}
