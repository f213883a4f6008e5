package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

func TestMain(m *testing.M) {
	script.MainWith(m, map[string]func(){"fetch": fetchMain}, app)
}

// TestScripts gives every script a namespace named after it and a kubeconfig whose context
// names that. See fetchMain for the command that makes streams of YAML files.
func TestScripts(t *testing.T) {
	cluster := kubetest.Shared(t)
	script.Run(t, "testdata", func(p *testscript.Params) {
		p.Setup = func(env *testscript.Env) error {
			namespace := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
			cluster.Must(t, "POST", "/api/v1/namespaces", "metadata: {name: "+namespace+"}")
			kubeconfig := filepath.Join(env.WorkDir, ".kubeconfig")
			if err := cluster.WriteKubeconfig(kubeconfig, namespace); err != nil {
				return err
			}
			env.Setenv("KUBECONFIG", kubeconfig)
			env.Setenv("NAMESPACE", namespace)
			return nil
		}
		p.Cmds["kube"] = kubeCommand(cluster)
	})
}

// kubeCommand talks to the API server behind kapply's back:
//
//	kube METHOD PATH [BODY-FILE]
//
// The answer becomes stdout. With "!" the object must not be there, or the request must be
// refused. A PATCH whose path names a fieldManager is a server-side apply.
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
