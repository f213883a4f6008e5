package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// held is a stand whose cluster knows HelmReleases.
type held struct {
	*stand
	repo  *gitserver.Repo
	at    time.Time
	agent string
}

func newHeld(t *testing.T) *held {
	t.Helper()
	h := &held{stand: newStand(t), at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), agent: "sluice-" + program}
	knowHelmReleases(t, h.cluster)
	var err error
	if h.repo, err = h.git.Repo("config.git"); err != nil {
		t.Fatal(err)
	}
	h.commit(map[string]string{"one.yaml": "", "two.yaml": "", "charts/app/templates/config.yaml": "", "charts/app/values.yaml": "greeting: hello\n",
		"charts/app/templates/all.yaml": allTemplate})
	return h
}

// knowHelmReleases makes the CustomResourceDefinitions of deploy/crds, as often as it is asked to.
func knowHelmReleases(t *testing.T, cluster *kubetest.Cluster) {
	t.Helper()
	for file, api := range map[string]string{"helmreleases": "helm.fluxcd.io/v1", "helmreleases-v1beta1": "flux.weave.works/v1beta1"} {
		text, err := os.ReadFile("../../deploy/crds/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		group, _, _ := strings.Cut(api, "/")
		cluster.Must(t, "PATCH", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/helmreleases."+group+"?fieldManager=test", string(text))
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if o, err := cluster.Do(t.Context(), "GET", "/apis/"+api+"/helmreleases", ""); err == nil && o != nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is not served", api)
			}
		}
	}
}

// allTemplate is a chart whose values make it fail in each way.
const allTemplate = `
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {greeting: "{{ .Values.greeting }}"}
immutable: true
---
{{- if eq .Values.greeting "broken" }}{{ fail "the chart is broken" }}{{ end }}
{{- if .Values.test }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: "{{ .Release.Name }}-{{ .Values.test }}"
  annotations: {helm.sh/hook: test}
{{- end }}
`

// commit changes files; an empty one goes.
func (h *held) commit(files map[string]string) string {
	h.t.Helper()
	c := gitserver.Change{Files: map[string]string{}}
	for name, text := range files {
		if text == "" {
			c.Delete = append(c.Delete, name)
		} else {
			c.Files[name] = text
		}
	}
	return h.git.MustCommit(h.repo, c)
}

// put makes a HelmRelease in git and in the cluster, as kapply would have.
func (h *held) put(api, name, spec string) string {
	h.t.Helper()
	text := "apiVersion: " + api + "\nkind: HelmRelease\nmetadata: {name: " + name + ", namespace: " + h.namespace + "}\nspec:\n  releaseName: " + name + "\n" + spec
	revision := h.commit(map[string]string{name + ".yaml": text})
	h.cluster.Must(h.t, "PATCH", h.path(api, name)+"?fieldManager=sluice&force=true", text)
	return revision
}

func (h *held) path(api, name string) string {
	return "/apis/" + api + "/namespaces/" + h.namespace + "/helmreleases/" + name
}

// run reconciles the newest commit, fetched a minute after the last one.
func (h *held) run(args ...string) (code int, stderr string) {
	h.t.Helper()
	h.at = h.at.Add(time.Minute)
	out, err := h.command(h.t.Context(), "fetch", "-at", h.at.Format(time.RFC3339), "config").Output()
	if err != nil {
		h.t.Fatal(err)
	}
	return h.reconcile(bytes.NewReader(out), args...)
}

func (h *held) reconcile(stdin *bytes.Reader, args ...string) (code int, stderr string) {
	h.t.Helper()
	c := h.command(h.t.Context(), program, args...)
	var said bytes.Buffer
	c.Stdin, c.Stderr = stdin, &said
	return h.exitCode(c.Run()), said.String()
}

func (h *held) must(code int, args ...string) string {
	h.t.Helper()
	got, stderr := h.run(args...)
	if got != code {
		h.t.Fatalf("exit code %d, want %d\n%s", got, code, stderr)
	}
	return stderr
}

// shown is the status in short: phase, conditions with their reasons, and the other fields.
func (h *held) shown(api, name string) string {
	h.t.Helper()
	o := h.cluster.Must(h.t, "GET", h.path(api, name), "")
	status, _ := o.At("status").(map[string]any)
	var conditions []string
	list, _ := status["conditions"].([]any)
	for _, c := range list {
		c := c.(map[string]any)
		conditions = append(conditions, fmt.Sprintf("%v=%v/%v", c["type"], c["status"], c["reason"]))
	}
	slices.Sort(conditions)
	generation := "current"
	if fmt.Sprint(status["observedGeneration"]) != fmt.Sprint(o.At("metadata", "generation")) {
		generation = "old"
	}
	return fmt.Sprintf("%v %s; %v %v, revision %.7v of %.7v, %v rollbacks, %s", status["phase"], strings.Join(conditions, " "),
		status["releaseName"], status["releaseStatus"], status["revision"], status["lastAttemptedRevision"], status["rollbackCount"], generation)
}

