package helmrel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// bench is a namespace of a real cluster with a client of its own.
type bench struct {
	t         *testing.T
	kube      *kubetest.Cluster
	helm      *Cluster
	namespace string
	agent     string
	adopt     bool
	again     bool
	later     time.Duration // by how much the clock is ahead
	allow     string        // an annotation
	crds      CRDPolicy
}

func newBench(t *testing.T) *bench {
	t.Helper()
	kube := kubetest.Shared(t)
	b := &bench{t: t, kube: kube, namespace: kube.Namespace(t)}
	b.agent = "helmrel/" + b.namespace + "/"
	b.helm = b.connect(kube.Kubeconfig)
	return b
}

// connect is a client as a new process would have it.
func (b *bench) connect(kubeconfig string) *Cluster {
	b.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		b.t.Fatal(err)
	}
	config.UserAgent = b.agent
	c, err := NewCluster(config)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) history(name string) History {
	b.t.Helper()
	all, err := b.helm.Histories(b.t.Context(), []string{b.namespace})
	if err != nil {
		b.t.Fatal(err)
	}
	return all[ReleaseID{b.namespace, name}]
}

// shown is a history as one line: number and status, and a star where the revision was made here.
func (h History) shown() string {
	var all []string
	for _, r := range h {
		star := ""
		if r.Digest != "" {
			star = "*"
		}
		all = append(all, fmt.Sprintf("%d:%s%s", r.Version, r.Status, star))
	}
	return strings.Join(all, " ")
}

// run decides and acts for one HelmRelease, as a whole program run would.
func (b *bench) run(spec string, files map[string]string) (Decision, Outcome, error) {
	b.t.Helper()
	h := parse(b.t, `{"metadata":{"name":"app","namespace":"`+b.namespace+`"},"spec":{"chart":{"git":"g","path":"p"},"releaseName":"app"`+spec+`}}`)
	h.Metadata.Annotations = map[string]string{b.allow: "true"}
	c, err := FromFolder(folder(files))
	if err != nil {
		b.t.Fatal(err)
	}
	values, _, err := h.Merge(b.t.Context(), b.helm, c)
	if err != nil {
		b.t.Fatal(err)
	}
	digest, err := Digest(c, values, h.Spec)
	if err != nil {
		b.t.Fatal(err)
	}
	history := b.history("app")
	owner := Owner{Inventory: ID{b.namespace, "default"}, Release: h.ID()}
	d := Decide(history, Wish{Digest: digest, Owner: owner, Rollback: h.Spec.Rollback.Enable, Retries: h.Spec.Rollback.Retries(),
		Test: h.Spec.Test.Enable, Adopt: b.adopt, Again: b.again, Now: time.Now().Add(b.later), Timeout: h.Spec.HelmTimeout()})
	if d.Step == StepUnchanged || d.Step == StepBlocked {
		return d, Outcome{}, nil
	}
	out, err := b.helm.Do(b.t.Context(), Task{HelmRelease: h, Chart: c, Values: values, Digest: digest, Owner: owner, History: history, Decision: d, CRDs: b.crds})
	return d, out, err
}

// settles runs and demands a step without an error.
func (b *bench) settles(spec string, files map[string]string, step Step, revision int) {
	b.t.Helper()
	d, _, err := b.run(spec, files)
	if err != nil || d.Step != step || d.Revision != revision {
		b.t.Fatalf("got %+v, %v; want %s at revision %d", d, err, step, revision)
	}
}

func (b *bench) configMap(name string) kubetest.Object {
	b.t.Helper()
	return b.kube.Must(b.t, "GET", "/api/v1/namespaces/"+b.namespace+"/configmaps/"+name, "")
}

func simple() map[string]string {
	return map[string]string{
		"Chart.yaml":            chartYAML("simple", "0.1.0"),
		"values.yaml":           "greeting: hello\ncount: 1\nname: one\n",
		"templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}-{{ .Values.name }}\"}\ndata: {greeting: \"{{ .Values.greeting }}\", count: \"{{ .Values.count }}\"}\n",
		"templates/NOTES.txt":   "thanks\n",
	}
}

