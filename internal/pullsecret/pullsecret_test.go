package pullsecret

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const canary = "canary-s3cret"

// api is an API server that answers paths with texts, and notes what it is asked.
type api struct {
	answers map[string]string
	mu      sync.Mutex
	asked   []string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.Method+" "+r.URL.Path)
	a.mu.Unlock()
	text, there := a.answers[strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/")]
	var status int
	switch _, err := fmt.Sscanf(text, "status %d", &status); {
	case !there:
		w.WriteHeader(http.StatusNotFound)
	case err == nil:
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		fmt.Fprint(w, canary+r.Header.Get("Authorization"))
	case text == "silent":
		<-r.Context().Done()
	case text == "cut":
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "{")
	default:
		fmt.Fprint(w, text)
	}
}

// requests are those that came so far: a silent answer may still be under way.
func (a *api) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// open gives a reader of that server, with "work" as the context's namespace.
func open(t *testing.T, a *api, limit time.Duration) *Reader {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":"` + server.URL + `"}}],
		"users":[{"name":"u","user":{"token":"` + canary + `"}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"u","namespace":"work"}}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(Target{Kubeconfig: file, Limit: limit}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func secret(kind, key, text string) string {
	return `{"type":"` + kind + `","data":{"` + key + `":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}}`
}

const current, old = "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"

// The account's secrets come first, those of the pod after them; both types look the same.
func TestConfigs(t *testing.T) {
	a := &api{answers: map[string]string{
		"work/serviceaccounts/default":  `{"imagePullSecrets":[{"name":"one"}]}`,
		"other/serviceaccounts/builder": `{"imagePullSecrets":[{"name":"one"},{"name":"two"}]}`,
		"work/secrets/one":              secret(current, ".dockerconfigjson", `{"auths":{"a":{}}}`),
		"work/secrets/two":              secret(old, ".dockercfg", `{"b":{}}`),
		"other/secrets/one":             secret(current, ".dockerconfigjson", `{"auths":{"c":{}}}`),
		"other/secrets/two":             secret(current, ".dockerconfigjson", `{"auths":{"d":{}}}`),
	}}
	r := open(t, a, time.Minute)
	for range 2 {
		for _, test := range []struct {
			pod  Pod
			want string
		}{
			{Pod{}, `work/one {"auths":{"a":{}}}`},
			{Pod{Namespace: "work", ServiceAccount: "default", Secrets: []string{"two"}}, `work/one {"auths":{"a":{}}}, work/two {"auths":{"b":{}}}`},
			{Pod{Namespace: "other", ServiceAccount: "builder"}, `other/one {"auths":{"c":{}}}, other/two {"auths":{"d":{}}}`},
		} {
			configs, problems := r.Configs(t.Context(), test.pod)
			var got []string
			for _, c := range configs {
				got = append(got, c.Secret+" "+string(c.JSON))
			}
			if strings.Join(got, ", ") != test.want || len(problems) > 0 {
				t.Errorf("%+v: %s, %v", test.pod, got, problems)
			}
		}
	}
	asked := a.requests()
	slices.Sort(asked)
	if len(slices.Compact(slices.Clone(asked))) != len(asked) || len(asked) != 6 {
		t.Errorf("asked %s", asked)
	}
}

// SAFETY 23: no problem shows anything of an answer, or of the token.
func TestSafety23Problems(t *testing.T) {
	for answer, want := range map[string]string{
		"status 403": "forbidden",
		"status 401": "the API server answers 401 Unauthorized",
		"status 500": "the API server answers 500 Internal Server Error",
		"status 307": "the API server answers 307 Temporary Redirect",
		"cut":        "the answer was cut short",
		"silent":     "reaching the cluster: no answer in time",
		"":           "it is not there",
		canary:       "the answer is no secret",
		`{"type":1}`: "the answer is no secret",
		secret("Opaque", ".dockerconfigjson", canary): `its type is "Opaque", and not kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg`,
		secret(old, ".dockercfg", canary):             "its .dockercfg is no JSON",
	} {
		a := &api{answers: map[string]string{"work/serviceaccounts/default": `{}`, "work/secrets/x": answer}}
		if answer == "" {
			delete(a.answers, "work/secrets/x")
		}
		r := open(t, a, map[bool]time.Duration{true: 200 * time.Millisecond, false: time.Minute}[answer == "silent"])
		configs, problems := r.Configs(t.Context(), Pod{Secrets: []string{"x"}})
		if len(configs) != 0 || len(problems) != 1 || problems[0].Error() != "reading secret x in namespace work: "+want {
			t.Errorf("%s: %v", answer, problems)
			continue
		}
		if strings.Contains(problems[0].Error(), canary) {
			t.Error(problems[0])
		}
		if e := problems[0]; e.Forbidden() != strings.HasPrefix(answer, "status 40") || e.Unreachable() != (answer == "silent") {
			t.Errorf("%s: forbidden %v, unreachable %v", answer, e.Forbidden(), e.Unreachable())
		}
		if slices.Contains(a.requests(), "GET /elsewhere") {
			t.Error("a redirect was followed")
		}
	}
}

// A cluster that is down is asked once, and not for every workload.
func TestDown(t *testing.T) {
	a := &api{answers: map[string]string{"work/serviceaccounts/default": "silent"}}
	r := open(t, a, 200*time.Millisecond)
	for _, name := range []string{"a", "b", "c"} {
		if _, problems := r.Configs(t.Context(), Pod{Secrets: []string{name}}); len(problems) != 2 || !problems[1].Unreachable() {
			t.Errorf("%v", problems)
		}
	}
	if len(a.requests()) != 1 {
		t.Errorf("asked %s", a.requests())
	}
}

// SAFETY 24: a name out of a manifest leads to no other place of the API.
func TestSafety24Names(t *testing.T) {
	a := &api{}
	r := open(t, a, time.Minute)
	for _, name := range []string{"..", "../../x", "a/b", "a?b", "", "a%2fb", "UPPER"} {
		_, problems := r.Configs(t.Context(), Pod{Namespace: "n", ServiceAccount: "s", Secrets: []string{name}})
		if len(problems) != 2 || !strings.HasSuffix(problems[1].Error(), "this is no name") {
			t.Errorf("%q: %v", name, problems)
		}
		if name != "" {
			if _, problems := r.Configs(t.Context(), Pod{Namespace: name}); len(problems) != 1 || !strings.HasSuffix(problems[0].Error(), "this is no name") {
				t.Errorf("%q: %v", name, problems)
			}
		}
	}
	if got := strings.Join(a.requests(), ","); got != "GET /api/v1/namespaces/n/serviceaccounts/s" {
		t.Errorf("asked %s", got)
	}
}

func FuzzSecret(f *testing.F) {
	f.Add([]byte(secret(old, ".dockercfg", `{"a":{"auth":"x"}}`)))
	f.Add([]byte(secret(current, ".dockerconfigjson", `{"auths":{}}`)))
	f.Add([]byte(`{"type":"kubernetes.io/dockercfg","data":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		config, err := parse(body)
		var kind struct{ Type string }
		if _ = json.Unmarshal(body, &kind); err == nil && kind.Type == old && !json.Valid(config) {
			t.Errorf("%s gives %s", body, config)
		}
	})
}
