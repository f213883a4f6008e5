package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// twoSources are recorded streams of the sources a and b, of which each has lost an object
// since it was applied last, and the places up to which they may delete anything.
func twoSources() map[string]cutStream {
	later := script.Noon.Add(time.Minute)
	a := fetched{name: "a", revision: strings.Repeat("3", 40), at: later, yaml: configMaps("a1", "a2")}
	b := fetched{name: "b", revision: strings.Repeat("3", 40), at: later, yaml: configMaps("b1")}
	one, two := stream(a), stream(a, b)
	// The same by one git-fetch of two URLs: one begin, one end.
	var merged [][]byte
	counts := map[string]jsonl.Count{"a": {Wrote: 2}, "b": {Wrote: 1}}
	for i, line := range bytes.SplitAfter(two, []byte("\n")) {
		isEnd, isBegin := bytes.HasPrefix(line, []byte(`{"type":"end"`)), bytes.HasPrefix(line, []byte(`{"type":"begin"`))
		if !isEnd && (!isBegin || i == 0) {
			merged = append(merged, line)
		}
	}
	end, _, err := jsonl.Encode(jsonl.End{Stage: "git-fetch", OK: true, Complete: true, Counts: counts, Finished: later})
	if err != nil {
		panic(err)
	}
	single := append(bytes.Join(merged, nil), end...)
	return map[string]cutStream{
		"two runs of git-fetch": {two, map[int][]string{len(one): {"gone-a"}, len(two): {"gone-a", "gone-b"}}},
		"one run of git-fetch":  {single, map[int][]string{len(single): {"gone-a", "gone-b"}}},
	}
}

// cutStream is a stream and what it may delete when it is cut at a place; anywhere else nothing.
type cutStream struct {
	whole []byte
	may   map[int][]string
}

// Every byte, in process, against an API server that counts DELETEs. One cut at a time: the flag
// library keeps state of the process.
func TestSafety01CutAtEveryByte(t *testing.T) {
	t.Parallel()
	for name, cut := range twoSources() {
		t.Run(name, func(t *testing.T) {
			for at := range len(cut.whole) + 1 {
				deleted, code := pruneInProcess(cut.whole[:at])
				if want := cut.may[at]; !slices.Equal(deleted, want) {
					t.Fatalf("cut at byte %d: deleted %v, want %v", at, deleted, want)
				}
				if good := cut.may[at] != nil; good != (code == 0) || !good && code != stage.CodeRefused && code != stage.CodeUsage {
					t.Fatalf("cut at byte %d: exit code %d", at, code)
				}
			}
		})
	}
}

// pruneInProcess runs kapply --prune on an input, in a cluster that holds a1, a2 and gone-a of
// source a, b1 and gone-b of source b.
func pruneInProcess(input []byte) (deleted []string, code int) {
	server := &countingServer{}
	local := newApp(func(kube.Target, string) (*kube.Config, error) {
		return &kube.Config{REST: &rest.Config{Host: "http://api", Transport: server, QPS: -1}, Namespace: "ns"}, nil
	})
	code = stage.Exec(context.Background(), local, stage.Env{
		Args: []string{"--prune"}, Stdin: bytes.NewReader(input), Stdout: io.Discard, Stderr: io.Discard,
		Now: func() time.Time { return script.Noon }, Getenv: func(string) string { return "" }, Version: script.Version,
	})
	slices.Sort(server.deleted)
	return server.deleted, code
}

// countingServer answers as an API server that serves ConfigMaps and Leases, and takes everything.
type countingServer struct {
	mu      sync.Mutex
	deleted []string
}

func (s *countingServer) RoundTrip(r *http.Request) (*http.Response, error) {
	code, answer := s.answer(r)
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), Request: r,
	}, nil
}

const notFound = `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "details": {"name": "a"}}`

