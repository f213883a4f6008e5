package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// webhook has every write of ConfigMaps and Secrets in the namespace judged: allowed, refused in the
// words given, or not answered at all.
func (w *world) webhook(judge func(name string) (allowed bool, message string)) {
	w.Helper()
	hook := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct{ UID, Name string } `json:"request"`
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			return
		}
		allowed, message := judge(review.Request.Name)
		if !allowed && message == "" {
			<-r.Context().Done()
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":%v,"status":{"message":%q}}}`, review.Request.UID, allowed, message)
	}))
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw}))
	const configs = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
	w.cluster.Must(w, "POST", configs, fmt.Sprintf(`{metadata: {name: %s}, webhooks: [{name: judge.example.com, sideEffects: None, timeoutSeconds: 1, admissionReviewVersions: [v1],
		clientConfig: {url: %q, caBundle: %s}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}},
		rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps, secrets]}]}]}`,
		w.namespace, hook.URL, authority, w.namespace))
	w.Cleanup(func() {
		_, _ = w.cluster.Do(w.Context(), "DELETE", configs+"/"+w.namespace, "")
		hook.CloseClientConnections()
		hook.Close()
	})
	eventually(w.T, "the webhook is asked", func() bool {
		_, err := w.cluster.Do(w.Context(), "POST", w.path("configmaps", ""), "metadata: {name: denied-probe}")
		if err == nil {
			w.cluster.Must(w, "DELETE", w.path("configmaps", "denied-probe"), "")
		}
		return err != nil
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within 30 s: %s", what)
}

// A webhook that refuses, or does not answer, fails the objects that it is asked about, with its own
// words; what it says of a Secret is withheld.
func TestWebhookThatRefusesOrHangs(t *testing.T) {
	w := newWorld(t)
	w.webhook(func(name string) (bool, string) {
		switch {
		case strings.HasPrefix(name, "denied"):
			return false, "not by the rules: canary"
		case strings.HasPrefix(name, "hangs"):
			return false, ""
		}
		return true, ""
	})
	secret := func(name string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + "}\nstringData: {key: canary}\n"
	}
	o := w.mustRun(5, stream(fetched{name: "config", yaml: append(configMaps("allowed", "denied", "hangs"), secret("denied-secret"), secret("hangs-secret"))}), "--verbose", "--output", "results")
	for id, want := range map[string]string{
		"ConfigMap/denied":     `"code":"denied","message":"apply failed: admission webhook \"judge.example.com\" denied the request: not by the rules: canary"`,
		"ConfigMap/hangs":      `"code":"webhook","message":"apply failed: Internal error occurred: failed calling webhook \"judge.example.com\"`,
		"Secret/denied-secret": `"code":"denied","message":"apply failed: the API server refused it`,
		"Secret/hangs-secret":  `"code":"webhook","message":"apply failed: the API server refused it`,
	} {
		if got := w.actions(o)[id]; got != "failed" || !strings.Contains(o.stdout, want) {
			t.Errorf("%s is %s, want failed with %s in\n%s", id, got, want, o.stdout)
		}
	}
	if got := w.actions(o)["ConfigMap/allowed"]; got != "created" {
		t.Errorf("what is allowed is %s", got)
	}
	all := o.stdout + o.stderr + w.events()
	if all = strings.ReplaceAll(all, "not by the rules: canary", ""); strings.Contains(all, "canary") || strings.Contains(o.stdout+o.stderr+w.events(), "denied-secret failed: not") {
		t.Errorf("a value of a Secret:\n%s", all)
	}
}

// Objects that the API server cannot take.
func TestObjectsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.mustRun(5, stream(fetched{name: "config", yaml: []string{
		configMap("large", strings.Repeat("x", 1<<20+1)),
		configMap("huge", strings.Repeat("x", 4<<20)),
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: misspelt}\ndate: {key: value}\n",
		configMap("fine", "value"),
	}}), "--output", "results")
	for id, code := range map[string]string{"large": "too-large", "huge": "too-large", "misspelt": "invalid"} {
		if got := w.actions(o)["ConfigMap/"+id]; got != "failed" || !strings.Contains(o.stdout, `"code":"`+code+`"`) {
			t.Errorf("%s is %s:\n%s", id, got, o.stderr)
		}
	}
	if !strings.Contains(o.stderr, "the field is misspelt") || !strings.Contains(o.stderr, ".date") || !strings.Contains(o.stderr, "up to 1 MiB") {
		t.Errorf("hints:\n%.2000s", o.stderr)
	}
	if got := w.actions(o)["ConfigMap/fine"]; got != "created" {
		t.Errorf("what is fine is %s", got)
	}
}

// What fails for a moment in mid-run is sent again, and said to who asks; the run is as if nothing had
// been.
func TestAPIServerThatStumbles(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(http.ResponseWriter){
		"throttles": func(rw http.ResponseWriter) {
			rw.Header().Set("Retry-After", "1")
			http.Error(rw, "Too many requests, please try again later.", http.StatusTooManyRequests)
		},
		"restarts": func(rw http.ResponseWriter) {
			if connection, _, err := rw.(http.Hijacker).Hijack(); err == nil {
				connection.Close()
			}
		},
		"shuts down":        func(rw http.ResponseWriter) { refuse(rw, 503, "ServiceUnavailable", "shutting down") },
		"is written to":     func(rw http.ResponseWriter) { refuse(rw, 409, "Conflict", "the object has been modified") },
		"is not yet so far": func(rw http.ResponseWriter) { http.Error(rw, "404 page not found", http.StatusNotFound) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var patches atomic.Int32
			w.through(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == http.MethodPatch && patches.Add(1) <= 2 {
					fail(rw)
					return
				}
				next.ServeHTTP(rw, r)
			})
			deployment := strings.ReplaceAll(w.manyObjects(3)[2], w.namespace+"-other", w.namespace)
			o := w.mustRun(0, stream(fetched{name: "config", yaml: []string{deployment}}), "--verbose", "--concurrency", "1")
			if !strings.Contains(o.stderr, "debug: PATCH /apis/apps/v1/") || !strings.Contains(o.stderr, "is sent again: ") {
				t.Errorf("not said:\n%s", o.stderr)
			}
			for _, action := range w.actions(o) {
				if action != "created" {
					t.Errorf("the object is %s", action)
				}
			}
			if writes := w.writes(func() { w.mustRun(0, stream(fetched{name: "config", yaml: []string{deployment}})) }); len(kubetest.Writes(writes)) > 0 {
				t.Errorf("the next run writes: %v", writes)
			}
		})
	}
}
