package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/stage"
	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// result is how a run ended.
type result struct {
	code        int
	out         []byte
	err         string
	commit      *jsonl.Commit
	failures    []jsonl.Error
	images      map[string]string // first images of the manifests that came out, by ID
	sourceAfter string            // revision
}

// execute runs the program in this process.
func execute(t testing.TB, ctx context.Context, in []byte, args ...string) result {
	t.Helper()
	home := t.TempDir()
	var out, errs bytes.Buffer
	code := stage.Exec(ctx, app, stage.Env{
		Args: args, Stdin: bytes.NewReader(in), Stdout: &out, Stderr: &errs, Version: script.Version,
		Now: func() time.Time { return script.Noon },
		Getenv: func(name string) string {
			return map[string]string{"HOME": home, "GIT_CONFIG_NOSYSTEM": "1"}[name]
		},
	})
	r := result{code: code, out: out.Bytes(), err: errs.String(), images: map[string]string{}}
	for reader := jsonl.NewReader(bytes.NewReader(r.out)); ; {
		line, err := reader.Next()
		if err != nil {
			return r
		}
		switch line.Type {
		case jsonl.TypeCommit:
			r.commit = &jsonl.Commit{}
			if err := line.Decode(r.commit); err != nil {
				t.Fatal(err)
			}
		case jsonl.TypeError:
			var e jsonl.Error
			if err := line.Decode(&e); err != nil {
				t.Fatal(err)
			}
			r.failures = append(r.failures, e)
		case jsonl.TypeSource:
			var s jsonl.Source
			if err := line.Decode(&s); err != nil {
				t.Fatal(err)
			}
			r.sourceAfter = s.Revision
		case jsonl.TypeManifest:
			var m jsonl.Manifest
			if err := line.Decode(&m); err != nil {
				t.Fatal(err)
			}
			r.images[m.ID] = firstImage(m)
		}
	}
}

func firstImage(m jsonl.Manifest) string {
	image, _ := follow(object{m}.decoded(), []any{"spec", "containers", 0, "image"}).(string)
	return image
}

// streamOf is the stream of a source, with a pick of the same image for each of the IDs.
func streamOf(t *testing.T, s *gitserver.Server, mirror, name, to string, ids ...string) []byte {
	t.Helper()
	images := map[string]string{}
	for _, id := range ids {
		images[id] = to
	}
	return streamWith(t, s, mirror, name, images)
}

// streamWith is the stream of a source, with picks of new images by ID.
func streamWith(t testing.TB, s *gitserver.Server, mirror, name string, images map[string]string) []byte {
	t.Helper()
	var in bytes.Buffer
	if err := fetch(&in, s, mirror, name, nil); err != nil {
		t.Fatal(err)
	}
	picks, err := picksFor(in.Bytes(), "app", images)
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.ReplaceAll(in.Bytes(), []byte("http://git.example"), []byte(s.HTTP())), picks...)
}

// pods writes pods in one of several ways to write YAML, none of which a tool may tidy up.
func pods(rng *rand.Rand, names []string) string {
	var file strings.Builder
	for i, name := range names {
		if i > 0 {
			file.WriteString("---\n")
		}
		switch rng.IntN(4) {
		case 0:
			fmt.Fprintf(&file, "# %s\napiVersion: v1\nkind: Pod\nmetadata:\n    name:   %s\nspec:\n    containers:\n    -   name: app\n        image: reg.example/app:1   # c\n\n", name, name)
		case 1:
			fmt.Fprintf(&file, "{apiVersion: v1, kind: Pod, metadata: {name: %s}, spec: {containers: [ {name: app,image: 'reg.example/app:1'} ]}}\n", name)
		case 2:
			fmt.Fprintf(&file, "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, annotations: {x: \"ü 🚀\"}}\nspec:\n  containers: [{image: \"reg.example/app:1\", name: app}]\n", name)
		case 3:
			fmt.Fprintf(&file, "kind: List\napiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: %s}\n  spec:\n    containers:\n      - image: reg.example/app:1\n        name: app\n", name)
		}
	}
	text := file.String()
	if rng.IntN(4) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if rng.IntN(4) == 0 {
		text = strings.TrimRight(text, "\r\n")
	}
	if rng.IntN(6) == 0 {
		text = "\ufeff" + text
	}
	return text
}