func (s *countingServer) answer(r *http.Request) (int, string) {
	name := path.Base(r.URL.Path)
	switch {
	case r.Method == http.MethodDelete:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.deleted = append(s.deleted, name)
		return 200, `{"kind": "Status", "apiVersion": "v1", "status": "Success"}`
	case r.Method == http.MethodPost || r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return 500, ""
		}
		return 200, string(body)
	case r.Method == http.MethodPatch:
		return 200, partialObject(name)
	case r.URL.Path == "/apis":
		return 200, `{"kind": "APIGroupDiscoveryList"}`
	case r.URL.Path == "/api":
		return 200, `{"kind": "APIGroupDiscoveryList", "items": [{"metadata": {}, "versions": [{"version": "v1", "resources": [
			{"resource": "configmaps", "responseKind": {"kind": "ConfigMap"}, "scope": "Namespaced", "verbs": ["get", "list", "patch", "delete"]}]}]}]}`
	case name == "configmaps":
		var items []string
		for _, name := range []string{"a1", "a2", "gone-a", "b1", "gone-b"} {
			items = append(items, partialObject(name))
		}
		return 200, `{"items": [` + strings.Join(items, ",") + `]}`
	case name == "sluice-kapply-default" && strings.Contains(r.URL.Path, "/configmaps/"):
		return 200, recordedInventory
	case strings.Contains(r.URL.Path, "/configmaps/"):
		return 200, partialObject(name)
	}
	return 404, notFound
}

func partialObject(name string) string {
	return fmt.Sprintf(`{"kind": "PartialObjectMetadata", "metadata": {"namespace": "ns", "name": %q, "uid": "uid-%[1]s", "resourceVersion": "1"}}`, name)
}

var recordedInventory = func() string {
	var entries strings.Builder
	for _, source := range []string{"a", "b"} {
		fmt.Fprintf(&entries, "{\"source\":%q,\"version\":\"v1\",\"kind\":\"ConfigMap\"}\n", source)
		for _, name := range map[string][]string{"a": {"a1", "a2", "gone-a"}, "b": {"b1", "gone-b"}}[source] {
			fmt.Fprintf(&entries, "[\"ns\",%q,\"uid-%[1]s\"]\n", name)
		}
	}
	object, err := json.Marshal(map[string]any{"kind": "ConfigMap", "metadata": map[string]string{"resourceVersion": "1"},
		"data": map[string]string{"format": "2", "sources": "{}", "count": "5", "entries": entries.String()}})
	if err != nil {
		panic(err)
	}
	return string(object)
}()

// The real binary and a real API server: every line end, a byte before and after it, and a
// hundred places at random.
func TestSafety01CutForReal(t *testing.T) {
	for name, cut := range twoSources() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustRun(0, stream(fetched{name: "a", yaml: configMaps("a1", "a2", "gone-a")}, fetched{name: "b", yaml: configMaps("b1", "gone-b")}), "--prune")
			seed := uint64(time.Now().UnixNano())
			if text := os.Getenv("CUT_SEED"); text != "" {
				fmt.Sscan(text, &seed)
			}
			t.Logf("CUT_SEED=%d", seed)
			gone := deletes(w.writes(func() {
				for _, at := range places(cut.whole, seed) {
					if cut.may[at] == nil {
						w.run(cut.whole[:at], "--prune")
					}
				}
			}))
			if len(gone) > 0 {
				t.Errorf("deleted: %v", gone)
			}
			all := []string{"a1", "a2", "b1", "gone-a", "gone-b"}
			if got := w.configMapsThere(); !slices.Equal(got, all) {
				t.Fatalf("the cluster holds %v", got)
			}
			// And the test would notice: the whole stream does delete.
			w.mustRun(0, cut.whole, "--prune")
			if got := w.configMapsThere(); !slices.Equal(got, []string{"a1", "a2", "b1"}) {
				t.Errorf("the whole stream leaves %v", got)
			}
		})
	}
}

// places are the ends of lines, the bytes beside them, and a hundred others.
func places(whole []byte, seed uint64) []int {
	var at []int
	for i, b := range whole {
		if b == '\n' {
			at = append(at, i, i+1, i+2)
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		at = append(at, random.IntN(len(whole)))
	}
	return slices.DeleteFunc(at, func(i int) bool { return i > len(whole) })
}

// What a shell makes of a producer that died.
func TestSafety01DeadProducers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := fetched{name: "a", yaml: configMaps("a1")}
	b := fetched{name: "b", yaml: configMaps("b1")}
	w.mustRun(0, stream(a, b), "--prune")
	onlyA := stream(a)
	end := bytes.Index(onlyA, []byte(`{"type":"end"`))
	for name, one := range map[string]struct {
		input []byte
		code  int
	}{
		"false | kapply":                  {nil, 4},
		"a killed git-fetch":              {onlyA[:end], 4},
		"{ git-fetch a; false; }":         {onlyA, 0},
		"git-fetch a with its end, twice": {append(slices.Clone(onlyA), onlyA[end:]...), 4},
		"git-fetch a, then half a line":   {append(slices.Clone(onlyA), `{"type":"beg`...), 4},
		"a stream of yesterday behind it": {append(slices.Clone(onlyA), stream(fetched{name: "a", revision: strings.Repeat("9", 40)})...), 4},
	} {
		if gone := deletes(w.writes(func() { w.mustRun(one.code, one.input, "--prune") })); len(gone) > 0 {
			t.Errorf("%s: deleted %v", name, gone)
		}
	}
	if got := w.configMapsThere(); !slices.Equal(got, []string{"a1", "b1"}) {
		t.Errorf("the cluster holds %v", got)
	}
}

