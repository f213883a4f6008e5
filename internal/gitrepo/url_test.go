package gitrepo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

func TestAddresses(t *testing.T) {
	for raw, want := range map[string]string{
		"https://github.com/o/r.git":         "https  github.com 0 /o/r.git",
		"HTTPS://github.com/o/r":             "https  github.com 0 /o/r",
		"http://git.example:8080/a%20b/r":    "http  git.example 8080 /a%20b/r",
		"ssh://git@github.com/o/r.git":       "ssh git github.com 0 /o/r.git",
		"ssh://git@host:2222/a%20b":          "ssh git host 2222 /a b",
		"ssh://git@host/~me/r":               "ssh git host 0 ~me/r",
		"git+ssh://host/r":                   "ssh  host 0 /r",
		"git@github.com:o/r.git":             "ssh git github.com 0 o/r.git",
		"github.com:o/r":                     "ssh  github.com 0 o/r",
		"git@github.com:/abs/r":              "ssh git github.com 0 /abs/r",
		"git@[2001:db8::1]:r":                "ssh git 2001:db8::1 0 r",
		"ssh://git@[2001:db8::1]:22/r":       "ssh git 2001:db8::1 22 /r",
		"https://someone@dev.example/o/_git": "https someone dev.example 0 /o/_git",
	} {
		a, err := parseAddress(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got := fmt.Sprintf("%s %s %s %d %s", a.scheme, a.user, a.host, a.port, a.path); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

func TestRefusedAddresses(t *testing.T) {
	const secret = "hunter2"
	for raw, say := range map[string]string{
		"":                               "local path",
		"/srv/r.git":                     "local path",
		"./r.git":                        "local path",
		"../r.git":                       "local path",
		"r.git":                          "local path",
		"dir/host:path":                  "local path",
		"file:///srv/r.git":              "file:// URL is not supported",
		"git://host/r.git":               "git:// URL is not supported",
		"ext::sh -c hunter2":             "blank",
		"ext::hunter2":                   "transport program",
		"fd::7":                          "transport program",
		"https://u:hunter2@host/r":       "holds a password",
		"ssh://u:hunter2@host/r":         "holds a password",
		"https://host/r?token=hunter2":   "query",
		"https://host/r#hunter2":         "fragment",
		"https://host/":                  "lacks a host or a path",
		"https:///r":                     "lacks a host or a path",
		"https://host:99999/r":           "bad port",
		"https://u:hunter2@ho%zzst/r":    "does not parse",
		"ssh://-oProxyCommand=x/r":       "starts with a dash",
		"-oProxyCommand@host:r":          "starts with a dash",
		"git@host:-x":                    "starts with a dash",
		"https://host/r\nhunter2":        "blank or a control",
		"https://hunter2@host/r":         "user name but there is no token",
		"ssh://git@host/r\x00":           "blank or a control",
		"https://u:hunter2@host:x/r.git": "does not parse",
	} {
		_, err := newClient(t).try(raw)
		if err == nil || !strings.Contains(err.Error(), say) || Code(err) != CodeBadURL {
			t.Errorf("%q: got %v", raw, err)
		}
		if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(Hint(err), secret)) {
			t.Errorf("%q: the secret is repeated: %v", raw, err)
		}
	}
}

func TestNames(t *testing.T) {
	for raw, want := range map[string]string{
		"https://github.com/o/config.git": "config", "https://host/a/b/": "b", "git@host:o/r.git": "r", "git@host:r": "r",
		"ssh://h/x.git/": "x", "https://host/my%20repo": "my repo", "nonsense": "",
	} {
		if got := Name(raw); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

func TestRewrites(t *testing.T) {
	dir := t.TempDir()
	home, system, xdg := filepath.Join(dir, "home"), filepath.Join(dir, "system"), filepath.Join(dir, "xdg")
	for _, d := range []string{home, filepath.Join(xdg, "git")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, system, "[url \"https://mirror/\"]\n\tinsteadOf = https://github.com/\n")
	write(t, filepath.Join(xdg, "git", "config"), "[url \"https://xdg/\"]\n\tinsteadof = git@github.com:\n\tinsteadOf = gh:\n")
	write(t, filepath.Join(home, ".gitconfig"), "[url \"https://deep/\"]\n\tinsteadOf = https://github.com/acme/\n[user]\n\tname = x\n")
	env := map[string]string{"HOME": home, "XDG_CONFIG_HOME": xdg, "GIT_CONFIG_SYSTEM": system}
	load := func() *Rewrites {
		t.Helper()
		r, err := LoadRewrites(func(k string) string { return env[k] })
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for url, want := range map[string]string{
		"https://github.com/o/r": "https://mirror/o/r", "https://github.com/acme/r": "https://deep/r",
		"git@github.com:o/r": "https://xdg/o/r", "gh:o/r": "https://xdg/o/r", "https://other/r": "https://other/r",
	} {
		if got := load().apply(url); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
	env["GIT_CONFIG_NOSYSTEM"], env["GIT_CONFIG_GLOBAL"] = "1", filepath.Join(xdg, "git", "config")
	if got := load().apply("https://github.com/o/r"); got != "https://github.com/o/r" {
		t.Errorf("got %s", got)
	}
	write(t, system, "[url \"https://canary@mirror/\n insteadOf")
	delete(env, "GIT_CONFIG_NOSYSTEM")
	if _, err := LoadRewrites(func(k string) string { return env[k] }); err == nil || !strings.Contains(err.Error(), system) || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

// SAFETY 31: a token in the user's insteadOf works, and no error shows it or the address it makes.
func TestSafety31TokenInRewriteStaysHidden(t *testing.T) {
	const canary = "canary-31-token"
	s := gitserver.Start(t)
	s.SetToken(canary)
	repo := s.MustCreate("o/r.git", map[string]string{"a": "1"})
	c := newClient(t)
	c.env["HOME"] = t.TempDir()
	real := strings.Replace(s.HTTP(), "http://", "http://me:"+canary+"@", 1)
	write(t, filepath.Join(c.env["HOME"], ".gitconfig"), fmt.Sprintf(
		"[url %q]\n\tinsteadOf = git@github.com:\n[url %q]\n\tinsteadOf = git@bad:\n[url \"file:///%s/\"]\n\tinsteadOf = git@file:\n",
		real+"/", strings.Replace(real, "127.0.0.1", "127.0.0.1:1", 1), canary))

	r := c.open("git@github.com:o/r")
	snap := fetch(t, r, "")
	if tip, _ := repo.Tip(""); snap.Revision != tip || r.URL() != "git@github.com:o/r" {
		t.Errorf("got %+v from %s", snap, r.URL())
	}
	if strings.Contains(snap.Store, canary) {
		t.Errorf("the store's path shows the token: %s", snap.Store)
	}
	s.RejectPushes("no " + canary + " from http://me:" + canary + "@host")
	errs := []error{r.Push(t.Context(), commit(t, snap, map[string]string{"a": "2"}), "main")}
	s.RejectPushes("")
	for _, url := range []string{"git@github.com:none", "git@bad:r", "git@file:r"} {
		r, err := c.try(url)
		if err == nil {
			_, err = r.FetchBranch(t.Context(), "")
		}
		errs = append(errs, err)
	}
	s.SetToken("another")
	_, err := r.FetchBranch(t.Context(), "")
	for _, err := range append(errs, err) {
		if err == nil {
			t.Error("no error")
			continue
		}
		for _, text := range []string{err.Error(), Hint(err), fmt.Sprintf("%+v %#v", err, Hint(err))} {
			if strings.Contains(text, canary) || strings.Contains(text, "127.0.0.1:1") && strings.Contains(text, "me:") {
				t.Errorf("shown: %s", text)
			}
		}
		if !strings.Contains(err.Error(), "git@") {
			t.Errorf("the configured URL is not named: %v", err)
		}
	}
}

// SAFETY 23: the token of a token file reaches the server and nothing else.
func TestSafety23TokenFileStaysHidden(t *testing.T) {
	const canary = "canary-23-token"
	s := gitserver.Start(t)
	s.SetToken(canary)
	s.MustCreate("r.git", map[string]string{"a": "1"})
	c := newClient(t)
	c.auth.TokenFile = filepath.Join(t.TempDir(), "token")
	write(t, c.auth.TokenFile, canary+"\n")
	r := c.open(s.HTTP() + "/r.git")
	snap := fetch(t, r, "")
	if got := s.Users(); len(got) == 0 || got[0] != "x-access-token:"+canary {
		t.Errorf("got %v", got)
	}
	s.RejectPushes("you sent " + canary)
	errs := []error{r.Push(t.Context(), commit(t, snap, map[string]string{"a": "2"}), "main")}
	s.SetToken("expired")
	_, err := r.FetchBranch(t.Context(), "")
	for _, err := range append(errs, err) {
		if err == nil || strings.Contains(fmt.Sprint(err, Hint(err)), canary) {
			t.Errorf("got %v", err)
		}
	}
	if Code(err) != CodeAuth || !strings.Contains(err.Error(), "refused the credential") {
		t.Errorf("got %v", err)
	}
	write(t, c.auth.TokenFile, " \n")
	if _, err := c.try(s.HTTP() + "/r.git"); err == nil || Code(err) != CodeBadKey {
		t.Errorf("got %v", err)
	}
}

// One environment serves repositories of both kinds: what a URL has no use for is left alone.
func TestCredentialsOfTheOtherKind(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": "1"})
	c := newClient(t).ssh(s)
	if _, err := c.try(s.HTTP() + "/r.git"); err != nil {
		t.Errorf("http with an ssh key: %v", err)
	}
	c.auth.TokenFile = filepath.Join(t.TempDir(), "none")
	if _, err := c.try(s.SSH() + "/r.git"); err != nil {
		t.Errorf("ssh with a token file: %v", err)
	}
}

// SAFETY 23: a URL that lost its slashes or its scheme may hold a password, and is not repeated.
func TestSafety23MistypedURLs(t *testing.T) {
	for _, raw := range []string{
		"user:s3cretpw@127.0.0.1/x.git", "https:/user:s3cretpw@127.0.0.1/x.git", "https:user:s3cretpw@127.0.0.1/x.git",
		"git:s3cretpw@127.0.0.1:x.git", "https://127.0.0.1/user:s3cretpw@x.git", "ssh://host/user:s3cretpw@x.git",
		"HTTPS:user:s3cretpw@h/x.git", "me@user:s3cretpw@h:x.git", "user:s3cretpw@h", "git:s3cret::pw@127.0.0.1/x.git", "https://127.0.0.1/user:s3c/retpw@x.git", "s3cretpw://h/x", "https://user:s3cretpw@h/x.git",
	} {
		err := CheckURL(raw)
		if err == nil || strings.Contains(err.Error()+Hint(err), "s3c") {
			t.Errorf("%s: %v", raw, err)
		}
		if name := Name(raw); strings.Contains(name, "retpw") {
			t.Errorf("%s: it would be named %s", raw, name)
		}
	}
	for _, raw := range []string{"git@host:team/x.git", "host:x.git", "git@[::1]:x.git", "https://host/a@b/x.git", "ssh://git@host:22/x.git"} {
		if err := CheckURL(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// SAFETY 26: a redirect to another host does not get the credential.
func TestSafety26RedirectGetsNoCredential(t *testing.T) {
	const canary = "canary-26-token"
	home, canaries := gitserver.Start(t), gitserver.Start(t)
	home.SetToken(canary)
	canaries.MustCreate("r.git", map[string]string{"a": "1"})
	c := newClient(t)
	c.auth.TokenFile = filepath.Join(t.TempDir(), "token")
	write(t, c.auth.TokenFile, canary)
	home.Redirect(canaries.HTTP())
	_, err := c.open(home.HTTP()+"/r.git").FetchBranch(t.Context(), "")
	t.Logf("fetching: %v", err)
	if got := fmt.Sprint(canaries.Users()); strings.Contains(got, canary) {
		t.Errorf("the other host saw %s", got)
	}
}

func TestSSHKeys(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": "1"})
	c := newClient(t).ssh(s)
	good := c.auth
	for name, test := range map[string]struct {
		change func(*Auth)
		say    string
	}{
		"no such key":    {func(a *Auth) { a.SSHKey += "x" }, "reading the ssh key"},
		"not a key":      {func(a *Auth) { a.SSHKey = a.KnownHosts }, "not a private key"},
		"no known hosts": {func(a *Auth) { a.KnownHosts += "x" }, "reading the known hosts"},
		"bad hosts":      {func(a *Auth) { a.KnownHosts = a.SSHKey }, "reading the known hosts"},
		"token":          {func(a *Auth) { *a = Auth{TokenFile: a.SSHKey, KnownHosts: a.KnownHosts} }, "there is no ssh key and no ssh agent"},
	} {
		t.Run(name, func(t *testing.T) {
			c.auth = good
			test.change(&c.auth)
			if _, err := c.try(s.SSH() + "/r.git"); err == nil || !strings.Contains(err.Error(), test.say) {
				t.Errorf("got %v", err)
			}
		})
	}
	c.auth = Auth{SSHKey: good.SSHKey}
	c.env["SSH_KNOWN_HOSTS"] = good.KnownHosts
	fetch(t, c.open(s.SSH()+"/r.git"), "")
}