func TestInstallUpgradeUnchangedUninstall(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	if got := b.configMap("app-one").At("data", "greeting"); got != "hello" {
		t.Errorf("greeting %v", got)
	}
	requests := b.kube.Count(t, b.agent, func() { b.settles("", simple(), StepUnchanged, 1) })
	if len(requests) != 1 || requests[0].Verb != "list" || requests[0].Resource != "secrets" {
		t.Errorf("a quiet run asks %v", requests)
	}
	b.settles(`,"values":{"greeting":"bye","count":1234567}`, simple(), StepUpgrade, 2)
	if o := b.configMap("app-one"); o.At("data", "greeting") != "bye" || o.At("data", "count") != "1234567" {
		t.Errorf("data %v", o.At("data"))
	}
	changed := simple()
	changed["templates/config.yaml"] += "immutable: true\n"
	b.settles(`,"values":{"greeting":"bye","count":1234567}`, changed, StepUpgrade, 3)
	if h := b.history("app").shown(); h != "1:superseded* 2:superseded* 3:deployed*" {
		t.Errorf("history %s", h)
	}
	if err := b.helm.Uninstall(t.Context(), ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app")); err != nil {
		t.Fatal(err)
	}
	if b.configMap("app-one") != nil || len(b.history("app")) != 0 {
		t.Error("something is left")
	}
	if err := b.helm.Uninstall(t.Context(), ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app")); err != nil {
		t.Errorf("uninstalling what is not there: %v", err)
	}
}

// SAFETY 11: another name of the chart is an upgrade; nothing is uninstalled.
func TestSafety11ChartRenamed(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	uid := b.configMap("app-one").At("metadata", "uid")
	renamed := simple()
	renamed["Chart.yaml"] = chartYAML("renamed", "0.1.0")
	requests := b.kube.Count(t, b.agent, func() { b.settles("", renamed, StepUpgrade, 2) })
	for _, r := range kubetest.Writes(requests) {
		if r.Verb == "delete" {
			t.Errorf("deleted: %v", r)
		}
	}
	if got := b.configMap("app-one").At("metadata", "uid"); got != uid {
		t.Errorf("the object was made anew: %v, was %v", got, uid)
	}
}

// failing is a chart whose second state the API server refuses: an immutable field changes.
func failing() map[string]string {
	files := simple()
	files["templates/config.yaml"] += "immutable: true\n"
	return files
}

// SAFETY 21: what failed is not tried again; 20 runs make one failed revision.
func TestSafety21FailedOnce(t *testing.T) {
	b := newBench(t)
	b.settles("", failing(), StepInstall, 1)
	if _, _, err := b.run(`,"values":{"greeting":"bye"}`, failing()); err == nil || !strings.Contains(err.Error(), "immutable") {
		t.Fatalf("error %v", err)
	}
	for range 20 {
		b.settles(`,"values":{"greeting":"bye"}`, failing(), StepBlocked, 2)
	}
	if h := b.history("app").shown(); h != "1:deployed* 2:failed*" {
		t.Errorf("history %s", h)
	}
	b.again = true
	if _, _, err := b.run(`,"values":{"greeting":"bye"}`, failing()); err == nil {
		t.Error("it was not tried again")
	}
	b.again = false
	b.settles("", failing(), StepUpgrade, 4)
	if h := b.history("app").shown(); h != "1:superseded* 2:failed* 3:failed* 4:deployed*" {
		t.Errorf("history %s", h)
	}
}

