package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
)

// tokenWorld is a registry that wants a token from a service.
func tokenWorld(t *testing.T, realm string) (w *world, seen *[]string) {
	t.Helper()
	w = newWorld(t)
	w.push(t, "team/app", "1", noon)
	seen = &[]string{}
	service := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		*seen = append(*seen, r.Host+" "+r.Header.Get("Authorization")+" "+r.URL.Query().Get("scope"))
		fmt.Fprint(rw, `{"access_token":"t0ken"}`)
	})
	w.Handle("auth.example", service)
	w.Handle("auth.registry.example", service)
	w.Handle("stranger.test", service)
	registry := w.registry
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			rw.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="s"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		registry.ServeHTTP(rw, r)
	}))
	return w, seen
}

func docker(t *testing.T, host, user, password string) Credentials {
	t.Helper()
	data, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseDockerConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestToken(t *testing.T) {
	w, seen := tokenWorld(t, "http://auth.registry.example/token")
	c := w.client(func(o *Options) {
		o.Insecure = append(o.Insecure, "auth.registry.example")
		o.Credentials = docker(t, "registry.example", "user", "s3cret")
	})
	tags, err := c.Tags(t.Context(), ref(t, "registry.example/team/app"))
	if err != nil || len(tags) != 1 {
		t.Fatalf("%v, %v", tags, err)
	}
	if images := c.Images(t.Context(), ref(t, "registry.example/team/app"), tags); images[0].Err != nil {
		t.Error(images[0].Err)
	}
	want := []string{"auth.registry.example Basic " + base64.StdEncoding.EncodeToString([]byte("user:s3cret")) + " repository:team/app:pull"}
	if !slices.Equal(*seen, want) {
		t.Errorf("the token service saw %v, want %v", *seen, want)
	}
}

// SAFETY 26: a token service on a stranger's host gets no credential, by realm or by redirect.
func TestSafety26NoCredentialForAStrangersTokenService(t *testing.T) {
	const secret = "s3cret"
	w, seen := tokenWorld(t, "http://stranger.test/token")
	lenient := func(o *Options) {
		o.Insecure = append(o.Insecure, "stranger.test")
		o.Credentials = docker(t, "registry.example", "user", secret)
	}
	_, err := w.client(lenient).Tags(t.Context(), ref(t, "registry.example/team/app"))
	wantFault(t, err, TokenHost, "the credential for registry.example would go to the token service on stranger.test")
	if len(*seen) != 0 {
		t.Errorf("the stranger saw %v", *seen)
	}
	// Without a credential there is nothing to lose.
	if _, err := w.client(func(o *Options) { o.Insecure = append(o.Insecure, "stranger.test") }).Tags(t.Context(), ref(t, "registry.example/team/app")); err != nil {
		t.Error(err)
	}
	if got := strings.Join(*seen, ""); got != "stranger.test  repository:team/app:pull" {
		t.Errorf("the stranger saw %q", got)
	}
	// With a person's leave it gets it.
	_, err = w.client(func(o *Options) { lenient(o); o.TokenHosts = []string{"stranger.test"} }).Tags(t.Context(), ref(t, "registry.example/team/app"))
	if err != nil || !strings.Contains(strings.Join(*seen, ""), "Basic") {
		t.Errorf("%v, %v", *seen, err)
	}
	// A service that may have it, and redirects.
	w, seen = tokenWorld(t, "http://registry.example:80/token")
	w.Inject(faultproxy.Fault{Match: "registry.example(:80)?/token", Status: 307, Header: http.Header{"Location": {"http://stranger.test/token"}}})
	_, _ = w.client(lenient).Tags(t.Context(), ref(t, "registry.example/team/app"))
	if got := strings.Join(*seen, ""); strings.Contains(got, "Basic") {
		t.Errorf("the stranger saw %q", got)
	}
	// An identity token is sent in the body of a POST.
	identity, err := ParseDockerConfig([]byte(`{"auths":{"registry.example":{"identitytoken":"` + secret + `"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	w.Forget()
	_, err = w.client(func(o *Options) { lenient(o); o.Credentials = identity }).Tags(t.Context(), ref(t, "registry.example/team/app"))
	wantFault(t, err, Refused, "a credential would go to stranger.test")
	for _, request := range w.Requests() {
		if strings.Contains(request, "POST http://stranger.test") {
			t.Errorf("the stranger was sent %s", request)
		}
	}
}

// SAFETY 26: content may be stored elsewhere; the credential does not go there.
func TestSafety26NoCredentialAlongARedirect(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	registry := w.registry
	var seen []string
	w.Handle("storage.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		registry.ServeHTTP(rw, r)
	}))
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") == "":
			rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			rw.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/blobs/"):
			http.Redirect(rw, r, "http://storage.test"+r.URL.Path+"?signature=abc", http.StatusTemporaryRedirect)
		default:
			registry.ServeHTTP(rw, r)
		}
	}))
	c := w.client(func(o *Options) {
		o.Insecure = append(o.Insecure, "storage.test")
		o.Credentials = docker(t, "registry.example", "user", "s3cret")
	})
	if i := c.Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0]; i.Err != nil || !i.Created.Equal(noon) {
		t.Errorf("%+v", i)
	}
	if !slices.Equal(seen, []string{""}) {
		t.Errorf("the storage saw %q", seen)
	}
}

// SAFETY 23: what a registry says back does not carry a secret into a message.
func TestSafety23SecretsAreScrubbedFromMessages(t *testing.T) {
	w := newWorld(t)
	credentials := docker(t, "registry.example", "user", "canary-s3cret")
	auth := base64.StdEncoding.EncodeToString([]byte("user:canary-s3cret"))
	w.Inject(faultproxy.Fault{Match: "/tags/list", Status: 401, Body: `{"errors":[{"message":"bad: canary-s3cret ` + auth + `"}]}`})
	_, err := w.client(func(o *Options) { o.Credentials = credentials }).Tags(t.Context(), ref(t, "registry.example/a"))
	wantFault(t, err, Unauthorized, "bad: *** ***")
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
	tw, _ := tokenWorld(t, "http://auth.example/token")
	tw.Handle("auth.example", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, `{"refresh_token":"canary"}`) }))
	_, err = tw.client(nil).Tags(t.Context(), ref(t, "registry.example/team/app"))
	wantFault(t, err, Malformed, "answers without a token")
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

func TestCredentialThatCannotBeUsed(t *testing.T) {
	w, _ := loginWorld(t)
	credentials, err := ParseDockerConfig([]byte(`{"auths":{"registry.example":{"auth":"###"},"other":{"auth":"dTpw"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.client(func(o *Options) { o.Credentials = credentials }).Tags(t.Context(), ref(t, "registry.example/a"))
	wantFault(t, err, Credential, "not base64")
}

func TestMayHaveCredential(t *testing.T) {
	c := New(Options{TokenHosts: []string{"sso.test"}})
	for _, test := range []struct {
		registry, realm string
		want            bool
	}{
		{"index.docker.io", "auth.docker.io", true},
		{"registry.gitlab.com", "gitlab.com", true},
		{"registry.gitlab.com", "evil.com", false},
		{"registry.example.com:5000", "gitlab.example.com", true},
		{"registry.example.com:5000", "registry.example.com:5001", true},
		{"quay.io", "quay.io", true},
		{"quay.io", "auth.quay.io", true},
		{"quay.io", "ghcr.io", false},
		{"ghcr.io", "io", false},
		{"localhost:5000", "localhost:5001", true},
		{"registry", "auth", false},
		{"10.0.0.1", "10.0.0.2", false},
		{"10.0.0.1", "10.0.0.1:8443", true},
		{"quay.io", "sso.test", true},
		{"a.example.com", "a.example.com.evil.org", false},
	} {
		if got := c.mayHaveCredential(test.registry, test.realm); got != test.want {
			t.Errorf("%s, %s: %v", test.registry, test.realm, got)
		}
	}
}

func TestErrorsHaveAHost(t *testing.T) {
	w := newWorld(t)
	w.Inject(faultproxy.Fault{Match: "GET .*/v2/", Status: 500})
	_, err := w.client(nil).Tags(t.Context(), ref(t, "registry.example/a"))
	var e *Error
	if !errors.As(err, &e) || e.Host != "registry.example" || e.Fault != ServerFault {
		t.Errorf("%v", err)
	}
}
