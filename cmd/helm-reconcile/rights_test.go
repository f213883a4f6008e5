package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// Without the right to list Secrets there are no releases to be seen: the message says what is missing,
// and the hint what to do.
func TestRunWithoutSecrets(t *testing.T) {
	s := newStand(t)
	s.kubeconfig = s.cluster.Restricted(t, kubetest.User{Name: "no-secrets", Namespace: s.namespace, Rules: []kubetest.Rule{
		{Groups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "update"}},
	}})
	c := s.command(t.Context(), program)
	var said bytes.Buffer
	c.Stdin, c.Stderr = bytes.NewReader(s.stream()), &said
	code := s.exitCode(c.Run())
	if code != 1 || !strings.Contains(said.String(), `cannot list resource "secrets"`) || !strings.Contains(said.String(), "hint: the message names the right") {
		t.Errorf("exit code %d\n%s", code, said.String())
	}
}
