// Package pipelines_test runs the shipped scripts, with the real programs, against a real control
// plane, registry and git server.
package pipelines_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/ground"
	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// bin is the folder of the six programs, built once for all tests.
var bin string

func TestMain(m *testing.M) { script.MainWith(withPrograms{m}, tools) }

// withPrograms runs the tests with the six programs built, and stops the cluster after them.
type withPrograms struct{ m *testing.M }

func (w withPrograms) Run() int {
	dir, err := os.MkdirTemp("", "sluice-pipelines-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = ground.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bin = dir
	return kubetest.Main(w.m)
}

func TestScripts(t *testing.T) {
	cluster := kubetest.Shared(t)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	script.Run(t, "testdata", func(p *testscript.Params) {
		p.Setup = func(env *testscript.Env) error {
			charts := charttest.Start(t)
			env.Values["charts"] = charts
			env.Setenv("CHARTS", charts.URL)
			env.Setenv("CHARTHOST", charts.Host())
			return setup(env, cluster, here)
		}
		for name, command := range commands {
			p.Cmds[name] = command
		}
	})
}

// site is what one script has for itself.
type site struct {
	*ground.Ground
	pushed int // images

	mu      sync.Mutex
	reads   int
	writes  int
	deletes int
}

// setup gives a script its own registry, git server, namespace name and way to the cluster.
//
//	$GIT       the git server, http://host:port       $NS        a namespace name; the script makes it
//	$REGISTRY  the registry's host:port               $PIPELINES the folder of the scripts
//	$CHARTS    a Helm repository, http://$CHARTHOST
//	$PICKER    the README's picker in jq
//	$SLUICE_BIN the folder of the programs, also on PATH
func setup(env *testscript.Env, cluster *kubetest.Cluster, here string) error {
	dir := env.WorkDir + "/.ground"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	g, err := ground.Lay(context.Background(), ground.Options{Dir: dir, Cluster: cluster})
	if err != nil {
		return err
	}
	env.Defer(func() { _ = g.Close() })
	s := &site{Ground: g}
	proxy, err := cluster.NewProxy(s.count)
	if err != nil {
		return err
	}
	env.Defer(proxy.Close)
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := proxy.WriteKubeconfig(kubeconfig, "default"); err != nil {
		return err
	}
	env.Values["site"] = s
	name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	env.Setenv("NS", name)
	env.Setenv("SLUICE_INVENTORY", name)
	picker, err := readmePicker()
	if err != nil {
		return err
	}
	env.Setenv("PICKER", picker)
	env.Setenv("GIT", g.Git.HTTP())
	env.Setenv("GITHOST", strings.TrimPrefix(g.Git.HTTP(), "http://"))
	env.Setenv("GITSSH", g.Git.SSH())
	env.Setenv("REGISTRY", g.RegistryHost())
	env.Setenv("PIPELINES", here)
	env.Setenv("SLUICE_BIN", bin)
	env.Setenv("SLUICE_MIRROR", filepath.Join(dir, "mirrors"))
	env.Setenv("HOME", dir)
	env.Setenv("KUBECONFIG", kubeconfig)
	env.Setenv("SCAN_TAGS_FLAGS", "--insecure-host "+g.RegistryHost())
	env.Setenv("SSH_KEY", g.Key())
	env.Setenv("KNOWN_HOSTS", g.KnownHosts())
	env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
	return nil
}

// readmePicker is the jq expression that the README shows in the place of pick-tag.
func readmePicker() (string, error) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		return "", err
	}
	_, text, found := strings.Cut(string(readme), "scan-tags |\n  jq -c '")
	text, _, ended := strings.Cut(text, "' |\n")
	if !found || !ended {
		return "", errors.New("the README shows no picker of one jq expression")
	}
	return text, nil
}

func (s *site) count(w http.ResponseWriter, r *http.Request, next http.Handler) {
	s.mu.Lock()
	switch {
	case r.Method == http.MethodGet:
		s.reads++
	case r.Method == http.MethodDelete:
		s.deletes++
		fallthrough
	default:
		s.writes++
	}
	s.mu.Unlock()
	next.ServeHTTP(w, r)
}

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"repo":   func(ts *testscript.TestScript, _ bool, args []string) { makeRepo(ts, args) },
	"commit": func(ts *testscript.TestScript, _ bool, args []string) { addCommit(ts, args) },
	"chart": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Value("charts").(*charttest.Repository).Add(args[0], args[1], files(ts, args[2]))
	},
	"image":    func(ts *testscript.TestScript, _ bool, args []string) { pushImages(ts, args) },
	"tip":      func(ts *testscript.TestScript, _ bool, args []string) { showTip(ts, args) },
	"object":   showObject,
	"requests": func(ts *testscript.TestScript, _ bool, args []string) { showRequests(ts, args) },
	"reject": func(ts *testscript.TestScript, _ bool, args []string) {
		siteOf(ts).Git.RejectPushes(strings.Join(args, " "))
	},
	"token":   func(ts *testscript.TestScript, _ bool, args []string) { siteOf(ts).Git.SetToken(args[0]) },
	"silence": func(ts *testscript.TestScript, _ bool, args []string) { siteOf(ts).Git.Silence(args[0] == "on") },
	"expand":  func(ts *testscript.TestScript, _ bool, args []string) { expandFiles(ts, args) },
	"stopped": func(ts *testscript.TestScript, _ bool, args []string) { stopAndWait(ts, args) },
}

