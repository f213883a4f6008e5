package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// stand is a namespace with a HelmRelease in git, and an API server that can be held up.
type stand struct {
	t          *testing.T
	cluster    *kubetest.Cluster
	namespace  string
	kubeconfig string
	home       string
	bin        string
	git        *gitserver.Fixture

	mu      sync.Mutex
	reached chan struct{} // closed when the held request arrives
	release chan struct{} // closed to let it through
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{t: t, cluster: kubetest.Shared(t), home: t.TempDir(), bin: t.TempDir(), git: gitserver.Start(t)}
	s.namespace = s.cluster.Namespace(t)
	s.kubeconfig = s.cluster.Through(t, s.namespace, s.handle)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{program, "fetch"} {
		if err := os.Symlink(self, filepath.Join(s.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	rewrite := "[url \"" + s.git.HTTP() + "/\"]\n\tinsteadOf = https://git.example/\n"
	if err := os.WriteFile(filepath.Join(s.home, ".gitconfig"), []byte(rewrite), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"charts/app/Chart.yaml":            "{apiVersion: v2, name: app, version: 0.1.0}",
		"charts/app/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}\"}\n",
	}
	for _, name := range []string{"one", "two"} {
		files[name+".yaml"] = "apiVersion: helm.fluxcd.io/v1\nkind: HelmRelease\nmetadata: {name: " + name + "}\n" +
			"spec: {releaseName: " + name + ", chart: {git: \"https://git.example/config\", ref: main, path: charts/app}}\n"
	}
	s.git.MustCreate("config.git", files)
	return s
}

// hold stops the next request that makes the first release's ConfigMap.
func (s *stand) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached, s.release = make(chan struct{}), make(chan struct{})
}

func (s *stand) handle(w http.ResponseWriter, r *http.Request, next http.Handler) {
	s.mu.Lock()
	reached, release := s.reached, s.release
	held := reached != nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/configmaps") && strings.Contains(r.URL.RawQuery, "fieldManager=helm")
	if held {
		s.reached = nil
	}
	s.mu.Unlock()
	if held {
		close(reached)
		<-release
	}
	next.ServeHTTP(w, r)
}

func (s *stand) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	c.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig, "HOME="+s.home, "GIT_CONFIG_NOSYSTEM=1", "XDG_CACHE_HOME=")
	return c
}

func (s *stand) stream() []byte {
	s.t.Helper()
	out, err := s.command(s.t.Context(), "fetch", "config").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// start runs helm-reconcile until its first release is under way.
func (s *stand) start(stdout *os.File) (*exec.Cmd, *bytes.Buffer) {
	s.t.Helper()
	s.hold()
	reached := s.reached
	c := s.command(s.t.Context(), program, "--workers", "1")
	var stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(s.stream()), stdout, &stderr
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-reached:
	case <-time.After(30 * time.Second):
		s.t.Fatalf("the first release was not started\n%s", stderr.String())
	}
	return c, &stderr
}

// remembered checks that the inventory holds the first release.
func (s *stand) remembered() {
	s.t.Helper()
	inventory := s.cluster.Must(s.t, "GET", "/api/v1/namespaces/"+s.namespace+"/configmaps/sluice-helm-reconcile-default", "")
	if entries, _ := inventory.At("data", "entries").(string); !strings.Contains(entries, `,"one",`) {
		s.t.Errorf("the inventory lacks the release: %s", entries)
	}
	if sources, _ := inventory.At("data", "sources").(string); !strings.Contains(sources, "2026-11-20T12:00:00Z") {
		s.t.Errorf("the inventory lacks the fetch: %s", sources)
	}
}

func (s *stand) exitCode(err error) int {
	s.t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	s.t.Fatal(err)
	return -1
}

func (s *stand) status(release string) any {
	s.t.Helper()
	o := s.cluster.Must(s.t, "GET", "/api/v1/namespaces/"+s.namespace+"/secrets/sh.helm.release.v1."+release+".v1", "")
	return o.At("metadata", "labels", "status")
}

