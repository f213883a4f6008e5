package kube

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

func TestJudge(t *testing.T) {
	for _, one := range []struct {
		name, object string
		end          ending
		words        string
	}{
		{"a Job at work", `{apiVersion: batch/v1, kind: Job, status: {startTime: "2026-11-20T12:00:00Z", active: 1}}`, pending, "not done"},
		{"a Job done", `{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Complete, status: "True"}]}}`, ready, ""},
		{"a Job that failed", `{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: too often}]}}`, lost, "the job failed: BackoffLimitExceeded: too often"},
		{"a Job about to fail", `{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: FailureTarget, status: "True", reason: PodFailurePolicy, message: exit 42}]}}`, lost, "exit 42"},
		{"a Job that is suspended", `{apiVersion: batch/v1, kind: Job, spec: {suspend: true}}`, ready, ""},
		{"a Pod that is done", `{apiVersion: v1, kind: Pod, status: {phase: Succeeded}}`, ready, ""},
		{"a Pod that failed", `{apiVersion: v1, kind: Pod, metadata: {name: p}, status: {phase: Failed, containerStatuses: [{name: c, state: {terminated: {exitCode: 3, reason: Error, message: no database}}}]}}`, lost, "the pod failed: pod p, container c: it ended with exit code 3 (Error): no database"},
		{"a Pod at work", `{apiVersion: v1, kind: Pod, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`, ready, ""},
		{"a Pod not ready", `{apiVersion: v1, kind: Pod, status: {phase: Running, conditions: [{type: Ready, status: "False"}]}}`, pending, "the pod is running and not ready"},
		{"a CRD", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: Established, status: "True"}]}}`, ready, ""},
		{"a CRD being installed", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: Established, status: "False", reason: Installing}]}}`, pending, ""},
		{"a CRD whose names are taken", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: NamesAccepted, status: "False", message: '"lamps" is already in use'}]}}`, lost, "already in use"},
		{"a custom resource without conditions", `{apiVersion: example.com/v1, kind: Lamp}`, ready, ""},
		{"one that is ready", `{apiVersion: example.com/v1, kind: Lamp, metadata: {generation: 2}, status: {observedGeneration: 2, conditions: [{type: Ready, status: "True"}]}}`, ready, ""},
		{"one of which nobody has seen the newest", `{apiVersion: example.com/v1, kind: Lamp, metadata: {generation: 2}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True"}]}}`, pending, "generation"},
		{"one that is not ready", `{apiVersion: example.com/v1, kind: Lamp, status: {conditions: [{type: Ready, status: "False", message: no bulb}]}}`, pending, "no bulb"},
		{"one at work", `{apiVersion: example.com/v1, kind: Lamp, status: {conditions: [{type: Reconciling, status: "True", message: screwing}]}}`, pending, "screwing"},
		{"one that has given up", `{apiVersion: example.com/v1, kind: Lamp, status: {conditions: [{type: Stalled, status: "True", message: no socket}]}}`, lost, "no socket"},
		{"a HelmRelease that helm-reconcile has not seen yet", `{apiVersion: helm.fluxcd.io/v1, kind: HelmRelease, metadata: {generation: 2}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "False"}]}}`, ready, ""},
		{"a Deployment past its deadline", `{apiVersion: apps/v1, kind: Deployment, status: {conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: 'ReplicaSet "web-1" has timed out progressing.'}]}}`, lost, "has timed out"},
		{"a Deployment without room", `{apiVersion: apps/v1, kind: Deployment, status: {conditions: [{type: ReplicaFailure, status: "True", message: exceeded quota}]}}`, pending, "exceeded quota"},
		{"a claim that is bound", `{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Bound}}`, ready, ""},
		{"a claim without a class", `{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Pending}}`, pending, "no default StorageClass"},
		{"a claim whose volume is lost", `{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Lost}}`, lost, "its volume is lost"},
		{"on its way out", `{apiVersion: v1, kind: Pod, metadata: {deletionTimestamp: "2026-11-20T12:00:00Z", finalizers: [example.com/wait]}}`, lost, "it is being deleted, held by example.com/wait"},
		{"another one", `{apiVersion: v1, kind: Pod, metadata: {uid: other}}`, lost, "somebody else has made it anew"},
		{"gone", ``, lost, "it has been deleted"},
	} {
		t.Run(one.name, func(t *testing.T) {
			it := &waited{item: &item{Object: &Object{}}}
			if one.object != "" {
				it.object = &unstructured.Unstructured{}
				if err := yaml.Unmarshal([]byte(one.object), &it.object.Object); err != nil {
					t.Fatal(err)
				}
				for _, field := range [][]string{{"metadata", "generation"}, {"status", "observedGeneration"}} {
					if n, ok, _ := unstructured.NestedFloat64(it.object.Object, field...); ok {
						_ = unstructured.SetNestedField(it.object.Object, int64(n), field...)
					}
				}
				it.id = ID{it.object.GroupVersionKind().Group, it.object.GetKind(), "ns", "n"}
			}
			if one.name == "another one" {
				it.uid = "ours"
			}
			got := (&waiter{}).judge(t.Context(), it)
			if got.end != one.end || !strings.Contains(got.words, one.words) {
				t.Errorf("got %v %q, want %v %q", got.end, got.words, one.end, one.words)
			}
		})
	}
	gone := &waited{item: &item{id: ID{"batch", "Job", "ns", "n"}, Object: &Object{content: map[string]any{"spec": map[string]any{"ttlSecondsAfterFinished": 0}}}}}
	if got := (&waiter{}).judge(t.Context(), gone); got.end != ready {
		t.Errorf("a Job that went when it was done: %v", got)
	}
}

