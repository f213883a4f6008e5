package registry

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programs puts shell scripts into PATH as docker-credential-NAME. Each notes what it was asked for.
func programs(t *testing.T, scripts map[string]string) (asked func() string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "asked")
	for name, script := range scripts {
		text := "#!/bin/sh\nread server\necho " + name + " $1 $server >>" + log + "\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return func() string {
		text, _ := os.ReadFile(log)
		return string(text)
	}
}

// loginWorld is a registry that wants a login, and notes what it is offered, without repetitions.
func loginWorld(t *testing.T) (w *world, offered *[]string) {
	t.Helper()
	w = newWorld(t)
	w.push(t, "a", "1", noon)
	w.push(t, "b", "1", noon)
	offered = &[]string{}
	registry := w.registry
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok {
			rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		if pair := user + ":" + password; len(*offered) == 0 || (*offered)[len(*offered)-1] != pair {
			*offered = append(*offered, pair)
		}
		registry.ServeHTTP(rw, r)
	}))
	return w, offered
}

func config(t *testing.T, text string) func(*Options) {
	t.Helper()
	c, err := ParseDockerConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return func(o *Options) { o.Credentials = c }
}

// A program keeps the login, for one registry or for all. It is asked once, however many
// repositories there are.
func TestCredentialPrograms(t *testing.T) {
	for _, test := range []struct{ name, config, want string }{
		{"for the registry", `{"credHelpers":{"registry.example":"good"}}`, "good get registry.example\n"},
		{"for all", `{"credsStore":"good"}`, "good get registry.example\n"},
		{"for all, with the mark that docker login leaves", `{"auths":{"https://registry.example/v1/":{}},"credsStore":"good"}`, "good get https://registry.example/v1/\n"},
		{"the one for the registry goes first", `{"credHelpers":{"registry.example":"good"},"credsStore":"bad"}`, "good get registry.example\n"},
		{"it knows nothing, the next does", `{"credHelpers":{"registry.example":"empty"},"credsStore":"good"}`, "empty get registry.example\ngood get registry.example\n"},
		{"an entry goes before the one for all", `{"auths":{"registry.example":{"auth":"dXNlcjpmcm9tLXRoZS1wcm9ncmFt"}},"credsStore":"bad"}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := programs(t, map[string]string{
				"good":  `echo '{"Username":"user","Secret":"from-the-program"}'`,
				"empty": `echo "credentials not found in native keychain"; exit 1`,
				"bad":   `echo '{"Username":"user","Secret":"wrong"}'`,
			})
			w, offered := loginWorld(t)
			c := w.client(config(t, test.config))
			for _, name := range []string{"a", "b"} {
				if _, err := c.Tags(t.Context(), ref(t, "registry.example/"+name)); err != nil {
					t.Error(err)
				}
			}
			if got := fmt.Sprint(*offered); got != "[user:from-the-program]" {
				t.Errorf("the registry was offered %s", got)
			}
			if asked() != test.want {
				t.Errorf("asked %q, want %q", asked(), test.want)
			}
		})
	}
}

// SAFETY 23: whatever a program does wrong, nothing that it wrote is shown.
func TestSafety23CredentialProgramsThatFail(t *testing.T) {
	for _, test := range []struct{ name, script, helper, want string }{
		{"exit", `echo canary-s3cret; echo canary-s3cret >&2; exit 3`, "p", "docker-credential-p, which keeps it, fails: exit status 3"},
		{"no JSON", `echo canary-s3cret`, "p", "docker-credential-p, which keeps it, answers with no login"},
		{"endless", `exec yes canary-s3cret`, "p", "docker-credential-p, which keeps it, fails: "},
		{"silent", `exec sleep 100`, "p", "docker-credential-p, which keeps it, does not answer in time"},
		{"not there", ``, "absent", "docker-credential-absent, which keeps it, is not in PATH"},
		{"a path", ``, "../../tmp/x", `"../../tmp/x" is no name of a credential program`},
		{"an option", ``, "x y", `"x y" is no name of a credential program`},
	} {
		t.Run(test.name, func(t *testing.T) {
			programs(t, map[string]string{"p": test.script})
			w, offered := loginWorld(t)
			c := w.client(func(o *Options) {
				config(t, `{"credHelpers":{"registry.example":"`+test.helper+`"}}`)(o)
				if test.name == "silent" {
					o.RequestTimeout = 300 * time.Millisecond
				}
			})
			_, err := c.Tags(t.Context(), ref(t, "registry.example/a"))
			wantFault(t, err, Credential, "reading the credential for registry.example: "+test.want)
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Error(err)
			}
			if len(*offered) != 0 {
				t.Errorf("the registry was offered %s", *offered)
			}
		})
	}
}

// SAFETY 23: a program's secret, and the token that a registry gave, are known to the scrubber.
func TestSafety23SecretsOfProgramsAreScrubbed(t *testing.T) {
	programs(t, map[string]string{"good": `echo '{"Username":"user","Secret":"canary-s3cret"}'`})
	w, _ := loginWorld(t)
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		}
		rw.WriteHeader(http.StatusUnauthorized)
		_, password, _ := r.BasicAuth()
		fmt.Fprintf(rw, `{"errors":[{"message":"no: %s %s"}]}`, password, r.Header.Get("Authorization"))
	}))
	_, err := w.client(config(t, `{"credsStore":"good"}`)).Tags(t.Context(), ref(t, "registry.example/a"))
	wantFault(t, err, Unauthorized, "no: *** Basic ***")

	// An identity token, asked for as the user <token>, is changed for another token.
	programs(t, map[string]string{"good": `echo '{"Username":"<token>","Secret":"canary-identity"}'`})
	tw, _ := tokenWorld(t, "http://auth.registry.example/token")
	tw.Handle("auth.registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.FormValue("refresh_token") != "canary-identity" {
			rw.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(rw, `{"access_token":"canary-token"}`)
	}))
	tw.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("WWW-Authenticate", `Bearer realm="http://auth.registry.example/token",service="s"`)
		rw.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(rw, `{"errors":[{"message":"no: %s"}]}`, r.Header.Get("Authorization"))
	}))
	_, err = tw.client(func(o *Options) {
		config(t, `{"credsStore":"good"}`)(o)
		o.Insecure = append(o.Insecure, "auth.registry.example")
	}).Tags(t.Context(), ref(t, "registry.example/team/app"))
	wantFault(t, err, Unauthorized, "")
	if err != nil && strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

// A secret that is part of another does not leave the rest of it behind.
func TestScrubLongestFirst(t *testing.T) {
	var s secrets
	s.add("", "pass", "password", unreadable)
	if got := s.scrub("a password, a pass!"); got != "a ***, a ***!" {
		t.Error(got)
	}
	s.add("later")
	if got := s.scrub("later"); got != "***" {
		t.Error(got)
	}
}