// fuzzed is a repository of odd files, and the pods that are to be edited.
func fuzzed(t *testing.T, rng *rand.Rand, s *gitserver.Fixture, name string) (*gitserver.Repo, []string) {
	change := gitserver.Change{Files: map[string]string{}, Links: map[string]string{}, Modes: map[string]string{}}
	var ids []string
	folders := []string{"", "apps/", "apps/é è/", "-x/", "a/b/c/d/", "q\"uote/", "apps.yaml/"}
	for i := range 3 + rng.IntN(25) {
		path := folders[rng.IntN(len(folders))] + "f" + strconv.Itoa(i)
		switch rng.IntN(5) {
		case 0:
			binary := make([]byte, rng.IntN(300))
			for k := range binary {
				binary[k] = byte(rng.IntN(256))
			}
			change.Files[path+".bin"] = string(binary)
		case 1:
			change.Links[path] = "../outside"
		case 2:
			change.Files[path+".sh"], change.Modes[path+".sh"] = "#!/bin/sh\n", "100755"
		default:
			var names []string
			for k := range 1 + rng.IntN(4) {
				names = append(names, fmt.Sprintf("p%d-%d", i, k))
			}
			path += []string{".yaml", ".yml"}[rng.IntN(2)]
			change.Files[path] = pods(rng, names)
			if rng.IntN(5) == 0 {
				change.Modes[path] = "100755"
			}
			for _, name := range names {
				if rng.IntN(3) > 0 {
					ids = append(ids, "Pod/"+name)
				}
			}
		}
	}
	change.Files["README.md"] = "read me\n"
	r := s.MustCreate(name+".git", nil)
	s.MustCommit(r, change)
	return r, ids
}

// SAFETY 13: a commit holds what it says and nothing else: the same files with the same modes,
// and in them as many lines as there are edits.
func TestSafety13OnlyThePlannedFiles(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 13))
	server := gitserver.Start(t)
	for round := range 10 {
		name := "fuzz" + strconv.Itoa(round)
		repo, ids := fuzzed(t, rng, server, name)
		before, err := repo.Tip("")
		if err != nil {
			t.Fatal(err)
		}
		in := streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), name, "reg.example/app:2", ids...)
		r := execute(t, context.Background(), in)
		if len(ids) == 0 {
			continue
		}
		if r.code != 0 || r.commit == nil || !r.commit.Pushed || r.commit.Parent != before {
			t.Fatalf("exit %d, commit %+v\n%s", r.code, r.commit, r.err)
		}
		checkDiff(t, repo, r.commit)
		for id, image := range r.images {
			if want := map[bool]string{true: "reg.example/app:2", false: "reg.example/app:1"}[slices.Contains(ids, id)]; image != want {
				t.Errorf("the stream says that %s has %s, want %s", id, image, want)
			}
		}
		if r.sourceAfter != r.commit.Revision {
			t.Errorf("the source stands at %s", r.sourceAfter)
		}
	}
}

// checkDiff asks the git program what a commit changes.
func checkDiff(t *testing.T, repo *gitserver.Repo, c *jsonl.Commit) {
	t.Helper()
	lines := map[string]map[int]bool{} // edited lines by file
	for _, e := range c.Edits {
		if lines[e.File] == nil {
			lines[e.File] = map[int]bool{}
		}
		lines[e.File][e.Line] = true
	}
	raw, err := repo.Git("diff-tree", "-r", "-z", "--no-renames", "--raw", "--numstat", c.Parent, c.Revision)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	fields := strings.Split(strings.TrimSuffix(raw, "\x00"), "\x00")
	for i := 0; i < len(fields); i++ {
		if head, ok := strings.CutPrefix(fields[i], ":"); ok {
			part := strings.Fields(head)
			i++
			if part[0] != part[1] || part[4] != "M" || lines[fields[i]] == nil {
				t.Errorf("%s: %s, which is not planned", fields[i], head)
			}
			seen[fields[i]] = true
			continue
		}
		part := strings.SplitN(fields[i], "\t", 3)
		if n := strconv.Itoa(len(lines[part[2]])); part[0] != n || part[1] != n {
			t.Errorf("%s: %s lines added, %s removed, planned %s", part[2], part[0], part[1], n)
		}
	}
	if len(seen) != len(lines) {
		t.Errorf("%d files changed, %d planned", len(seen), len(lines))
	}
}