func TestPodTrouble(t *testing.T) {
	for _, one := range []struct {
		name, status string
		want         trouble
	}{
		{"none", `{phase: Running, containerStatuses: [{name: c, state: {running: {}}}]}`, trouble{}},
		{"starting", `{phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: ContainerCreating}}}]}`, trouble{}},
		{"no image", `{containerStatuses: [{name: c, state: {waiting: {reason: ImagePullBackOff, message: "Back-off pulling\n image"}}}]}`, trouble{"pod p, container c: ImagePullBackOff: Back-off pulling image", 1, false}},
		{"no configuration", `{containerStatuses: [{name: c, state: {waiting: {reason: CreateContainerConfigError, message: 'secret "x" not found'}}}]}`, trouble{`pod p, container c: CreateContainerConfigError: secret "x" not found`, 1, false}},
		{"an init container", `{initContainerStatuses: [{name: i, restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]}`, trouble{"pod p, container i: CrashLoopBackOff after exit code 1 (Error)", 1, false}},
		{"a first crash", `{containerStatuses: [{name: c, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, message: no database}}}]}`, trouble{"pod p, container c: CrashLoopBackOff after exit code 1: no database", 1, true}},
		{"between two crashes", `{containerStatuses: [{name: c, restartCount: 7, state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}`, trouble{"pod p, container c: restarted 7 times, the last time after exit code 137 (OOMKilled)", 1, true}},
		{"no node", `{phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: 0/3 nodes are available}]}`, trouble{"pod p: Unschedulable: 0/3 nodes are available", 4, false}},
	} {
		var p pod
		if err := yaml.Unmarshal([]byte("{metadata: {name: p}, status: "+one.status+"}"), &p); err != nil {
			t.Fatal(err)
		}
		if got := p.trouble(); got != one.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", one.name, got, one.want)
		}
	}
	if got := brief("Reason", strings.Repeat("é", 400)); len(got) > longestWords+20 || !strings.HasSuffix(got, "é…") {
		t.Errorf("a long message: %q", got)
	}
}

func TestPodsOfTheNewestReplicaSet(t *testing.T) {
	made := func(name, owner, at string) pod {
		var p pod
		p.Metadata.Name, p.Metadata.CreationTimestamp = name, at
		p.Metadata.OwnerReferences = []podOwner{{Name: owner, Controller: true}}
		return p
	}
	all := func() []pod {
		return []pod{made("a", "old", "2026-11-20T12:00:09Z"), made("b", "new", "2026-11-20T12:00:05Z")}
	}
	if got := ofNewest(all(), `ReplicaSet "new" is progressing.`); len(got) != 1 || got[0].Metadata.Name != "b" {
		t.Errorf("by the Deployment's word: %v", got)
	}
	if got := ofNewest(all(), ""); len(got) != 1 || got[0].Metadata.Name != "a" {
		t.Errorf("by age: %v", got)
	}
	if got := ofNewest(nil, ""); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}

