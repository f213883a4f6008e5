package helmrel

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// An object that came between the look and the making is not this release's, whatever the record of the
// attempt says: it is neither written over by the next run, nor deleted with the release.
func TestMadeBySomebodyElseInBetween(t *testing.T) {
	b := newBench(t)
	b.helm.present.expect(fewLists)
	if !b.helm.present.lacks(t.Context(), b.helm.metadata, schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, b.namespace, "none") {
		t.Fatal("nobody looked")
	}
	b.kube.Must(t, "POST", "/api/v1/namespaces/"+b.namespace+"/configmaps", `{"metadata":{"name":"app-one"},"data":{"greeting":"mine"}}`)
	if _, _, err := b.run("", simple()); err == nil {
		t.Fatal("it was installed over it")
	}
	if h := b.history("app").shown(); h != "1:failed*" {
		t.Fatal(h)
	}
	b.again = true
	b.helm = b.connect(b.kube.Kubeconfig)
	var taken *TakenError
	if _, _, err := b.run("", simple()); !errors.As(err, &taken) {
		t.Errorf("upgrading: %v", err)
	}
	if err := b.helm.Uninstall(t.Context(), ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app")); !errors.As(err, &taken) {
		t.Errorf("uninstalling: %v", err)
	}
	if o := b.configMap("app-one"); o == nil || o.At("data", "greeting") != "mine" {
		t.Errorf("it is %v", o)
	}
}

// A rollback neither changes nor deletes what has become somebody else's.
func TestRollbackOfWhatIsTaken(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	files := hooked("two")
	files["templates/zfails.yaml"] = "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 99999999}]}\n"
	if _, _, err := b.run("", files); err == nil || b.configMap("app-two") == nil {
		t.Fatalf("%v; what it made: %v", err, b.configMap("app-two"))
	}
	b.annotate("app-two", "else:helmrelease/where")
	b.taken("ConfigMap app-two", func() error {
		h := b.history("app")
		owner := ID{b.namespace, "app"}
		s, err := b.helm.session(ReleaseID{b.namespace, "app"}, owner, h)
		if err != nil {
			t.Fatal(err)
		}
		task := Task{HelmRelease: parse(t, `{"metadata":{"name":"app","namespace":"`+b.namespace+`"},"spec":{"chart":{"git":"g","path":"p"}}}`),
			History: h, Digest: h[1].Digest, Owner: Owner{Inventory: ID{b.namespace, "default"}, Release: owner}, Decision: Decision{Step: StepRollback, Revision: 3}}
		_, err = s.step(t.Context(), task)
		return err
	})
}

// SAFETY 4: what has failed its tests stands all the same, and is not emptied by half a chart.
func TestSafety4AfterFailedTests(t *testing.T) {
	b := newBench(t)
	b.settles("", rendering(5), StepInstall, 1)
	for _, test := range []string{"uninstalling", "failed"} {
		h := b.history("app")
		h[0].Status = test
		if test == "failed" {
			h[0].Test = TestFailed
		}
		if h.standing() != 1 {
			t.Errorf("%s: %d", test, h.standing())
		}
	}
	s, err := b.helm.session(ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app"))
	if err != nil {
		t.Fatal(err)
	}
	s.store.state = b.history("app")[0]
	s.store.state.Test = TestFailed
	if err := s.store.failed("tests failed"); err != nil {
		t.Fatal(err)
	}
	if h := b.history("app").shown(); h != "1:failed*" {
		t.Fatal(h)
	}
	b.refuses(rendering(2), AllowShrink)
}

// A definition that is another release's is not replaced.
func TestReplaceForeignDefinition(t *testing.T) {
	b := newBench(t)
	b.settles("", b.defining("one"), StepInstall, 1)
	b.kube.Must(t, "PATCH", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets."+b.namespace+".example.com",
		`{"metadata":{"annotations":{"`+Antecedent+`":"else:helmrelease/where"}}}`)
	b.crds = CRDsReplace
	b.taken("CustomResourceDefinition gadgets."+b.namespace+".example.com", func() error { _, _, err := b.run("", b.defining("two")); return err })
	if got := b.fields(); got != "one" {
		t.Errorf("it has %s", got)
	}
}

// Whose an object is that cannot be looked at is not known: it is not deleted.
func TestUninstallWithoutALook(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	blind := b.connect(b.kube.Kubeconfig)
	blind.config.Wrap(failingGets("/configmaps/"))
	err := blind.Uninstall(t.Context(), ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app"))
	if err == nil || !strings.Contains(err.Error(), "looking whose ConfigMap app-one is") || b.configMap("app-one") == nil {
		t.Errorf("%v; it is %v", err, b.configMap("app-one"))
	}
}

// A record that cannot be read is not gone: the release is not forgotten.
func TestUninstallOfWhatCannotBeRead(t *testing.T) {
	b := newBench(t)
	b.settles("", simple(), StepInstall, 1)
	blind := b.connect(b.kube.Kubeconfig)
	blind.config.Wrap(failingGets("/secrets/"))
	err := blind.Uninstall(t.Context(), ReleaseID{b.namespace, "app"}, ID{b.namespace, "app"}, b.history("app"))
	if err == nil || !strings.Contains(err.Error(), "reading revision 1") {
		t.Errorf("it is taken for uninstalled: %v", err)
	}
}

// failingGets answers 403 to whoever looks at an object of such a path.
func failingGets(path string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, path) {
				return next.RoundTrip(r)
			}
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("no")), Request: r}, nil
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