func TestFailedInstallKeepsItsEvidence(t *testing.T) {
	b := newBench(t)
	broken := simple()
	broken["templates/bad.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n"
	if _, out, err := b.run("", broken); err == nil || out.Revision != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	b.settles("", broken, StepBlocked, 1)
	b.settles("", simple(), StepUpgrade, 2)
	if h := b.history("app").shown(); h != "1:superseded* 2:deployed*" { // Helm forgets that it failed
		t.Errorf("history %s", h)
	}
}

func TestRollback(t *testing.T) {
	b := newBench(t)
	const spec = `,"wait":false,"rollback":{"enable":true}`
	b.settles(spec, failing(), StepInstall, 1)
	_, out, err := b.run(spec+`,"values":{"greeting":"bye"}`, failing())
	if err == nil || !out.RolledBack || out.Revision != 3 {
		t.Fatalf("%+v, %v", out, err)
	}
	b.settles(spec+`,"values":{"greeting":"bye"}`, failing(), StepBlocked, 3)
	if h := b.history("app").shown(); h != "1:superseded* 2:failed* 3:deployed*" {
		t.Errorf("history %s", h)
	}
	// what was wished before is still there, and is wished again
	b.settles(spec, failing(), StepUnchanged, 3)
}

func TestRenderingFaultLeavesNoRevision(t *testing.T) {
	b := newBench(t)
	broken := simple()
	broken["templates/bad.yaml"] = "{{ fail .Values.greeting }}"
	if _, out, err := b.run("", broken); err == nil || out.Revision != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	b.settles("", simple(), StepInstall, 1)
	if _, out, err := b.run("", broken); err == nil || out.Revision != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if h := b.history("app").shown(); h != "1:deployed*" {
		t.Errorf("history %s", h)
	}
}

func TestValuesFromCluster(t *testing.T) {
	b := newBench(t)
	b.kube.Must(t, "POST", "/api/v1/namespaces/"+b.namespace+"/configmaps", "metadata: {name: base}\ndata: {values.yaml: 'greeting: base'}")
	b.kube.Must(t, "POST", "/api/v1/namespaces/"+b.namespace+"/secrets", "metadata: {name: creds}\nstringData: {values.yaml: 'count: 7'}")
	const spec = `,"valuesFrom":[{"configMapKeyRef":{"name":"base"}},{"secretKeyRef":{"name":"creds"}},{"secretKeyRef":{"name":"none","optional":true}}]`
	b.settles(spec, simple(), StepInstall, 1)
	if o := b.configMap("app-one"); o.At("data", "greeting") != "base" || o.At("data", "count") != "7" {
		t.Errorf("data %v", o.At("data"))
	}
	b.kube.Must(t, "PATCH", "/api/v1/namespaces/"+b.namespace+"/configmaps/base", `{"data":{"values.yaml":"greeting: other"}}`)
	b.helm = b.connect(b.kube.Kubeconfig)
	b.settles(spec, simple(), StepUpgrade, 2)
	if _, err := b.helm.Secret(t.Context(), b.namespace, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestChartWithCRDs(t *testing.T) {
	b := newBench(t)
	files := simple()
	files["crds/thing.yaml"] = strings.ReplaceAll(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`, "GROUP", b.namespace+".example.com")
	files["templates/thing.yaml"] = "apiVersion: " + b.namespace + ".example.com/v1\nkind: Thing\nmetadata: {name: it}\n"
	b.settles("", files, StepInstall, 1)
	if b.kube.Must(t, "GET", "/apis/"+b.namespace+".example.com/v1/namespaces/"+b.namespace+"/things/it", "") == nil {
		t.Error("the custom resource is not there")
	}
}

func TestForeignReleaseIsLeftAlone(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	// as if made by hand: without our labels
	record := "/api/v1/namespaces/" + b.namespace + "/secrets/sh.helm.release.v1.app.v1"
	b.kube.Must(t, "PATCH", record, `{"metadata":{"labels":{"`+LabelDigest+`":null,"`+LabelOwner+`":null,"`+LabelInventory+`":null}}}`)
	d, _, err := b.run("", simple())
	if err != nil || d.Code != CodeForeign {
		t.Fatalf("%+v, %v", d, err)
	}
	b.adopt = true
	b.settles("", simple(), StepUpgrade, 2)
	b.adopt = false
	b.settles("", simple(), StepUnchanged, 2)
}

func TestDryRunWritesNothing(t *testing.T) {
	b := newBench(t)
	h := parse(t, `{"metadata":{"name":"app","namespace":"`+b.namespace+`"},"spec":{"chart":{"git":"g","path":"p"},"releaseName":"app"}}`)
	c, err := FromFolder(folder(simple()))
	if err != nil {
		t.Fatal(err)
	}
	task := Task{HelmRelease: h, Chart: c, Values: Values{}, Digest: want40, Owner: me, Decision: Decide(nil, Wish{}), DryRun: true}
	requests := b.kube.Count(t, b.agent, func() {
		if out, err := b.helm.Do(t.Context(), task); err != nil || out.Revision != 1 {
			t.Errorf("%+v, %v", out, err)
		}
	})
	if writes := kubetest.Writes(requests); len(writes) > 0 {
		t.Errorf("a dry run wrote %v", writes)
	}
	files := simple()
	files["templates/other.yaml"] = "apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: x}\n"
	if task.Chart, err = FromFolder(folder(files)); err != nil {
		t.Fatal(err)
	}
	if out, err := b.helm.Do(t.Context(), task); err != nil || !strings.Contains(out.Note, "Nothing") {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestHistoriesWithRightsInOneNamespace(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	few := b.kube.Restricted(t, kubetest.User{Name: "few", Namespace: b.namespace,
		Rules: []kubetest.Rule{{Groups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}}})
	b.helm = b.connect(few)
	if h := b.history("app").shown(); h != "1:deployed*" {
		t.Errorf("history %s", h)
	}
	_, err := b.helm.Histories(t.Context(), []string{"default"})
	if err == nil || !strings.Contains(err.Error(), "listing Helm's release records") {
		t.Errorf("error %v", err)
	}
}

// A run that is stopped leaves no pending revision.
func TestStoppedUpgradeIsNotedAsFailed(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	slow := simple()
	slow["templates/job.yaml"] = `apiVersion: apps/v1
kind: Deployment
metadata: {name: never}
spec:
  selector: {matchLabels: {app: never}}
  template:
    metadata: {labels: {app: never}, annotations: {kubebox/fails: "no such image"}}
    spec: {containers: [{name: main, image: example.com/app}]}
`
	h := parse(t, `{"metadata":{"name":"app","namespace":"`+b.namespace+`"},"spec":{"chart":{"git":"g","path":"p"},"releaseName":"app","wait":true}}`)
	c, err := FromFolder(folder(slow))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		for ctx.Err() == nil {
			if b.history("app").shown() == "1:deployed* 2:pending-upgrade*" {
				cancel()
			}
		}
	}()
	history := b.history("app")
	session, err := b.helm.session(h.Release(), h.ID(), history)
	if err != nil {
		t.Fatal(err)
	}
	_, err = session.step(ctx, Task{HelmRelease: h, Chart: c, Values: Values{}, Digest: want40, Owner: me, History: history, Decision: Decision{Step: StepUpgrade, Revision: 2}})
	<-seen
	if err == nil {
		t.Fatal("the upgrade was not stopped")
	}
	if h := b.history("app").shown(); h != "1:deployed* 2:failed*" {
		t.Errorf("history %s", h)
	}
}

// SAFETY 26: a chart URL that leads to the API server is refused before anything is sent.
func TestSafety26TheAPIServerIsNoChartRepository(t *testing.T) {
	b := newBench(t)
	addresses := b.helm.Addresses(t.Context())
	if len(addresses) == 0 {
		t.Fatal("the API server has no address")
	}
	s := &Sources{Guard: &Guard{Forbidden: addresses}, Mirror: t.TempDir()}
	at := "https://" + addresses[0].String()
	requests := b.kube.Count(t, "", func() {
		for _, c := range []ChartSource{{Repository: at, Name: "a", Version: "1"}, {Git: at + "/a.git", Path: "a"}} {
			if _, err := s.chart(t.Context(), c, keys{}); err == nil || !strings.Contains(err.Error(), "API server's") {
				t.Errorf("error %v", err)
			}
		}
	})
	for _, r := range requests {
		if r.User == "system:anonymous" {
			t.Errorf("the API server was asked: %v", r)
		}
	}
}

func TestRequestsOfOneRelease(t *testing.T) {
	b := newBench(t)
	b.helm = b.connect(b.kube.Kubeconfig)
	cold := b.kube.Count(t, b.agent, func() { b.settles("", simple(), StepInstall, 1) })
	warm := b.kube.Count(t, b.agent, func() { b.settles(`,"values":{"count":2}`, simple(), StepUpgrade, 2) })
	t.Logf("install %d requests with discovery, upgrade %d without", len(cold), len(warm))
	if len(cold) > 9 || len(warm) > 10 {
		t.Errorf("install %d requests:\n%v\nupgrade %d:\n%v", len(cold), cold, len(warm), warm)
	}
}