func (h *held) condition(name, conditionType string) map[string]any {
	h.t.Helper()
	list, _ := h.cluster.Must(h.t, "GET", h.path(v1, name), "").At("status", "conditions").([]any)
	for _, c := range list {
		if c := c.(map[string]any); c["type"] == conditionType {
			return c
		}
	}
	return nil
}

const (
	v1      = "helm.fluxcd.io/v1"
	v1beta1 = "flux.weave.works/v1beta1"
	gitApp  = "  chart: {git: \"https://git.example/config\", ref: main, path: charts/app}\n"
)

func (h *held) expect(api, name, want string) {
	h.t.Helper()
	if got := h.shown(api, name); !regexp.MustCompile("^" + want + "$").MatchString(got) {
		h.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Each phase of the Helm Operator's status, as runs go through them.
func TestStatusPhases(t *testing.T) {
	h := newHeld(t)
	const (
		fine = "ChartFetched=True/ChartFetched Deployed=True/Deployed Ready=True/Succeeded Released=True/Succeeded"
		upto = "ChartFetched=True/ChartFetched Deployed=False/DeployFailed "
	)
	first := h.put(v1, "app", gitApp)[:7]
	h.must(0)
	h.expect(v1, "app", "Succeeded "+fine+"; app deployed, revision "+first+" of "+first+", 0 rollbacks, current")

	since := h.condition("app", "Released")["lastTransitionTime"]
	second := h.put(v1, "app", gitApp+"  values: {greeting: hi}\n")[:7]
	h.must(5)
	h.expect(v1, "app", "DeployFailed "+upto+"Ready=False/DeployFailed Released=False/DeployFailed; app failed, revision "+first+" of "+second+", 0 rollbacks, current")
	if message := fmt.Sprint(h.condition("app", "Released")["message"]); !strings.Contains(message, "for Helm release 'app' in '"+h.namespace+"': upgrading: ") || !strings.Contains(message, "immutable") {
		t.Errorf("message %s", message)
	}
	if h.condition("app", "Released")["lastTransitionTime"] == "" || since == "" {
		t.Error("no transition times")
	}

	// the failure is not tried again, and the status goes on telling of it
	before := h.cluster.Must(t, "GET", h.path(v1, "app"), "").At("metadata", "resourceVersion")
	h.must(5)
	if after := h.cluster.Must(t, "GET", h.path(v1, "app"), "").At("metadata", "resourceVersion"); after != before {
		t.Error("a run that can do nothing writes a status")
	}

	h.put(v1, "app", gitApp+"  wait: false\n  values: {greeting: ho}\n  rollback: {enable: true}\n")
	h.must(5)
	h.expect(v1, "app", "RolledBack "+upto+"Ready=False/RolledBack Released=False/RolledBack RolledBack=True/RolledBack; app deployed, revision "+first+" of .*, 1 rollbacks, current")
	h.put(v1, "app", gitApp+"  wait: false\n  values: {greeting: hey}\n  rollback: {enable: true}\n")
	h.must(5)
	h.expect(v1, "app", "RolledBack .*, 2 rollbacks, current")
	h.must(5)
	h.expect(v1, "app", "RolledBack .*, 2 rollbacks, current")

	h.put(v1, "app", gitApp+"  values: {greeting: broken}\n")
	h.must(5)
	h.expect(v1, "app", "DeployFailed .*Released=False/DeployFailed.*; app deployed, .*")

	h.put(v1, "app", strings.Replace(gitApp, "charts/app", "charts/none", 1))
	h.must(5)
	h.expect(v1, "app", "ChartFetchFailed ChartFetched=False/ChartFetchFailed .*Released=False/ChartFetchFailed.*; app deployed, .*")

	h.put(v1, "app", gitApp+"  valuesFrom: [{configMapKeyRef: {name: none}}]\n")
	h.must(5)
	h.expect(v1, "app", "Failed .*Released=False/Failed.*; app deployed, .*")

	h.put(v1, "app", gitApp)
	h.must(0)
	h.expect(v1, "app", "Succeeded "+fine+"; app deployed, revision .*, 0 rollbacks, current")
}

// The phases of a chart's tests.
func TestStatusOfTests(t *testing.T) {
	h := newHeld(t)
	h.put(v1, "app", gitApp+"  values: {test: succeeds}\n  test: {enable: true, timeout: 20}\n")
	h.must(0)
	h.expect(v1, "app", "Succeeded .*Released=True/Succeeded Tested=True/Tested; app deployed, .*")
	h.put(v1, "app", gitApp+"  values: {test: Not_A_Name}\n  test: {enable: true, timeout: 20}\n")
	h.must(5)
	h.expect(v1, "app", "TestFailed .*Deployed=True/Deployed .*Released=False/TestFailed Tested=False/TestFailed; app failed, .*")
	h.must(5)
	h.expect(v1, "app", "TestFailed .*")
	h.put(v1, "app", gitApp+"  values: {test: Not_A_Name}\n  test: {enable: true, timeout: 20, ignoreFailures: true}\n")
	h.must(0, "--retry-failed")
	h.expect(v1, "app", "Succeeded .*Ready=True/Succeeded Released=True/Succeeded Tested=False/TestFailed; app deployed, .*")
	h.put(v1, "app", gitApp)
	h.must(0)
	h.expect(v1, "app", "Succeeded ChartFetched=True/ChartFetched Deployed=True/Deployed Ready=True/Succeeded Released=True/Succeeded; app deployed, .*")
}

// While Helm is at work the status says so.
func TestStatusInBetween(t *testing.T) {
	h := newHeld(t)
	h.put(v1, "one", gitApp)
	c, stderr := h.start(nil)
	h.expect(v1, "one", "Installing ChartFetched=True/ChartFetched Deployed=Unknown/Installing Ready=Unknown/Installing; one .*")
	close(h.release)
	if code := h.exitCode(c.Wait()); code != 0 {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
	h.expect(v1, "one", "Succeeded .*")
}

// The status is that of the HelmRelease, wherever its release is; and objects of the old group have one too.
func TestStatusElsewhere(t *testing.T) {
	h := newHeld(t)
	target := h.cluster.Namespace(t)
	h.put(v1, "app", gitApp+"  targetNamespace: "+target+"\n")
	h.put(v1beta1, "old", gitApp)
	h.put(v1, "bad", "  chart: {git: g, path: p}\n  helmVersion: v2\n")
	h.put(v1, "gone", gitApp)
	h.must(5)
	h.expect(v1, "app", "Succeeded .*; app deployed, .*")
	h.expect(v1beta1, "old", "Succeeded .*; old deployed, .*")
	h.expect(v1, "bad", "Failed Ready=False/Failed Released=False/Failed; .*")
	if message := fmt.Sprint(h.condition("bad", "Released")["message"]); !strings.Contains(message, "Helm 2 ended") {
		t.Errorf("message %s", message)
	}
	// a HelmRelease that the stream holds and the cluster does not has no status
	h.cluster.Must(t, "DELETE", h.path(v1, "gone"), "")
	h.commit(map[string]string{"bad.yaml": ""})
	h.must(0)
	if o := h.cluster.Must(t, "GET", h.path(v1, "gone"), ""); o != nil {
		t.Errorf("made: %s", o)
	}
}

// A quiet run writes nothing, and asks for all HelmReleases once; a dry run writes nothing at all.
func TestStatusOfQuietRuns(t *testing.T) {
	h := newHeld(t)
	other := h.cluster.Namespace(t)
	h.put(v1, "one", gitApp)
	h.put(v1, "two", gitApp)
	h.commit(map[string]string{"three.yaml": "apiVersion: " + v1 + "\nkind: HelmRelease\nmetadata: {name: three, namespace: " + other + "}\nspec:\n  releaseName: three\n" + gitApp})
	writes := h.writes(func() { h.must(0, "--dry-run") })
	if len(writes) > 0 {
		t.Errorf("a dry run wrote %v", writes)
	}
	h.must(0)
	quiet := h.requests(func() { h.must(0, "--prune") })
	lists := 0
	for _, r := range quiet {
		if r.Resource == "helmreleases" {
			lists++
		}
	}
	if lists != 1 || len(kubetest.Writes(quiet)) > 0 || len(quiet) > 4 {
		t.Errorf("a quiet run asks %v", quiet)
	}
	// what somebody wrote into a status is put right, without a revision
	h.cluster.Must(t, "PATCH", h.path(v1, "one")+"/status", `{"status":{"phase":"Failed","conditions":[{"type":"Mine","status":"True"}]}}`)
	writes = h.writes(func() { h.must(0) })
	if len(writes) != 1 || writes[0].Subresource != "status" {
		t.Errorf("wrote %v", writes)
	}
	h.expect(v1, "one", "Succeeded .*Mine=True.*Released=True/Succeeded; .*")
}

func (h *held) requests(f func()) []kubetest.Request {
	h.t.Helper()
	return slices.DeleteFunc(h.cluster.Count(h.t, h.agent, f), func(r kubetest.Request) bool { return r.Agent == "" })
}

func (h *held) writes(f func()) []kubetest.Request { return kubetest.Writes(h.requests(f)) }

// The annotation that asks for a migration from Helm 2 keeps a release from being installed, and is
// nothing to one that is there.
func TestMigrationIsTold(t *testing.T) {
	h := newHeld(t)
	text := "apiVersion: " + v1 + "\nkind: HelmRelease\nmetadata: {name: app, annotations: {helm.fluxcd.io/migrate: \"true\"}}\nspec:\n  releaseName: app\n" + gitApp
	h.commit(map[string]string{"app.yaml": text})
	if stderr := h.must(5); !strings.Contains(stderr, "asks for a release of Helm 2 to be converted, which is not done here") || !strings.Contains(stderr, "hint: convert it with") {
		t.Errorf("said\n%s", stderr)
	}
	h.commit(map[string]string{"app.yaml": strings.Replace(text, "migrate", "migrated", 1)})
	h.must(0)
	h.commit(map[string]string{"app.yaml": text})
	h.must(0)
}