// A full disk or a reader that has gone: exit code 1, no end, and what was begun is settled.
func TestSafety20BrokenStdout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	command := w.command(stream(fetched{name: "config", yaml: configMaps("a")}), "--prune")
	command.Stdout = full
	if err := command.Run(); command.ProcessState.ExitCode() != 1 {
		t.Errorf("/dev/full: %v, want exit code 1", err)
	}
	closed := w.command(stream(fetched{name: "config", yaml: configMaps("a")}), "--prune")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	closed.Stdout = writer
	reader.Close()
	err = closed.Run()
	writer.Close()
	if closed.ProcessState.ExitCode() != 1 {
		t.Errorf("kapply | false: %v, want exit code 1", err)
	}
}

// The reader goes while objects are being applied.
func TestSafety20ReaderGoesInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, reader)
	var mu sync.Mutex
	patches := 0
	w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch {
			mu.Lock()
			if patches++; patches == 3 {
				reader.Close()
			}
			mu.Unlock()
		}
		next.ServeHTTP(rw, r)
	})
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	want := stream(fetched{name: "config", yaml: configMaps(names...)})
	command := w.command(want, "--prune", "--concurrency", "1")
	command.Stdout = writer
	var stderr strings.Builder
	command.Stderr = &stderr
	err = command.Run()
	writer.Close()
	if command.ProcessState.ExitCode() != 1 {
		t.Errorf("%v, want exit code 1\n%s", err, stderr.String())
	}
	if patches < 3 || patches == len(names) {
		t.Errorf("%d objects were applied: the change in hand is finished, no new one begun", patches)
	}
	if holder := w.holder(); holder != "" {
		t.Errorf("the lease is left with %s", holder)
	}
	if there := w.configMapsThere(); len(there) != patches {
		t.Errorf("%d patches, the cluster holds %v", patches, there)
	}
	applied := patches
	o := w.mustRun(0, want, "--prune")
	if got := strings.Count(o.stdout, `"action":"unchanged"`); got != applied {
		t.Errorf("the inventory was not settled: %d unchanged, want %d\n%s", got, applied, o.stderr)
	}
}

// Ctrl-C: the objects in hand are finished, the inventory is settled, the lease is free.
func TestInterruptIsTidy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	patches, stop := 0, func() {}
	w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch {
			mu.Lock()
			if patches++; patches == 3 {
				stop()
				time.Sleep(100 * time.Millisecond) // the signal is on its way
			}
			mu.Unlock()
		}
		next.ServeHTTP(rw, r)
	})
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	want := stream(fetched{name: "config", yaml: configMaps(names...)})
	command := w.command(want, "--prune", "--concurrency", "1")
	var stdout strings.Builder
	command.Stdout = &stdout
	mu.Lock()
	stop = func() { command.Process.Signal(os.Interrupt) }
	mu.Unlock()
	err := command.Run()
	if command.ProcessState.ExitCode() != 130 {
		t.Errorf("%v, want exit code 130", err)
	}
	if patches == len(names) || w.holder() != "" {
		t.Errorf("%d objects applied, lease held by %q", patches, w.holder())
	}
	if err := script.Strict(strings.NewReader(stdout.String())); err != nil {
		t.Error(err)
	}
	if !strings.Contains(stdout.String(), `"type":"end","stage":"kapply","ok":false`) {
		t.Error("no end")
	}
	applied := patches
	o := w.mustRun(0, want, "--prune")
	if got := strings.Count(o.stdout, `"action":"unchanged"`); got != applied {
		t.Errorf("the inventory was not settled: %d unchanged, want %d", got, applied)
	}
}
