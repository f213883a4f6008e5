package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// town is a namespace and an inventory in it, for runs of the package in process.
type town struct {
	*testing.T
	cluster   *kubetest.Cluster
	client    *Client
	namespace string
	revision  int
	change    func(*Sync)
	ctx       context.Context // of runs, the test's when nil
}

func newTown(t *testing.T) *town {
	t.Helper()
	cluster, client, namespace := onCluster(t)
	return &town{T: t, cluster: cluster, client: client, namespace: namespace}
}

// run applies YAML documents and gives the results by name.
func (w *town) run(documents ...string) map[string]Result {
	w.Helper()
	w.revision++
	s := store(w.T, w.client, w.namespace)
	results := map[string]Result{}
	job := &Sync{Client: w.client, Store: s, Lease: lease(s, "test", 0), Prune: true, DefaultNamespace: w.namespace,
		Sources: []Source{{Name: "s", Whole: true, State: SourceState{Revision: "1", Manifests: len(documents)}}},
		Report:  func(r Result) { results[r.ID.Name] = r }}
	for _, document := range documents {
		raw, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			w.Fatal(err)
		}
		o, err := ParseObject(raw, "s")
		if err != nil {
			w.Fatal(err)
		}
		job.Objects = append(job.Objects, o)
	}
	if w.change != nil {
		w.change(job)
	}
	ctx := w.ctx
	if ctx == nil {
		ctx = w.Context()
	}
	if err := job.Run(ctx); err != nil {
		w.Fatal(err)
	}
	return results
}

// path is that of an object of the namespace.
func (w *town) path(resource, name string) string {
	switch resource {
	case "deployments":
		return "/apis/apps/v1/namespaces/" + w.namespace + "/deployments/" + name
	}
	return "/api/v1/namespaces/" + w.namespace + "/" + resource + "/" + name
}

// patch changes an object under the name of a field manager.
func (w *town) patch(manager, path, kind, body string) {
	w.Helper()
	raw, err := yaml.YAMLToJSON([]byte(body))
	if err != nil {
		w.Fatal(err)
	}
	query := url.Values{"fieldManager": {manager}}
	if kind == applyPatch {
		query.Set("force", "true")
	}
	if _, err := w.client.do(w.Context(), request{method: http.MethodPatch, path: path, contentType: kind, body: raw, query: query}, nil); err != nil {
		w.Fatal(err)
	}
}

