package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// anyCode will do.
const anyCode = -1

// fromCluster runs without a stream; standard input is a terminal's that nobody reads.
func (h *held) fromCluster(code int, args ...string) (stdout, stderr string) {
	h.t.Helper()
	c := h.command(h.t.Context(), program, append([]string{"--from-cluster"}, args...)...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if got := h.exitCode(c.Run()); got != code && code != anyCode {
		h.t.Fatalf("%v: exit code %d, want %d\n%s", args, got, code, said.String())
	}
	return out.String(), said.String()
}

// apply makes a HelmRelease in the cluster only.
func (h *held) apply(namespace, name, spec string) {
	h.t.Helper()
	text := "apiVersion: " + v1 + "\nkind: HelmRelease\nmetadata: {name: " + name + "}\nspec:\n  releaseName: " + name + "\n" + spec
	h.cluster.Must(h.t, "PATCH", "/apis/"+v1+"/namespaces/"+namespace+"/helmreleases/"+name+"?fieldManager=sluice&force=true", text)
}

func (h *held) remove(namespace, name string) {
	h.t.Helper()
	h.cluster.Must(h.t, "DELETE", "/apis/"+v1+"/namespaces/"+namespace+"/helmreleases/"+name, "")
}

// released says whether there is a release.
func (h *held) released(namespace, name string) bool {
	h.t.Helper()
	return h.cluster.Must(h.t, "GET", "/api/v1/namespaces/"+namespace+"/secrets/sh.helm.release.v1."+name+".v1", "") != nil
}

func TestFromCluster(t *testing.T) {
	h := newHeld(t)
	h.apply(h.namespace, "one", gitApp)
	h.apply(h.namespace, "two", gitApp)
	mine := []string{"--allow-namespace", h.namespace}
	stdout, _ := h.fromCluster(0, mine...)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 4 || !strings.Contains(lines[0], `"type":"begin"`) || !strings.Contains(lines[3], `"ok":true,"complete":true,"totals":{"installed":2}`) ||
		!strings.Contains(lines[1], `"source":"@cluster","id":"HelmRelease.helm.fluxcd.io/`+h.namespace+`/one","release":"one"`) {
		t.Errorf("records:\n%s", stdout)
	}
	h.expect(v1, "one", "Succeeded .*; one deployed, .* current")

	quiet := h.requests(func() { h.fromCluster(0, append(mine, "--prune")...) })
	if len(kubetest.Writes(quiet)) > 0 || len(quiet) > 4 {
		t.Errorf("a quiet run asks %v", quiet)
	}

	// one that is gone is uninstalled under --prune, and so is one that is being deleted
	h.remove(h.namespace, "one")
	h.fromCluster(0, mine...)
	if !h.released(h.namespace, "one") {
		t.Error("uninstalled without --prune")
	}
	h.fromCluster(0, append(mine, "--prune")...)
	if h.released(h.namespace, "one") || !h.released(h.namespace, "two") {
		t.Error("one is there, or two is not")
	}
	h.apply(h.namespace, "one", gitApp)
	h.fromCluster(0, mine...)
	h.cluster.Must(t, "PATCH", h.path(v1, "two"), `{"metadata":{"finalizers":["example.com/held"]}}`)
	h.remove(h.namespace, "two")
	h.fromCluster(0, append(mine, "--prune")...)
	if h.released(h.namespace, "two") {
		t.Error("one that is being deleted keeps its release")
	}
	h.cluster.Must(t, "PATCH", h.path(v1, "two"), `{"metadata":{"finalizers":null}}`)
}

// A run that looks into some namespaces leaves the releases of others alone.
func TestFromClusterStaysInItsNamespaces(t *testing.T) {
	h := newHeld(t)
	other := h.cluster.Namespace(t)
	h.apply(h.namespace, "one", gitApp)
	h.apply(other, "two", gitApp)
	h.fromCluster(0, "--allow-namespace", h.namespace, "--allow-namespace", other)
	h.remove(h.namespace, "one")
	h.remove(other, "two")
	h.fromCluster(0, "--allow-namespace", h.namespace, "--prune")
	if h.released(h.namespace, "one") || !h.released(other, "two") {
		t.Error("one is there, or two is not")
	}
	all, _ := h.fromCluster(anyCode, "--prune", "--dry-run") // other tests' HelmReleases too
	if !strings.Contains(all, `"release":"two"`) {
		t.Errorf("a run over all namespaces leaves two alone:\n%s", all)
	}
}

// What cannot be listed is not gone, nor is what went with the definition of HelmReleases.
func TestFromClusterWithoutAWholeList(t *testing.T) {
	h := newHeld(t)
	h.apply(h.namespace, "one", gitApp)
	h.apply(h.namespace, "two", gitApp)
	mine := []string{"--allow-namespace", h.namespace, "--prune"}
	h.fromCluster(0, mine...)
	whole := h.kubeconfig
	for answer, want := range map[string]string{
		"404 page not found":   "the cluster does not know HelmReleases",
		`{"kind":"Status"}`:    "no whole list of HelmReleases",
		`{"kind":"HelmRelease`: "no whole list of HelmReleases",
		`{"kind":"HelmReleaseList","metadata":{"continue":"x"},"items":[]}`: "no whole list of HelmReleases",
	} {
		h.kubeconfig = h.cluster.Through(t, h.namespace, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !strings.HasSuffix(r.URL.Path, "/helmreleases") {
				next.ServeHTTP(w, r)
				return
			}
			if strings.HasPrefix(answer, "404") {
				http.Error(w, answer, http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(answer))
		})
		if _, stderr := h.fromCluster(1, mine...); !strings.Contains(stderr, want) {
			t.Errorf("%s: said\n%s", answer, stderr)
		}
	}
	h.kubeconfig = whole
	h.remove(h.namespace, "one")
	h.remove(h.namespace, "two")
	if _, stderr := h.fromCluster(4, mine...); !strings.Contains(stderr, "more than the limit of 1") {
		t.Errorf("said\n%s", stderr)
	}
	if !h.released(h.namespace, "one") || !h.released(h.namespace, "two") {
		t.Error("something was uninstalled")
	}
	h.fromCluster(0, append(mine, "--max-prune", "2")...)
	if h.released(h.namespace, "one") || h.released(h.namespace, "two") {
		t.Error("something is left")
	}
}

// Releases that came from a stream stay its own until the stream's source is dropped.
func TestFromClusterAfterAStream(t *testing.T) {
	h := newHeld(t)
	h.put(v1, "one", gitApp)
	h.must(0)
	mine := []string{"--allow-namespace", h.namespace}
	if _, stderr := h.fromCluster(5, mine...); !strings.Contains(stderr, "source config holds the release") {
		t.Errorf("said\n%s", stderr)
	}
	h.fromCluster(0, append(mine, "--prune", "--drop-source", "config")...)
	h.fromCluster(0, append(mine, "--prune")...)
	if !h.released(h.namespace, "one") {
		t.Error("uninstalled")
	}
}

// SAFETY 28: one tenant's HelmRelease reads nothing of another namespace.
func TestSafety28CrossNamespace(t *testing.T) {
	h := newHeld(t)
	other := h.cluster.Namespace(t)
	h.cluster.Must(t, "POST", "/api/v1/namespaces/"+other+"/secrets", "metadata: {name: theirs}\nstringData: {values.yaml: 'greeting: canary', username: canary, password: canary}")
	h.cluster.Must(t, "POST", "/api/v1/namespaces/"+other+"/configmaps", "metadata: {name: theirs}\ndata: {values.yaml: 'greeting: canary'}")
	refs := map[string]string{
		"spec.valuesFrom[0].secretKeyRef":    gitApp + "  valuesFrom: [{secretKeyRef: {name: theirs, namespace: " + other + "}}]\n",
		"spec.valuesFrom[0].configMapKeyRef": gitApp + "  valuesFrom: [{configMapKeyRef: {name: theirs, namespace: " + other + "}}]\n",
		"spec.chart.secretRef":               "  chart: {git: \"https://git.example/config\", ref: main, path: charts/app, secretRef: {name: theirs, namespace: " + other + "}}\n",
	}
	for field, spec := range refs {
		h.apply(h.namespace, "app", spec)
		requests := h.requests(func() {
			stdout, stderr := h.fromCluster(5, "--allow-namespace", h.namespace)
			if !strings.Contains(stderr, field+": refused: it refers to another namespace") || !strings.Contains(stdout, `"code":"cross-namespace"`) {
				t.Errorf("%s: said\n%s", field, stderr)
			}
		})
		for _, r := range requests {
			if r.Namespace == other {
				t.Errorf("%s: asked %v", field, r)
			}
		}
		h.expect(v1, "app", "Failed .*Released=False/Failed.*")
	}
	h.apply(h.namespace, "app", refs["spec.valuesFrom[0].secretKeyRef"])
	h.fromCluster(0, "--allow-namespace", h.namespace, "--allow-cross-namespace")
	h.remove(h.namespace, "app")
	// from git the repository is the authority
	h.put(v1, "fromgit", refs["spec.valuesFrom[0].configMapKeyRef"])
	h.must(0)
}
