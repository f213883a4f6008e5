package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// events are those about this test's HelmReleases: name reason count: message.
func (h *held) events() string {
	h.t.Helper()
	var all []string
	items, _ := h.cluster.Must(h.t, "GET", "/api/v1/namespaces/"+h.namespace+"/events?fieldSelector=source=sluice-helm-reconcile", "").At("items").([]any)
	for _, item := range items {
		e := kubetest.Object(item.(map[string]any))
		all = append(all, fmt.Sprintf("%v %v %v %v: %v\n", e.At("type"), e.At("involvedObject", "name"), e.At("reason"), e.At("count"), e.At("message")))
	}
	return strings.Join(all, "")
}

// Changes and failures are told as Events of the HelmRelease: the same one is counted, and a run in which
// nothing is new tells nothing.
func TestEvents(t *testing.T) {
	h := newHeld(t)
	h.put(v1, "app", gitApp)
	h.must(0, "--dry-run")
	if got := h.events(); got != "" {
		t.Errorf("a dry run tells %s", got)
	}
	h.must(0)
	want := "Normal app ReleaseSynced 1: release app installed, chart app 0.1.0, revision 1\n"
	if got := h.events(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	h.put(v1, "app", gitApp+"  values: {greeting: hi}\n")
	for n := 1; n <= 2; n++ {
		h.must(5, "--retry-failed")
		if got := h.events(); !strings.Contains(got, fmt.Sprintf("Warning app FailedReleaseSync %d: release app failed: upgrading: ", n)) {
			t.Errorf("run %d: %s", n, got)
		}
	}
	before := h.events()
	h.must(5)
	if got := h.events(); got != before {
		t.Errorf("a run that can do nothing tells %s", got)
	}
	h.put(v1, "app", gitApp)
	h.must(0, "--events=false")
	if got := h.events(); got != before {
		t.Errorf("--events=false tells %s", got)
	}
	// what cannot even begin is told once
	h.put(v1, "app", strings.Replace(gitApp, "charts/app", "charts/none", 1))
	h.must(5)
	h.must(5)
	if got := h.events(); !strings.Contains(got, "Warning app FailedReleaseSync 1: release app failed: chart charts/none") {
		t.Errorf("told: %s", got)
	}
}

// Who may neither read HelmReleases nor write Events does without both.
func TestStatusNeedsNoRights(t *testing.T) {
	h := newHeld(t)
	h.put(v1, "one", gitApp)
	h.put(v1, "two", gitApp)
	for _, may := range []struct {
		name string
		rule kubetest.Rule
	}{
		{"nothing", kubetest.Rule{Groups: []string{"none.example"}, Resources: []string{"none"}, Verbs: []string{"get"}}},
		{"reads", kubetest.Rule{Groups: []string{"helm.fluxcd.io"}, Resources: []string{"helmreleases"}, Verbs: []string{"list"}}},
	} {
		h.kubeconfig = h.cluster.Restricted(t, kubetest.User{Name: may.name, Namespace: h.namespace, Rules: []kubetest.Rule{
			{Groups: []string{""}, Resources: []string{"configmaps", "secrets"}, Verbs: []string{"get", "list", "create", "update", "patch", "delete"}},
			{Groups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create", "update"}}, may.rule,
		}})
		stderr := h.must(0, "--verbose", "--inventory", may.name, "--adopt")
		if n := strings.Count(stderr, "debug: no status of HelmReleases: "); n != 1 {
			t.Errorf("%s: that there is no status is said %d times:\n%s", may.name, n, stderr)
		}
		h.commit(map[string]string{"one.yaml": "", "two.yaml": ""})
		h.must(0, "--prune", "--inventory", may.name)
		h.put(v1, "one", gitApp)
		h.put(v1, "two", gitApp)
	}
}

// The Helm Operator's own CustomResourceDefinition knows no condition Ready: the status goes without.
func TestStatusWithTheOperatorsDefinition(t *testing.T) {
	h := newHeld(t)
	seen := 0
	h.kubeconfig = h.cluster.Through(t, h.namespace, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/status") {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"Ready"`) {
				seen++
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","message":"status.conditions.type: Unsupported value: \"Ready\"","code":422}`)
				return
			}
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
		}
		next.ServeHTTP(w, r)
	})
	h.put(v1, "app", gitApp)
	stderr := h.must(0, "--verbose")
	if !strings.Contains(stderr, "does not know the condition Ready: deploy/crds has one that does") {
		t.Errorf("not said:\n%s", stderr)
	}
	h.expect(v1, "app", "Succeeded ChartFetched=True/ChartFetched Deployed=True/Deployed Released=True/Succeeded; .*")
	seen = 0
	if writes := h.writes(func() { h.must(0) }); len(writes) > 0 || seen != 1 {
		t.Errorf("a quiet run wrote %v, and tried %d times", writes, seen)
	}
}
