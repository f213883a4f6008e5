package registry

import (
	"fmt"
	"testing"
)

// The entries of pull secrets: globs as Kubernetes has them, what is bad, and what overrides.
func TestPullSecrets(t *testing.T) {
	parse := func(text string) Credentials {
		c, err := ParsePullSecret([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := parse(`{"credsStore":"evil","credHelpers":{"helped.example":"evil"},"auths":{
		"*.example": {"username":"glob","password":"p"},
		"exact.example": {"username":"exact","password":"p"},
		"*.example/team": {"username":"glob-team","password":"p"},
		"a.*.test:5000": {"username":"port","password":"p"},
		"raw.test": {"auth":"dXNlcjpwYQ"},
		"bad.test": {"auth":"###"},
		"worse.test": {"auth":1},
		"empty.test": {},
		"[.test": {"username":"no","password":"glob"},
		"/var/user": {"username":"x","password":"p"}
	}}`)
	c.Override(parse(`{"auths":{"raw.test":{"auth":"bGF0ZXI6cHc="},"bad.test":{"username":"mended","password":"p"}}}`))
	for repository, want := range map[string]string{
		"exact.example/a":       "exact",
		"other.example/a":       "glob",
		"other.example/team/a":  "glob-team",
		"exact.example/team/a":  "glob-team",
		"deep.other.example/a":  "none",
		"example/a":             "none",
		"a.b.test:5000/a":       "port",
		"a.b.test/a":            "none",
		"raw.test/a":            "later",
		"bad.test/a":            "mended",
		"worse.test/a":          `its "auth" is not base64`,
		"empty.test/a":          "none",
		"helped.example/a":      "glob",
		"index.docker.io/a/b":   "none",
		"x.test/a":              "none",
		"unheard.of/var/user/a": "none",
	} {
		login := c.For(ref(t, repository))
		got := "none"
		if config, err := login.entry.config(); err != nil {
			got = err.Error()
		} else if config != nil {
			got = config.Username
		}
		if got != want {
			t.Errorf("%s: %q, want %q", repository, got, want)
		}
		if login.known != (want != "none") {
			t.Errorf("%s: known %v", repository, login.known)
		}
	}
	if len(c.helpers) != 0 || c.store != "" {
		t.Errorf("a Secret names programs to run: %v %q", c.helpers, c.store)
	}
	for _, text := range []string{"", "[]", `{"auths":[]}`} {
		if _, err := ParsePullSecret([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// Two workloads ask one repository as two users; a third has no login of its own.
func TestAs(t *testing.T) {
	w, offered := loginWorld(t)
	first := w.client(config(t, `{"auths":{"registry.example":{"auth":"Y29uZmlnOnB3"}}}`))
	for _, user := range []string{"one", "two", "one", ""} {
		secret, err := ParsePullSecret([]byte(`{"auths":{"registry.example":{"username":"` + user + `","password":"pw"}}}`))
		if user == "" {
			secret = Credentials{}
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.As(secret.For(ref(t, "registry.example/a"))).Tags(t.Context(), ref(t, "registry.example/a")); err != nil {
			t.Error(err)
		}
	}
	if got := fmt.Sprint(*offered); got != "[one:pw two:pw one:pw config:pw]" {
		t.Errorf("the registry was offered %s", got)
	}
	// One handshake for all.
	n := 0
	for _, request := range w.asked() {
		if request == "GET http://registry.example/v2/" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d handshakes", n)
	}
}
