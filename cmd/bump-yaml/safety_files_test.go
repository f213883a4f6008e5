package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// SAFETY 13 for policies: lines come and go, in the planned files only, and nothing but the
// annotations is another afterwards. What leaves in the stream is what git-fetch says of the commit.
func TestSafety13OnlyTheAnnotations(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 131))
	server := gitserver.Start(t)
	for round := range 4 {
		name := "fuzz" + strconv.Itoa(round)
		repo, _ := fuzzed(t, rng, server, name)
		mirror := filepath.Join(t.TempDir(), "mirror")
		in := streamWith(t, server.Server, mirror, name, nil)
		for _, args := range [][]string{{"policy", "--lock", "--automate", "--tag-all", "semver:~1, <2", "--all"}, {"policy", "--unlock", "--deautomate", "--tag-all", "*", "--all"}} {
			r := execute(t, context.Background(), in, args...)
			if len(r.images) == 0 {
				continue
			}
			if r.code != 0 || r.commit == nil || !r.commit.Pushed {
				t.Fatalf("%v: exit %d, commit %+v\n%s", args, r.code, r.commit, r.err)
			}
			planned := map[string]bool{}
			for _, e := range r.commit.Edits {
				planned[e.File] = true
			}
			out, err := repo.Git("diff-tree", "-r", "-z", "--no-renames", "--name-only", r.commit.Parent, r.commit.Revision)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
			if len(changed) != len(planned) || slices.ContainsFunc(changed, func(file string) bool { return !planned[file] }) {
				t.Errorf("%v: planned %v, changed %v", args, planned, changed)
			}
			fresh := streamWith(t, server.Server, mirror, name, nil)
			if got, want := manifestsOf(t, r.out, true), manifestsOf(t, fresh, true); !slices.Equal(got, want) {
				t.Errorf("%v: the stream and git differ:\n%s\n%s", args, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if got, want := manifestsOf(t, r.out, false), manifestsOf(t, in, false); !slices.Equal(got, want) {
				t.Errorf("%v: more than annotations changed:\n%s\n%s", args, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			in = fresh
		}
	}
}

// manifestsOf are a stream's manifests as text; without notes, without what policies change in them.
func manifestsOf(t *testing.T, stream []byte, notes bool) (texts []string) {
	t.Helper()
	for reader := jsonl.NewReader(bytes.NewReader(stream)); ; {
		line, err := reader.Next()
		if err != nil {
			return texts
		}
		if line.Type != jsonl.TypeManifest {
			continue
		}
		if notes {
			texts = append(texts, string(line.Raw))
			continue
		}
		var m jsonl.Manifest
		if err := line.Decode(&m); err != nil {
			t.Fatal(err)
		}
		object := object{m}.decoded()
		if meta, ok := object["metadata"].(map[string]any); ok {
			if kept, ok := meta["annotations"].(map[string]any); ok {
				for key := range kept {
					if strings.HasPrefix(key, "fluxcd.io/") {
						delete(kept, key)
					}
				}
				if len(kept) == 0 {
					delete(meta, "annotations")
				}
			}
		}
		texts = append(texts, fmt.Sprint(m.ID, object))
	}
}

// SAFETY 24: picks that lead astray, and a file that would fill the memory, are refused one by one;
// the others go ahead.
func TestSafety24Tricks(t *testing.T) {
	server := gitserver.Start(t)
	var bomb strings.Builder
	bomb.WriteString("apiVersion: v1\nkind: Pod\nmetadata: {name: bomb}\nspec:\n  containers: [{name: app, image: reg.example/app:1}]\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i <= 9; i++ {
		fmt.Fprintf(&bomb, "  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	repo := server.MustCreate("config.git", map[string]string{
		"app.yaml":   "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}]}}\n",
		"bomb.yaml":  bomb.String(),
		"dir/x.yaml": "x: 1\n",
	})
	server.MustCommit(repo, gitserver.Change{Links: map[string]string{"out.yaml": "../../etc/passwd", "abs.yaml": "/etc/passwd", "round.yaml": "round.yaml"}})
	in := streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), "config", "reg.example/app:2", "Pod/app")
	good := in[bytes.LastIndex(in, []byte(`{"type":"pick"`)):]
	files := []string{"../app.yaml", "/etc/passwd", ".git/config", "dir/../../app.yaml", "out.yaml", "abs.yaml", "round.yaml", "dir", "bomb.yaml", "nowhere.yaml"}
	for _, file := range files {
		in = append(in, bytes.ReplaceAll(good, []byte(`"file":"app.yaml"`), []byte(`"file":"`+file+`"`))...)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := execute(t, context.Background(), in)
	runtime.ReadMemStats(&after)
	if spent := (after.TotalAlloc - before.TotalAlloc) >> 20; spent > 400 { // 100, 300 under the race detector
		t.Errorf("%d MiB were spent", spent)
	}
	if r.code != stage.CodePartly || r.commit == nil || !r.commit.Pushed || len(r.commit.Edits) != 1 || r.images["Pod/app"] != "reg.example/app:2" {
		t.Errorf("exit %d, commit %+v\n%s", r.code, r.commit, r.err)
	}
	var refused []string
	for _, e := range r.failures {
		if e.File != "" {
			refused = append(refused, e.File)
		}
	}
	for _, file := range files {
		if !slices.Contains(refused, file) {
			t.Errorf("%s was not refused: %v", file, refused)
		}
	}
}

// SAFETY 17: an object of the mirror whose content is another one's is noticed, and nothing is pushed.
func TestSafety17PoisonedMirror(t *testing.T) {
	server := gitserver.Start(t)
	repo := server.MustCreate("config.git", map[string]string{
		"app.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}]}}\n",
	})
	before, _ := repo.Tip("")
	mirror := filepath.Join(t.TempDir(), "mirror")
	in := streamOf(t, server.Server, mirror, "config", "reg.example/app:2", "Pod/app")
	blob, err := repo.Git("rev-parse", "main:app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var poison bytes.Buffer
	w := zlib.NewWriter(&poison)
	text := "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}], hostNetwork: true}}\n"
	fmt.Fprintf(w, "blob %d\x00%s", len(text), text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(mirror, "config", "objects", blob[:2])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, blob[2:]), poison.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := execute(t, context.Background(), in)
	if tip, _ := repo.Tip(""); tip != before || r.code != stage.CodePartly || len(r.failures) != 1 || r.failures[0].Code != "bad-mirror" {
		t.Errorf("exit %d, main at %s, failures %+v\n%s", r.code, tip, r.failures, r.err)
	}
}

// Five thousand manifests, of which one is edited: the others pass byte for byte, and nobody looks at
// their files, which would not even parse.
func TestOthersPass(t *testing.T) {
	const others = 4999
	server := gitserver.Start(t)
	files := map[string]string{
		"app/app.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}]}}\n",
	}
	var lines bytes.Buffer
	for i := range others {
		name := fmt.Sprintf("rest/%04d.yaml", i)
		files[name] = "{{ no yaml: [" + strconv.Itoa(i) + "\n"
		fmt.Fprintf(&lines, `{"type":"manifest",  "source":"big","file":%q,"doc":0,"line":1,"id":"ConfigMap/c%d","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c%d"}},"sum":"sha256:0","unknown":[1.0]}`+"\n", name, i, i)
	}
	server.MustCreate("big.git", files)
	var in bytes.Buffer
	if err := fetch(&in, server.Server, filepath.Join(t.TempDir(), "mirror"), "big", []string{"app"}); err != nil {
		t.Fatal(err)
	}
	picks, err := pickFor(in.Bytes(), "Pod/app", "app", "reg.example/app:2")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(in.String(), "http://git.example", server.HTTP())
	text = strings.Replace(text, `"wrote":1`, fmt.Sprintf(`"wrote":%d`, others+1), 1)
	end := strings.Index(text, `{"type":"end"`)
	server.ResetCounts()
	r := execute(t, context.Background(), []byte(text[:end]+lines.String()+text[end:]+string(picks)))
	if r.code != 0 || r.commit == nil || !r.commit.Pushed || r.images["Pod/app"] != "reg.example/app:2" {
		t.Errorf("exit %d, commit %+v\n%s", r.code, r.commit, r.err)
	}
	if !bytes.Contains(r.out, lines.Bytes()) {
		t.Error("the other manifests did not pass as they were")
	}
	if got := server.Counts(); got != (gitserver.Counts{Refs: 2, Pushes: 1}) {
		t.Errorf("requests: %+v", got)
	}
}
