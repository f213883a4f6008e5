package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

func TestMain(m *testing.M) {
	script.MainWith(m, map[string]func(){"fetch": fetchMain}, app)
}

// TestScripts gives every script a namespace named after it, a kubeconfig whose context names that, a
// git server at https://git.example and a Helm repository at http://charts.example, and the commands
//
//	commit REPOSITORY DIR         make DIR the content of the repository's main branch
//	chart NAME VERSION DIR        put a chart into the Helm repository
//	kube METHOD PATH [BODY-FILE]  ask the API server behind helm-reconcile's back; "!": it is not there
//	crds                          make HelmReleases known to the cluster, as deploy/crds does
//	history RELEASE               print its revisions: number and status
//	requests                      print what helm-reconcile asked since the last time, sorted
//	exits CODE PROGRAM ARG...     run a program that exits with this code; stdin, stdout, stderr as with exec
//	passed IN OUT                 every line of IN is in OUT, byte for byte and in order
func TestScripts(t *testing.T) {
	cluster := kubetest.Shared(t)
	script.Run(t, "testdata", func(p *testscript.Params) {
		p.Setup = func(env *testscript.Env) error { return setup(t, cluster, env) }
		p.Cmds["kube"] = kubeCommand(cluster)
		p.Cmds["commit"] = commitCommand
		p.Cmds["chart"] = chartCommand
		p.Cmds["protect"] = protectCommand
		p.Cmds["token"] = func(ts *testscript.TestScript, _ bool, args []string) { fixtureOf(ts).git.SetToken(args[0]) }
		p.Cmds["history"] = historyCommand(cluster)
		p.Cmds["requests"] = requestsCommand
		p.Cmds["passed"] = passedCommand
		p.Cmds["exits"] = exitsCommand
		p.Cmds["crds"] = func(*testscript.TestScript, bool, []string) { knowHelmReleases(t, cluster) }
	})
}

// fixture is what one script stands on.
type fixture struct {
	git       *gitserver.Server
	charts    *charttest.Repository
	namespace string

	mu       sync.Mutex
	requests []string
}

// pass notes a request of helm-reconcile's on its way to the API server.
func (f *fixture) pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.mu.Unlock()
	next.ServeHTTP(w, r)
}

var fixtures sync.Map // by work directory

func fixtureOf(ts *testscript.TestScript) *fixture {
	f, _ := fixtures.Load(ts.Getenv("WORK"))
	return f.(*fixture)
}

func setup(t *testing.T, cluster *kubetest.Cluster, env *testscript.Env) error {
	f := &fixture{namespace: strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")}
	cluster.Must(t, "POST", "/api/v1/namespaces", "metadata: {name: "+f.namespace+"}")
	proxy, err := cluster.NewProxy(f.pass)
	if err != nil {
		return err
	}
	env.Defer(proxy.Close)
	kubeconfig := filepath.Join(env.WorkDir, ".kubeconfig")
	if err := proxy.WriteKubeconfig(kubeconfig, f.namespace); err != nil {
		return err
	}
	if f.git, err = gitserver.New(filepath.Join(env.WorkDir, ".git-server")); err != nil {
		return err
	}
	env.Defer(f.git.Close)
	if err := f.git.StartHTTP(""); err != nil {
		return err
	}
	f.charts = charttest.Start(t)
	fixtures.Store(env.WorkDir, f)
	// stable names, so that commits and goldens hold no port
	rewrite := fmt.Sprintf("[url %q]\n\tinsteadOf = https://git.example/\n", f.git.HTTP()+"/")
	if err := os.WriteFile(filepath.Join(env.WorkDir, ".gitconfig"), []byte(rewrite), 0o600); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"KUBECONFIG": kubeconfig, "NAMESPACE": f.namespace, "HOME": env.WorkDir, "GIT_CONFIG_NOSYSTEM": "1", "HTTP_PROXY": f.charts.URL,
	} {
		env.Setenv(name, value)
	}
	return nil
}

func kubeCommand(cluster *kubetest.Cluster) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) < 2 {
			ts.Fatalf("usage: kube METHOD PATH [BODY-FILE]")
		}
		body := ""
		if len(args) > 2 {
			body = os.Expand(ts.ReadFile(args[2]), ts.Getenv)
		}
		answer, err := cluster.Do(context.Background(), args[0], args[1], body)
		if (err != nil || answer == nil) != neg {
			ts.Fatalf("kube %s: %v %v", strings.Join(args, " "), answer, err)
		}
		_, _ = ts.Stdout().Write([]byte(answer.String() + "\n"))
	}
}

func commitCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: commit REPOSITORY DIR")
	}
	f := fixtureOf(ts)
	repo, err := f.git.Repo(args[0] + ".git")
	if err != nil {
		repo, err = f.git.Create(args[0]+".git", nil)
		ts.Check(err)
	}
	change := gitserver.Change{Files: filesBelow(ts, args[1])}
	if listed, err := repo.Git("ls-tree", "-r", "--name-only", "main"); err == nil {
		for name := range strings.Lines(listed) {
			if name = strings.TrimSpace(name); change.Files[name] == "" {
				change.Delete = append(change.Delete, name)
			}
		}
	}
	_, err = repo.Commit(change)
	ts.Check(err)
}

func chartCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: chart NAME VERSION DIR")
	}
	fixtureOf(ts).charts.Add(args[0], args[1], filesBelow(ts, args[2]))
}

func protectCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: protect USER PASSWORD")
	}
	fixtureOf(ts).charts.Protect(args[0], args[1])
}

func filesBelow(ts *testscript.TestScript, dir string) map[string]string {
	files := map[string]string{}
	top := ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(top, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		rel, _ := filepath.Rel(top, name)
		files[filepath.ToSlash(rel)] = string(text)
		return err
	}))
	return files
}

func exitsCommand(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%s exits with %d, not %s", args[1], code, args[0])
	}
}

func passedCommand(ts *testscript.TestScript, _ bool, args []string) {
	out := ts.ReadFile(args[1])
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		_, rest, found := strings.Cut(out, line)
		if !found {
			ts.Fatalf("this line did not come through: %s", line)
		}
		out = rest
	}
}

func historyCommand(cluster *kubetest.Cluster) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		if len(args) != 1 {
			ts.Fatalf("usage: history RELEASE")
		}
		list, err := cluster.Do(context.Background(), "GET", "/api/v1/namespaces/"+fixtureOf(ts).namespace+"/secrets?labelSelector=owner%3Dhelm%2Cname%3D"+args[0], "")
		ts.Check(err)
		items, _ := list["items"].([]any)
		lines := map[int]string{}
		for _, item := range items {
			labels := kubetest.Object(item.(map[string]any)).At("metadata", "labels").(map[string]any)
			n, err := strconv.Atoi(fmt.Sprint(labels["version"]))
			ts.Check(err)
			lines[n] = fmt.Sprintf("%d %v\n", n, labels["status"])
		}
		if len(lines) == 0 {
			_, _ = ts.Stdout().Write([]byte("none\n"))
		}
		numbers := make([]int, 0, len(lines))
		for n := range lines {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		for _, n := range numbers {
			_, _ = ts.Stdout().Write([]byte(lines[n]))
		}
	}
}

// requestsCommand prints method and path of each, without the query.
func requestsCommand(ts *testscript.TestScript, _ bool, _ []string) {
	f := fixtureOf(ts)
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.requests) // several are under way at a time
	for _, line := range f.requests {
		_, _ = fmt.Fprintln(ts.Stdout(), line)
	}
	f.requests = nil
}
