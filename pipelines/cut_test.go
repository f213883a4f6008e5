package pipelines_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// TestCutStream is SAFETY 1 through the real programs and API server: a recorded stream of two
// sources, each of which lost an object since the last run, is cut at every line end, a byte
// before and after it, and at a hundred random places. No cut stream deletes anything; the whole
// one deletes both objects.
func TestCutStream(t *testing.T) {
	cluster := kubetest.Shared(t)
	dir := t.TempDir()
	var deletes atomic.Int64
	kubeconfig := cluster.Through(t, "default", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete {
			deletes.Add(1)
		}
		next.ServeHTTP(w, r)
	})
	namespace := cluster.Namespace(t)
	configMap := func(name string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\n", name, namespace)
	}
	git := gitserver.Start(t)
	var urls []string
	for _, name := range []string{"a", "b"} {
		git.MustCreate(name+".git", map[string]string{"keep.yaml": configMap(name + "-keep"), "leave.yaml": configMap(name + "-leave")})
		urls = append(urls, git.HTTP()+"/"+name+".git")
	}
	run := func(stdin []byte, program string, args ...string) (stdout []byte, code int) {
		command := exec.Command(filepath.Join(bin, program), args...)
		command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+dir)
		command.Stdin = bytes.NewReader(stdin)
		stdout, err := command.Output()
		if exit, ok := err.(*exec.ExitError); err != nil && !ok {
			t.Fatal(err)
		} else if ok {
			t.Logf("%s: %s", program, bytes.TrimSpace(exit.Stderr))
		}
		return stdout, command.ProcessState.ExitCode()
	}
	fetch := append([]string{"--mirror", filepath.Join(dir, "mirrors")}, urls...)
	prune := []string{"--prune", "--inventory", namespace}
	stream, _ := run(nil, "git-fetch", fetch...)
	if _, code := run(stream, "kapply", prune...); code != 0 {
		t.Fatalf("the first run ended with %d", code)
	}
	for _, name := range []string{"a", "b"} {
		repo, err := git.Repo(name + ".git")
		if err != nil {
			t.Fatal(err)
		}
		git.MustCommit(repo, gitserver.Change{Delete: []string{"leave.yaml"}})
	}
	stream, _ = run(nil, "git-fetch", fetch...)

	for _, cut := range cuts(t, stream) {
		if _, code := run(stream[:cut], "kapply", prune...); code != 4 {
			t.Fatalf("cut at byte %d of %d: exit code %d, want 4", cut, len(stream), code)
		}
		if deletes.Load() > 0 {
			t.Fatalf("cut at byte %d of %d, kapply deleted", cut, len(stream))
		}
	}
	if _, code := run(stream, "kapply", prune...); code != 0 || deletes.Load() != 2 {
		t.Fatalf("uncut: exit code %d, %d deletions, want 2", code, deletes.Load())
	}
}

// cuts are the places at which a stream is cut, all of them short of its end.
func cuts(t *testing.T, stream []byte) []int {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var places []int
	for i, b := range stream {
		if b == '\n' {
			places = append(places, i, i+1, i+2)
		}
	}
	for range 100 {
		places = append(places, random.IntN(len(stream)))
	}
	var short []int
	for _, place := range places {
		if place < len(stream) {
			short = append(short, place)
		}
	}
	return short
}