// SAFETY 14: other people push all the time. Every commit of theirs survives, and every bump
// lands or says why.
func TestSafety14ForeignPushesSurvive(t *testing.T) {
	runs := 6
	if n, err := strconv.Atoi(os.Getenv("SLUICE_TEST_RUNS")); err == nil {
		runs = n // 50 for the whole story
	}
	server := gitserver.Start(t)
	repo := server.MustCreate("config.git", map[string]string{
		"app.yaml":   "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:0}]}}\n",
		"theirs.txt": "0\n",
	})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 14))
	var theirs []string
	var pushes atomic.Int32
	stop := make(chan struct{})
	var people sync.WaitGroup
	people.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(10+rng.IntN(60)) * time.Millisecond):
			}
			// git refuses where a bump came in between: then nothing of theirs is lost either.
			if c, err := repo.Commit(gitserver.Change{Files: map[string]string{"theirs.txt": strconv.Itoa(n) + "\n"}}); err == nil {
				theirs = append(theirs, c)
				pushes.Add(1)
			}
		}
	})
	landed, last := 0, ""
	var ours []string
	n := 0
	for n < runs || pushes.Load() < 3 && n < 20*runs {
		n++
		to := "reg.example/app:" + strconv.Itoa(n)
		in := streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), "config", to, "Pod/app")
		r := execute(t, context.Background(), in)
		switch {
		case r.commit != nil && r.commit.Pushed:
			landed, last = landed+1, to
			ours = append(ours, r.commit.Revision)
			if r.code != 0 || r.images["Pod/app"] != to || r.sourceAfter != r.commit.Revision {
				t.Errorf("run %d: exit %d, the stream says %s at %s\n%s", n, r.code, r.images["Pod/app"], r.sourceAfter, r.err)
			}
		case r.code == stage.CodePartly && len(r.failures) > 0 && r.failures[0].Code == "moved":
			t.Logf("run %d said why: %s", n, r.failures[0].Message)
		default:
			t.Errorf("run %d: exit %d without a word\n%s", n, r.code, r.err)
		}
	}
	close(stop)
	people.Wait()
	for _, c := range append(theirs, ours...) {
		if _, err := repo.Git("merge-base", "--is-ancestor", c, "main"); err != nil {
			t.Errorf("%s is lost", c)
		}
	}
	if text, err := repo.Git("show", "main:app.yaml"); err != nil || !strings.Contains(text, last+"}") {
		t.Errorf("main holds %s, the last bump was to %s", text, last)
	}
	if len(theirs) < 3 || landed == 0 {
		t.Errorf("%d foreign commits, %d bumps landed: nothing was shown", len(theirs), landed)
	}
	t.Logf("%d foreign commits, %d of %d bumps landed", len(theirs), landed, n)
}

// Told to stop in the middle of a push, the program finishes it and says how it ended.
func TestStopFinishesThePush(t *testing.T) {
	server := gitserver.Start(t)
	repo := server.MustCreate("config.git", map[string]string{
		"app.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}]}}\n",
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server.BeforePush(func(string) {
		cancel()
		time.Sleep(50 * time.Millisecond)
	})
	in := streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), "config", "reg.example/app:2", "Pod/app")
	r := execute(t, ctx, in)
	if r.commit == nil || !r.commit.Pushed || r.images["Pod/app"] != "reg.example/app:2" {
		t.Errorf("exit %d, commit %+v\n%s", r.code, r.commit, r.err)
	}
	if tip, err := repo.Tip(""); err != nil || tip != r.sourceAfter {
		t.Errorf("main is at %s, the stream says %s, %v", tip, r.sourceAfter, err)
	}
	// Told to stop before, it begins nothing.
	r = execute(t, ctx, in)
	if r.code == 0 || r.commit != nil {
		t.Errorf("exit %d, commit %+v", r.code, r.commit)
	}
}

// SAFETY 20: a reader that goes away in mid-push does not stop the push, and does not go unsaid.
func TestSafety20ReaderGoesInMidPush(t *testing.T) {
	server := gitserver.Start(t)
	repo := server.MustCreate("config.git", map[string]string{
		"app.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}]}}\n",
	})
	in := streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), "config", "reg.example/app:2", "Pod/app")
	reader, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	go io.Copy(io.Discard, reader)
	server.BeforePush(func(string) { reader.Close() })
	var said bytes.Buffer
	code := stage.Exec(t.Context(), app, stage.Env{Stdin: bytes.NewReader(in), Stdout: out, Stderr: &said,
		Now: time.Now, Getenv: func(string) string { return "" }, Version: "test"})
	if code != 1 || strings.Count(said.String(), "error: writing the stream") != 1 {
		t.Errorf("exit %d\n%s", code, said.String())
	}
	if text, err := repo.Git("show", "main:app.yaml"); err != nil || !strings.Contains(text, "reg.example/app:2") {
		t.Errorf("the push did not land: %v\n%s", err, text)
	}
}