// deployment is one with the given pod template besides its container.
func deployment(name, annotations, spec string) string {
	return fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: %s}, spec: {selector: {matchLabels: {app: %[1]s}},
		template: {metadata: {labels: {app: %[1]s}, annotations: {%s}}, spec: {%s containers: [{name: main, image: example.com/app}]}}}}`, name, annotations, spec)
}

func init() { podGrace = time.Second }

// impatient makes runs wait, so long at most.
func (w *town) impatient(limit time.Duration) {
	w.change = func(s *Sync) { s.Wait = true }
	ctx, cancel := context.WithTimeout(w.Context(), limit)
	w.Cleanup(cancel)
	w.ctx = ctx
}

// Every reason why something cannot become ready is told in the words of whoever knows, long before
// the time is over; the rest becomes ready meanwhile. There is no kubelet here: the test says what it
// would say of pods.
func TestWaitSaysWhyEarly(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.cluster.Must(t, "POST", "/apis/storage.k8s.io/v1/storageclasses", "{metadata: {name: "+w.namespace+"}, provisioner: example.com/none, volumeBindingMode: WaitForFirstConsumer}")
	defer w.cluster.Must(t, "DELETE", "/apis/storage.k8s.io/v1/storageclasses/"+w.namespace, "")
	w.impatient(time.Minute)
	stop := w.playKubelet(map[string]string{
		"crashing": `{phase: Running, conditions: [{type: Ready, status: "False"}], containerStatuses: [{name: main, ready: false, restartCount: 4, image: i, imageID: i,
			state: {waiting: {reason: CrashLoopBackOff, message: back-off}}, lastState: {terminated: {exitCode: 3, reason: Error, message: the database is not there}}}]}`,
		"secretless": `{phase: Pending, containerStatuses: [{name: main, ready: false, restartCount: 0, image: i, imageID: i, state: {waiting: {reason: CreateContainerConfigError, message: secret "x" not found}}}]}`,
	})
	defer stop()
	started := time.Now()
	got := w.run(
		deployment("web", "", ""),
		deployment("imageless", "kubebox/fails: Back-off pulling image", ""),
		deployment("crashing", "kubebox/fails: none", ""),
		deployment("secretless", "kubebox/fails: none", ""),
		deployment("homeless", "", "nodeSelector: {none: none},"),
		"{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: i}]}}}}",
		"{apiVersion: batch/v1, kind: Job, metadata: {name: failing}, spec: {managedBy: example.com/test, template: {spec: {restartPolicy: Never, containers: [{name: main, image: i}]}}}}",
		"{apiVersion: batch/v1, kind: Job, metadata: {name: suspended}, spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: main, image: i}]}}}}",
		"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: late}, spec: {storageClassName: "+w.namespace+", accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}",
		"{apiVersion: v1, kind: Pod, metadata: {name: alone, annotations: {kubebox/fails: Back-off pulling image}}, spec: {containers: [{name: main, image: i}]}}",
		"{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}",
	)
	for name, words := range map[string]string{
		"web": "", "once": "", "suspended": "", "late": "",
		"imageless":  "container main: ImagePullBackOff: Back-off pulling image",
		"crashing":   "container main: CrashLoopBackOff after exit code 3 (Error): the database is not there",
		"secretless": `container main: CreateContainerConfigError: secret "x" not found`,
		"homeless":   "Unschedulable: 0/1 nodes are available",
		"failing":    "the job failed: Tired: it has had enough",
		"alone":      "pod alone, container main: ImagePullBackOff",
	} {
		r := got[name]
		switch code, _ := Explain(r.Err); {
		case words == "" && r.Err != nil:
			t.Errorf("%s: %v", name, r.Err)
		case words != "" && (r.Err == nil || !r.NotReady || code != "not-ready" || !strings.Contains(r.Err.Error(), "cannot become ready: ") || !strings.Contains(r.Err.Error(), words)):
			t.Errorf("%s: %v, want %q", name, r.Err, words)
		}
	}
	if took := time.Since(started); took > 45*time.Second {
		t.Errorf("it took %v", took)
	}
}

// playKubelet keeps the pods of Deployments in a state, and fails the Job "failing".
func (w *town) playKubelet(states map[string]string) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			for app, state := range states {
				pods, err := w.cluster.Do(ctx, "GET", w.path("pods", "")+"?labelSelector=app="+app, "")
				items, _ := pods.At("items").([]any)
				for _, item := range items {
					if err == nil {
						name, _ := kubetest.Object(item.(map[string]any)).At("metadata", "name").(string)
						raw, _ := yaml.YAMLToJSON([]byte("status: " + state))
						_, _ = w.cluster.Do(ctx, "PATCH", w.path("pods", name)+"/status", string(raw))
					}
				}
			}
			_, _ = w.cluster.Do(ctx, "PATCH", "/apis/batch/v1/namespaces/"+w.namespace+"/jobs/failing/status",
				`{"status": {"startTime": "2026-11-20T12:00:00Z", "conditions": [
				{"type": "FailureTarget", "status": "True", "reason": "Tired", "message": "it has had enough"},
				{"type": "Failed", "status": "True", "reason": "Tired", "message": "it has had enough"}]}}`)
		}
	}()
	return func() { cancel(); <-done }
}

// However many objects there are, a round asks once for each kind.
func TestWaitAsksOncePerKindAndRound(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.change = func(s *Sync) { s.Wait = true }
	documents := []string{settings}
	for n := range 12 {
		documents = append(documents, deployment(fmt.Sprintf("web-%d", n), "", ""),
			fmt.Sprintf("{apiVersion: batch/v1, kind: Job, metadata: {name: once-%d}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: i}]}}}}", n))
	}
	requests := w.cluster.Count(t, "sluice-test", func() {
		for name, r := range w.run(documents...) {
			if r.Err != nil {
				t.Errorf("%s: %v", name, r.Err)
			}
		}
	})
	lists := 0
	for _, r := range requests {
		switch {
		case r.Namespace != w.namespace || r.Resource != "deployments" && r.Resource != "jobs":
		case r.Verb == "list":
			lists++
		case r.Verb == "get":
			t.Errorf("one by one: %v", r)
		}
	}
	t.Logf("%d lists of 2 kinds for 24 objects", lists)
	if lists < 4 || lists > 60 {
		t.Errorf("%d lists", lists)
	}
	// What is ready needs one look at each kind.
	quiet := w.cluster.Count(t, "sluice-test", func() { w.run(documents...) })
	lists = 0
	for _, r := range quiet {
		if r.Namespace == w.namespace && r.Verb == "list" && (r.Resource == "deployments" || r.Resource == "jobs") {
			lists++
		}
	}
	if lists != 4 {
		t.Errorf("%d lists of 2 kinds, want one to compare and one to wait: %v", lists, quiet)
	}
}

// What is deleted while it is waited for is not waited for until the time is over.
func TestWaitForWhatIsDeleted(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.impatient(30 * time.Second)
	go func() {
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			if o, err := w.cluster.Do(w.Context(), "DELETE", w.path("deployments", "gone")+"?propagationPolicy=Background", ""); err == nil && o != nil {
				return
			}
		}
	}()
	slow := strings.Replace(deployment("gone", "", ""), "spec: {", "spec: {minReadySeconds: 3600, progressDeadlineSeconds: 7200, ", 1)
	got := w.run(slow)["gone"]
	if got.Err == nil || !strings.Contains(got.Err.Error(), "it has been deleted") {
		t.Errorf("%v", got.Err)
	}
}

// With rights in some namespaces only, and to some kinds only, it is waited for all the same.
func TestWaitWithFewRights(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	rights := []kubetest.Rule{
		{Groups: []string{"", "coordination.k8s.io"}, Resources: []string{"configmaps", "leases"}, Verbs: []string{"get", "create", "update"}},
		{Groups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "create", "patch"}},
		{Groups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"get", "list", "create", "patch"}},
	}
	config, err := Load(Target{Kubeconfig: w.cluster.Restricted(t, kubetest.User{Name: "tenant", Namespace: w.namespace, Rules: rights})}, "test")
	if err != nil {
		t.Fatal(err)
	}
	if w.client, err = NewClient(config, nil); err != nil {
		t.Fatal(err)
	}
	w.impatient(20 * time.Second)
	job := "{apiVersion: batch/v1, kind: Job, metadata: {name: %s}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: i}]}}}}"
	for name, r := range w.run(deployment("a", "", ""), deployment("b", "", ""), fmt.Sprintf(job, "c"), fmt.Sprintf(job, "d")) {
		if r.Err != nil {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
}
