package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// TestPullSecretScripts gives every script a namespace named after it, $NAMESPACE, and a kubeconfig
// whose context names that.
func TestPullSecretScripts(t *testing.T) {
	cluster := kubetest.Shared(t)
	script.Run(t, filepath.Join("testdata", "pull-secrets"), func(p *testscript.Params) {
		setup(p)
		network := p.Setup
		p.Setup = func(env *testscript.Env) error {
			if err := network(env); err != nil {
				return err
			}
			namespace := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
			cluster.Must(t, "POST", "/api/v1/namespaces", "metadata: {name: "+namespace+"}")
			for _, name := range []string{"default", "robot"} { // the first may be there before
				cluster.Must(t, "PATCH", "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+name+"?fieldManager=test",
					"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: "+name+"}")
			}
			kubeconfig := filepath.Join(env.WorkDir, ".kubeconfig")
			if err := cluster.WriteKubeconfig(kubeconfig, namespace); err != nil {
				return err
			}
			env.Setenv("KUBECONFIG", kubeconfig)
			mark, err := cluster.Mark(context.Background())
			env.Values["mark"] = &mark
			return err
		}
		p.Cmds["kube"], p.Cmds["restricted"], p.Cmds["read"] = kubeCommand(cluster), restrictedCommand(cluster), readCommand(cluster)
	})
}

// kubeCommand talks to the API server: kube METHOD PATH FILE.
func kubeCommand(cluster *kubetest.Cluster) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		_, err := cluster.Do(context.Background(), args[0], args[1], ts.ReadFile(args[2]))
		if err != nil || neg {
			ts.Fatalf("kube: %v", err)
		}
	}
}

// restrictedCommand writes a kubeconfig of a user who may read pull secrets in one namespace:
// restricted NAMESPACE FILE.
func restrictedCommand(cluster *kubetest.Cluster) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		user := kubetest.User{Name: "scanner", Namespace: args[0], Rules: []kubetest.Rule{{Groups: []string{""}, Resources: []string{"serviceaccounts", "secrets"}, Verbs: []string{"get"}}}}
		if err := cluster.AddUser(context.Background(), user, ts.MkAbs(args[1])); err != nil {
			ts.Fatalf("restricted: %v", err)
		}
	}
}

// readCommand writes what scan-tags asked the API server about one namespace since the last look,
// sorted: read NAMESPACE FILE.
func readCommand(cluster *kubetest.Cluster) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		mark := ts.Value("mark").(*kubetest.Mark)
		requests, err := cluster.Since(context.Background(), *mark, "sluice-scan-tags")
		if err == nil {
			*mark, err = cluster.Mark(context.Background())
		}
		if err != nil {
			ts.Fatalf("read: %v", err)
		}
		var lines []string
		for _, r := range requests {
			if r.Namespace == args[0] {
				lines = append(lines, fmt.Sprintf("%s %s/%s %d\n", r.Verb, r.Resource, r.Name, r.Code))
			}
		}
		slices.Sort(lines)
		if err := os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(lines, "")), 0o600); err != nil {
			ts.Fatalf("read: %v", err)
		}
	}
}