const (
	mergePatch     = "application/merge-patch+json"
	strategicPatch = "application/strategic-merge-patch+json"
)

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: object, labels: {team: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web:1
        args: [serve, --port=80]
        resources: {requests: {cpu: 1000m, memory: 1024Mi}}
`

const settings = `
apiVersion: v1
kind: ConfigMap
metadata: {name: object, labels: {team: web}}
data: {key: value, other: value}
`

// What must be found out by listing alone: what others change of ours is put right and named, what
// they change besides is none of our business, and what the API server writes in its own way is none
// at all.
func TestDrift(t *testing.T) {
	container := func(fields string) string {
		return `{spec: {template: {spec: {containers: [{name: web, ` + fields + `}]}}}}`
	}
	for _, one := range []struct {
		name     string
		document string
		disturb  func(w *town)
		want     string // action, and message where there is one
	}{
		{"nothing", web, nil, "unchanged"},
		{"stringData", "{apiVersion: v1, kind: Secret, metadata: {name: object}, stringData: {key: value}}", nil, "unchanged"},
		{"stringData edited", "{apiVersion: v1, kind: Secret, metadata: {name: object}, stringData: {key: value}}", func(w *town) {
			w.patch("kubectl-edit", w.path("secrets", "object"), mergePatch, "{data: {key: YQ==}}")
		}, "configured: took back .data.key of kubectl-edit"},
		{"scaled", web, func(w *town) {
			w.patch("kubectl", w.path("deployments", "object/scale"), mergePatch, "{spec: {replicas: 3}}")
		},
			"configured: took back .spec.replicas of kubectl"},
		{"scaled where git does not say", strings.Replace(web, "  replicas: 1\n", "", 1),
			func(w *town) {
				w.patch("hpa", w.path("deployments", "object/scale"), mergePatch, "{spec: {replicas: 3}}")
			}, "unchanged"},
		{"edited", web, func(w *town) {
			w.patch("kubectl-edit", w.path("deployments", "object"), strategicPatch, container("image: example.com/web:2"))
		}, `configured: took back .spec.template.spec.containers[name="web"].image of kubectl-edit`},
		{"atomic list", web, func(w *town) {
			w.patch("kubectl-edit", w.path("deployments", "object"), strategicPatch, container("args: [serve]"))
		}, `configured: took back .spec.template.spec.containers[name="web"].args of kubectl-edit`},
		{"the same quantity", web, func(w *town) {
			w.patch("kubectl-edit", w.path("deployments", "object"), strategicPatch, container(`resources: {requests: {cpu: "1"}}`))
		}, "unchanged"},
		{"another quantity", web, func(w *town) {
			w.patch("kubectl-edit", w.path("deployments", "object"), strategicPatch, container(`resources: {requests: {cpu: "2"}}`))
		}, `configured: took back .spec.template.spec.containers[name="web"].resources.requests.cpu of kubectl-edit`},
		{"a container besides", web, func(w *town) {
			w.patch("injector", w.path("deployments", "object"), strategicPatch, `{spec: {template: {spec: {containers: [{name: side, image: example.com/side}]}}}}`)
		}, "unchanged"},
		{"a container gone", web + "      - {name: side, image: example.com/side}\n", func(w *town) {
			w.patch("kubectl-edit", w.path("deployments", "object"), strategicPatch, `{spec: {template: {spec: {containers: [{name: side, $patch: delete}]}}}}`)
		}, `configured: brought back .spec.template.spec.containers[name="side"] that had been removed`},
		{"a label gone", settings, func(w *town) {
			w.patch("kubectl-label", w.path("configmaps", "object"), mergePatch, "{metadata: {labels: {team: null}}}")
		}, "configured: brought back .metadata.labels.team that had been removed"},
		{"an annotation besides", settings, func(w *town) {
			w.patch("kubectl-annotate", w.path("configmaps", "object"), mergePatch, "{metadata: {annotations: {note: hello}}}")
		}, "unchanged"},
		{"two hands", settings, func(w *town) {
			w.patch("kubectl-edit", w.path("configmaps", "object"), mergePatch, "{data: {key: edited}}")
			w.patch("kubectl-patch", w.path("configmaps", "object"), mergePatch, "{data: {other: null}}")
		}, "configured: brought back .data.other that had been removed; took back .data.key of kubectl-edit"},
		{"forced by another tool", settings, func(w *town) {
			w.patch("helm", w.path("configmaps", "object"), applyPatch, "{apiVersion: v1, kind: ConfigMap, data: {key: other}}")
			w.change = func(s *Sync) { s.Force = []string{"helm"} }
		}, "configured: took back .data.key of helm"},
		{"shared with another tool", settings, func(w *town) {
			w.patch("helm", w.path("configmaps", "object"), applyPatch, "{apiVersion: v1, kind: ConfigMap, data: {key: value}}")
		}, "unchanged"},
		{"forced in our name", settings, func(w *town) {
			time.Sleep(1100 * time.Millisecond) // the API server notes who changed what to the second
			w.patch(Manager, w.path("configmaps", "object"), applyPatch, strings.NewReplacer("metadata:",
				"metadata: {annotations: {sluice.dev/inventory: "+w.namespace+"/default}, labels: {team: web, sluice.dev/inventory: "+w.namespace+".default}}", " {name: object, labels: {team: web}}", "", "key: value", "key: other").Replace(settings))
		}, "configured: "},
		{"managedFields cleared", settings, func(w *town) {
			w.patch("kubectl-edit", w.path("configmaps", "object"), mergePatch, "{metadata: {managedFields: [{}]}}")
		}, "configured: "},
		{"deleted", settings, func(w *town) { w.cluster.Must(w.T, "DELETE", w.path("configmaps", "object"), "") },
			"created: it had been deleted"},
		{"made anew", settings, func(w *town) {
			w.cluster.Must(w.T, "DELETE", w.path("configmaps", "object"), "")
			w.cluster.Must(w.T, "POST", w.path("configmaps", ""), "{metadata: {name: object}, data: {key: value, other: value}}")
		}, "configured: somebody else had made it anew"},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			if first := w.run(one.document)["object"]; first.Action != Created {
				t.Fatalf("at first: %v %v", first.Action, first.Err)
			}
			if one.disturb != nil {
				one.disturb(w)
			}
			r := w.run(one.document)["object"]
			got := string(r.Action)
			if r.Action != Unchanged {
				got += ": " + r.Message
			}
			if r.Err != nil || !strings.HasPrefix(got, one.want) || strings.HasPrefix(one.want, "unchanged") && got != one.want {
				t.Errorf("got  %s (%v)\nwant %s", got, r.Err, one.want)
			}
			if writes := kubetest.Writes(w.cluster.Count(t, "sluice-test", func() {
				if again := w.run(one.document)["object"]; again.Action != Unchanged {
					t.Errorf("then: %v %s", again.Action, again.Message)
				}
			})); slices.ContainsFunc(writes, func(r kubetest.Request) bool { return r.Namespace == w.namespace }) {
				t.Errorf("what is right is written: %v", writes)
			}
		})
	}
}

// A webhook that changes what we write is no drift; what others change beside it is.
func TestDriftBesideAWebhook(t *testing.T) {
	w := newTown(t)
	hook := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct {
				UID string `json:"uid"`
			} `json:"request"`
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		patch := base64.StdEncoding.EncodeToString([]byte(`[{"op":"add","path":"/data/key","value":"webhook"},{"op":"add","path":"/data/added","value":"webhook"}]`))
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":true,"patchType":"JSONPatch","patch":%q}}`, review.Request.UID, patch)
	}))
	defer hook.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw})
	config := "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	w.cluster.Must(t, "POST", config, fmt.Sprintf(`{metadata: {name: %s}, webhooks: [{name: change.example.com, sideEffects: None, admissionReviewVersions: [v1],
		clientConfig: {url: %q, caBundle: %s}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}},
		rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}],
		objectSelector: {matchLabels: {team: web}}}]}`, w.namespace, hook.URL, base64.StdEncoding.EncodeToString(authority), w.namespace))
	defer w.cluster.Must(t, "DELETE", config+"/"+w.namespace, "")
	eventually(t, "the webhook changes what is made", func() bool {
		w.cluster.Must(t, "POST", w.path("configmaps", ""), "{metadata: {name: probe, labels: {team: web}}, data: {key: value}}")
		changed := w.cluster.Must(t, "GET", w.path("configmaps", "probe"), "").At("data", "key") == "webhook"
		w.cluster.Must(t, "DELETE", w.path("configmaps", "probe"), "")
		return changed
	})
	if first := w.run(settings)["object"]; first.Action != Created {
		t.Fatalf("at first: %v %v", first.Action, first.Err)
	}
	if r := w.run(settings)["object"]; r.Action != Unchanged {
		t.Errorf("the webhook's change is taken for drift: %v %s", r.Action, r.Message)
	}
	w.patch("kubectl-edit", w.path("configmaps", "object"), mergePatch, "{data: {other: edited}}")
	if r := w.run(settings)["object"]; r.Message != "took back .data.other of kubectl-edit" {
		t.Errorf("drift beside the webhook: %v %s", r.Action, r.Message)
	}
	if r := w.run(settings)["object"]; r.Action != Unchanged {
		t.Errorf("then: %v %s", r.Action, r.Message)
	}
}
