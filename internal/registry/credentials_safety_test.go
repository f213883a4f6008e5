package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
)

// fakeCloud gives a login for one host.
type fakeCloud struct{ host string }

func (f *fakeCloud) scope(host string) string {
	if host == f.host {
		return "all"
	}
	return ""
}

func (f *fakeCloud) login(context.Context, string, func(...string)) (*authn.AuthConfig, error) {
	return &authn.AuthConfig{Username: "user", Password: "canary-s3cret"}, nil
}

// kinds are all ways to a credential for registry.example, which is always the same.
var kinds = []struct {
	name string
	set  func(*testing.T, *Options) Login
}{
	{"an entry", func(t *testing.T, o *Options) Login {
		o.Credentials = docker(t, "registry.example", "user", "canary-s3cret")
		return Login{}
	}},
	{"a pull secret", func(t *testing.T, _ *Options) Login {
		secret, err := ParsePullSecret([]byte(`{"auths":{"registry.example":{"username":"user","password":"canary-s3cret"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		return secret.For(ref(t, "registry.example/team/app"))
	}},
	{"a program", func(t *testing.T, o *Options) Login {
		programs(t, map[string]string{"p": `echo '{"Username":"user","Secret":"canary-s3cret"}'`})
		config(t, `{"credHelpers":{"registry.example":"p"}}`)(o)
		return Login{}
	}},
	{"an identity token of a program", func(t *testing.T, o *Options) Login {
		programs(t, map[string]string{"p": `echo '{"Username":"<token>","Secret":"canary-s3cret"}'`})
		config(t, `{"credsStore":"p"}`)(o)
		return Login{}
	}},
	{"a cloud", func(_ *testing.T, o *Options) Login {
		o.Keychains = []Keychain{&fakeCloud{"registry.example"}}
		return Login{}
	}},
}

// SAFETY 26: whatever way a credential came, it does not go to a stranger's token service, to a host
// that content is stored on, or to another registry.
func TestSafety26NoCredentialCrosses(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			w, seen := tokenWorld(t, "http://stranger.test/token")
			var login Login
			c := w.client(func(o *Options) {
				o.Insecure = append(o.Insecure, "stranger.test")
				login = kind.set(t, o)
			}).As(login)
			_, err := c.Tags(t.Context(), ref(t, "registry.example/team/app"))
			wantFault(t, err, TokenHost, "the credential for registry.example would go to the token service on stranger.test")
			if len(*seen) != 0 || strings.Contains(fmt.Sprint(err), "canary") {
				t.Errorf("the stranger saw %v; %v", *seen, err)
			}

			w = newWorld(t)
			var others []string
			note := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				others = append(others, r.Header.Get("Authorization"))
				rw.WriteHeader(http.StatusUnauthorized)
			})
			w.Handle("stranger.test", note)
			w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "" {
					rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
					rw.WriteHeader(http.StatusUnauthorized)
					return
				}
				http.Redirect(rw, r, "http://stranger.test"+r.URL.Path, http.StatusTemporaryRedirect)
			}))
			c = w.client(func(o *Options) {
				o.Insecure = append(o.Insecure, "stranger.test")
				login = kind.set(t, o)
			}).As(login)
			if tags, err := c.Tags(t.Context(), ref(t, "registry.example/team/app")); err == nil {
				t.Errorf("a list from elsewhere: %v", tags)
			}
			_ = c.Images(t.Context(), ref(t, "registry.example/team/app"), []string{"1"})
			if strings.Join(others, "") != "" {
				t.Errorf("the stranger saw %q", others)
			}
		})
	}
}

// SAFETY 23: whatever way a credential came, a server that says it back does not get it into a message.
func TestSafety23EveryKindIsScrubbed(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			w := newWorld(t)
			w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("WWW-Authenticate", `Bearer realm="http://auth.registry.example/token"`)
				rw.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintf(rw, `{"errors":[{"message":"saw %s"}]}`, r.Header.Get("Authorization"))
			}))
			w.Handle("auth.registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				rw.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(rw, `{"errors":[{"message":"%s %s %s"}]}`, r.Form.Get("refresh_token"), r.Form.Encode(), r.Header.Get("Authorization"))
			}))
			var login Login
			c := w.client(func(o *Options) {
				o.Insecure = append(o.Insecure, "auth.registry.example")
				login = kind.set(t, o)
			}).As(login)
			_, err := c.Tags(t.Context(), ref(t, "registry.example/team/app"))
			wantFault(t, err, Denied, "***")
			for _, secret := range append(spellings("user", "canary-s3cret"), "canary") {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("%s: %v", secret, err)
				}
			}
		})
	}
}