// SAFETY 15, the other way round: the server took the push and its answer was lost. The branch is
// read back, so the run knows.
func TestSafety15LostAnswer(t *testing.T) {
	server := gitserver.Start(t)
	repo := server.MustCreate("config.git", map[string]string{
		"app.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}]}}\n",
	})
	proxy := faultproxy.New()
	proxy.Handle("127.0.0.1", server)
	address, err := proxy.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	in := streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), "config", "reg.example/app:2", "Pod/app")
	in = bytes.ReplaceAll(in, []byte(server.HTTP()), []byte(address))

	proxy.Inject(faultproxy.Fault{Match: "^POST .*/git-receive-pack", Nth: 1, Cut: true})
	r := execute(t, context.Background(), in)
	if tip, err := repo.Tip(""); err != nil || r.commit == nil || !r.commit.Pushed || tip != r.sourceAfter || r.code != 0 {
		t.Errorf("exit %d, commit %+v, %v\n%s", r.code, r.commit, err, r.err)
	}

	// Where the request was lost, the run knows that too.
	in = streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), "config", "reg.example/app:3", "Pod/app")
	in = bytes.ReplaceAll(in, []byte(server.HTTP()), []byte(address))
	proxy.Inject(faultproxy.Fault{Match: "^POST .*/git-receive-pack", Drop: true})
	r = execute(t, context.Background(), in)
	if r.code != stage.CodePartly || r.commit == nil || r.commit.Pushed || r.images["Pod/app"] != "reg.example/app:2" || len(r.failures) != 1 {
		t.Errorf("exit %d, commit %+v\n%s", r.code, r.commit, r.err)
	}
}

// A server that takes the connection and never answers: the limit holds, and the error says so.
func TestSilentServer(t *testing.T) {
	server := gitserver.Start(t)
	server.MustCreate("config.git", map[string]string{
		"app.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}]}}\n",
	})
	in := streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), "config", "reg.example/app:2", "Pod/app")
	server.Silence(true)
	start := time.Now()
	r := execute(t, context.Background(), in, "--timeout", "200ms")
	if r.code != stage.CodeFailed || !strings.Contains(r.err, "not done within 200ms") || time.Since(start) > 10*time.Second {
		t.Errorf("exit %d after %s\n%s", r.code, time.Since(start), r.err)
	}
	if r.images["Pod/app"] != "reg.example/app:1" {
		t.Errorf("the stream says %s", r.images["Pod/app"])
	}
}

// Every record of the output is one that a strict reader knows, whatever the input was.
func TestOutputIsAlwaysAStream(t *testing.T) {
	server := gitserver.Start(t)
	server.MustCreate("config.git", map[string]string{
		"app.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: reg.example/app:1}]}}\n",
	})
	in := streamOf(t, server.Server, filepath.Join(t.TempDir(), "mirror"), "config", "reg.example/app:2", "Pod/app")
	for cut := 0; cut < len(in); cut += 37 {
		r := execute(t, context.Background(), in[:cut], "--dry-run")
		if r.code == stage.CodeUsage {
			continue
		}
		reader := jsonl.NewReader(bytes.NewReader(r.out))
		var last *jsonl.Line
		for {
			line, err := reader.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			last = line
		}
		var end jsonl.End
		if last == nil || last.Decode(&end) != nil || end.Stage != "bump-yaml" {
			t.Fatalf("cut at %d: no end", cut)
		}
		if input := tallyOf(in[:cut]); (input.Truncated() == nil) != end.Complete {
			t.Errorf("cut at %d: complete %v, and %v", cut, end.Complete, input.Truncated())
		}
	}
}

func tallyOf(in []byte) *jsonl.Tally {
	reader := jsonl.NewReader(bytes.NewReader(in))
	for {
		if _, err := reader.Next(); err != nil {
			return reader.Tally()
		}
	}
}