// settled checks that a stopped run left nothing open, and that the next one does the rest.
func (s *stand) settled() {
	s.t.Helper()
	lease := s.cluster.Must(s.t, "GET", "/apis/coordination.k8s.io/v1/namespaces/"+s.namespace+"/leases/sluice-helm-reconcile-default", "")
	if holder := lease.At("spec", "holderIdentity"); holder != nil && holder != "" {
		s.t.Errorf("the lease is still held by %v", holder)
	}
	s.remembered()
	c := s.command(s.t.Context(), program)
	c.Stdin = bytes.NewReader(s.stream())
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Errorf("the next run: %v\n%s", err, out)
	}
	if one, two := s.status("one"), s.status("two"); one != "deployed" || two != "deployed" {
		s.t.Errorf("one is %v, two is %v", one, two)
	}
}

// SAFETY 20: standard output breaks in the middle of an install. The install is finished, inventory
// and lease are settled, nothing more is started, and the exit code is 1.
func TestSafety20BrokenPipeInMidInstall(t *testing.T) {
	s := newStand(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c, stderr := s.start(w)
	w.Close()
	r.Close() // what was passed on lies in the pipe; the first record of our own breaks
	close(s.release)
	if code := s.exitCode(c.Wait()); code != 1 {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
	if one := s.status("one"); one != "deployed" {
		t.Errorf("the release in hand is %v", one)
	}
	if two := s.status("two"); two != nil {
		t.Errorf("another one was started: %v", two)
	}
	if !strings.Contains(stderr.String(), "broken pipe") {
		t.Errorf("stderr: %s", stderr.String())
	}
	s.settled()
}

// A full disk under standard output, from the first line on: nothing is changed.
func TestSafety20FullDisk(t *testing.T) {
	s := newStand(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here: ", err)
	}
	defer full.Close()
	c := s.command(t.Context(), program)
	c.Stdin, c.Stdout = bytes.NewReader(s.stream()), full
	if code := s.exitCode(c.Run()); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if one := s.status("one"); one != nil {
		t.Errorf("a release was made: %v", one)
	}
}

// SIGTERM in the middle of an install: it is finished, nothing more is started.
func TestTermInMidInstall(t *testing.T) {
	s := newStand(t)
	c, stderr := s.start(nil)
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { close(s.release) })
	if code := s.exitCode(c.Wait()); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
	if one, two := s.status("one"), s.status("two"); one != "deployed" || two != nil {
		t.Errorf("one is %v, two is %v\n%s", one, two, stderr.String())
	}
	s.settled()
}

// SAFETY 19: while one run is at work the other exits with 7 and has changed nothing.
func TestSafety19TwoRuns(t *testing.T) {
	s := newStand(t)
	c, stderr := s.start(nil)
	other := s.command(t.Context(), program)
	var said bytes.Buffer
	other.Stdin, other.Stderr = bytes.NewReader(s.stream()), &said
	if code := s.exitCode(other.Run()); code != 7 || !strings.Contains(said.String(), "another run is at work") ||
		!strings.Contains(said.String(), "runs out by itself") {
		t.Errorf("exit code %d\n%s", code, said.String())
	}
	if two := s.status("two"); two != nil {
		t.Errorf("the other run made a release: %v", two)
	}
	close(s.release)
	if code := s.exitCode(c.Wait()); code != 0 {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
	s.settled()
}

// SAFETY 12: a run that was killed leaves a pending release. The next run takes it up, and says so.
func TestSafety12KilledInMidInstall(t *testing.T) {
	s := newStand(t)
	c, _ := s.start(nil)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	close(s.release)
	if one := s.status("one"); one != "pending-install" {
		t.Fatalf("one is %v", one)
	}
	s.remembered() // written ahead: a release that half exists is not forgotten
	// the lease of a killed run expires by itself; here it is taken away
	s.cluster.Must(t, "DELETE", "/apis/coordination.k8s.io/v1/namespaces/"+s.namespace+"/leases/sluice-helm-reconcile-default", "")
	next := s.command(t.Context(), program)
	var said, out bytes.Buffer
	next.Stdin, next.Stdout, next.Stderr = bytes.NewReader(s.stream()), &out, &said
	if code := s.exitCode(next.Run()); code != 0 || !strings.Contains(out.String(), "revision 1 was interrupted: it was left pending-install") {
		t.Errorf("exit code %d\n%s\n%s", code, said.String(), out.String())
	}
	if two := s.status("two"); two != "deployed" {
		t.Errorf("two is %v", two)
	}
	if o := s.cluster.Must(t, "GET", "/api/v1/namespaces/"+s.namespace+"/secrets/sh.helm.release.v1.one.v2", ""); o.At("metadata", "labels", "status") != "deployed" {
		t.Errorf("one: %v", o.At("metadata", "labels"))
	}
}