func siteOf(ts *testscript.TestScript) *site { return ts.Value("site").(*site) }

// files reads a folder of the script, with $NS, $GIT, $GITSSH and $REGISTRY replaced.
func files(ts *testscript.TestScript, dir string) map[string]string {
	all := map[string]string{}
	top := ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(top, path)
		all[filepath.ToSlash(name)] = expand(ts, string(content))
		return err
	}))
	return all
}

func expand(ts *testscript.TestScript, text string) string {
	for _, name := range []string{"NS", "GITSSH", "GITHOST", "GIT", "REGISTRY", "CHARTS"} {
		text = strings.ReplaceAll(text, "$"+name, ts.Getenv(name))
	}
	return text
}

// expandFiles replaces the variables in files of the script.
func expandFiles(ts *testscript.TestScript, args []string) {
	for _, file := range args {
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(expand(ts, ts.ReadFile(file))), 0o644))
	}
}

// repo NAME DIR: a repository with the files of a folder.
func makeRepo(ts *testscript.TestScript, args []string) {
	_, err := siteOf(ts).Git.Create(args[0]+".git", files(ts, args[1]))
	ts.Check(err)
}

// commit NAME DIR [-FILE...]: a commit with the files of a folder, and without the named ones.
func addCommit(ts *testscript.TestScript, args []string) {
	repo, err := siteOf(ts).Git.Repo(args[0] + ".git")
	ts.Check(err)
	change := gitserver.Change{Files: map[string]string{}}
	for _, arg := range args[1:] {
		if file, gone := strings.CutPrefix(arg, "-"); gone {
			change.Delete = append(change.Delete, file)
		} else {
			change.Files = files(ts, arg)
		}
	}
	_, err = repo.Commit(change)
	ts.Check(err)
}

// image REPOSITORY TAG...: images, each a minute younger than the one before.
func pushImages(ts *testscript.TestScript, args []string) {
	s := siteOf(ts)
	for _, tag := range args[1:] {
		s.pushed++
		_, err := s.Registry.Push(args[0], tag, script.Noon.Add(time.Duration(s.pushed)*time.Minute))
		ts.Check(err)
	}
}

// tip NAME FILE OUT: a file at the tip of a repository's branch; with "log", its commits.
func showTip(ts *testscript.TestScript, args []string) {
	repo, err := siteOf(ts).Git.Repo(args[0] + ".git")
	ts.Check(err)
	command := []string{"show", "main:" + args[1]}
	if args[1] == "log" {
		command = []string{"log", "--format=%an <%ae> %s", "main"}
	}
	out, err := repo.Git(command...)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(out+"\n"), 0o644))
}

// object PATH [FIELD...=VALUE]: fails where the API server has no such object, or where the field,
// named by its keys, has another value.
func showObject(ts *testscript.TestScript, neg bool, args []string) {
	object, err := siteOf(ts).Cluster.Do(context.Background(), "GET", args[0], "")
	ts.Check(err)
	if (object == nil) != neg {
		ts.Fatalf("%s is there: %v", args[0], object != nil)
	}
	for _, want := range args[1:] {
		path, value, _ := strings.Cut(want, "=")
		if got := fmt.Sprint(object.At(strings.Split(path, ".")...)); got != value {
			ts.Fatalf("%s has %s: %s, want %s", args[0], path, got, value)
		}
	}
}

// requests [WANT...]: how many requests there were since the last call, compared with words such
// as git.refs=1, git.packs=0, git.pushes=0, registry=3, api.reads=5, api.writes=0, api.deletes=0.
func showRequests(ts *testscript.TestScript, args []string) {
	s := siteOf(ts)
	git := s.Git.Counts()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := map[string]int{"git.refs": git.Refs, "git.packs": git.Packs, "git.pushes": git.Pushes,
		"registry": len(s.Registry.Requests()), "api.reads": s.reads, "api.writes": s.writes, "api.deletes": s.deletes}
	for _, word := range args {
		name, want, _ := strings.Cut(word, "=")
		if fmt.Sprint(got[name]) != want {
			ts.Fatalf("requests: %v, want %s", got, word)
		}
	}
	ts.Logf("requests: %v", got)
	s.Git.ResetCounts()
	s.Registry.Reset()
	s.reads, s.writes, s.deletes = 0, 0, 0
}

// stopped SCRIPT ARGS...: starts a script, sends it TERM after a second, and fails unless it and
// all its programs are gone soon, with exit code 143.
func stopAndWait(ts *testscript.TestScript, args []string) {
	command := exec.Command(ts.Getenv("SH"), args...)
	for _, name := range []string{"PATH", "HOME", "KUBECONFIG", "SLUICE_BIN", "SLUICE_MIRROR"} {
		command.Env = append(command.Env, name+"="+ts.Getenv(name))
	}
	// Every program of the pipe holds standard error: it ends when the last of them does.
	stderr, err := command.StderrPipe()
	ts.Check(err)
	ts.Check(command.Start())
	time.Sleep(time.Second)
	ts.Check(command.Process.Signal(syscall.SIGTERM))
	said := make(chan string)
	go func() {
		all, _ := io.ReadAll(stderr)
		said <- string(all)
	}()
	select {
	case text := <-said:
		ts.Logf("%s", text)
	case <-time.After(10 * time.Second):
		ts.Fatalf("programs of the pipe run on")
	}
	if err := command.Wait(); command.ProcessState.ExitCode() != 143 {
		ts.Fatalf("the script ended with %v, want exit status 143", err)
	}
}
