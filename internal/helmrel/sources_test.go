package helmrel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// inFolder puts a chart's files below a folder.
func inFolder(dir string, files map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range files {
		out[dir+"/"+name] = text
	}
	return out
}

func sourcesFor(t *testing.T) *Sources {
	return &Sources{Guard: &Guard{InsecureHosts: []string{"127.0.0.1"}}, Mirror: t.TempDir()}
}

func TestChartFromGit(t *testing.T) {
	server := gitserver.Start(t)
	repo := server.MustCreate("charts.git", inFolder("charts/app", simple()))
	first, err := repo.Tip("")
	if err != nil {
		t.Fatal(err)
	}
	server.MustCommit(repo, gitserver.Change{Files: map[string]string{"charts/app/values.yaml": "greeting: newer\ncount: 1\nname: one\n"}})
	if _, err := repo.Git("tag", "v1", first); err != nil {
		t.Fatal(err)
	}
	s := sourcesFor(t)
	at := server.HTTP() + "/charts.git"
	digests := map[string]string{}
	for _, ref := range []string{"main", "v1", first} {
		c, err := s.chart(t.Context(), ChartSource{Git: at, Ref: ref, Path: "charts/app"}, keys{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Name != "simple" || c.Version != "0.1.0" || len(c.Revision) != 40 {
			t.Errorf("%s: %+v", ref, c)
		}
		digests[ref] = c.Digest
	}
	if digests["v1"] != digests[first] || digests["v1"] == digests["main"] {
		t.Errorf("digests %v", digests)
	}
	server.ResetCounts()
	for _, path := range []string{"charts/app", "./charts/app/", "/charts/app"} {
		if _, err := s.chart(t.Context(), ChartSource{Git: at, Ref: "main", Path: path}, keys{}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n := server.Counts(); n.Refs+n.Packs > 0 {
		t.Errorf("one run asks a repository %+v times more", n)
	}
}

func TestChartFromGitFaults(t *testing.T) {
	server := gitserver.Start(t)
	repo := server.MustCreate("charts.git", inFolder("app", simple()))
	if _, err := repo.Commit(gitserver.Change{Files: map[string]string{"nochart/x": "", "large/Chart.yaml": strings.Repeat("#", 6<<20),
		"linked/Chart.yaml": "apiVersion: v2\nname: linked\nversion: 1.0.0\n"}, Links: map[string]string{"linked/templates": "../app/templates"}}); err != nil {
		t.Fatal(err)
	}
	good := server.HTTP() + "/charts.git"
	for _, test := range []struct {
		c    ChartSource
		want string
	}{
		{ChartSource{Git: good, Path: "app"}, "no branch or tag master"},
		{ChartSource{Git: good, Ref: "main", Path: "none"}, "reading its files: "},
		{ChartSource{Git: good, Ref: "main", Path: "../app"}, "leads out of the repository"},
		{ChartSource{Git: good, Ref: "main", Path: "nochart"}, "not a chart"},
		{ChartSource{Git: good, Ref: "main", Path: "large"}, "too large"},
		{ChartSource{Git: good, Ref: "main", Path: "linked"}, "templates is a symbolic link to a folder"},
		{ChartSource{Git: server.HTTP() + "/none.git", Path: "app"}, "no such repository"},
		{ChartSource{Git: "file:///etc", Path: "app"}, "not supported"},
		{ChartSource{Git: "/etc", Path: "app"}, "local path"},
		{ChartSource{Git: "http://example.com/charts.git", Path: "app"}, "not encrypted"},
		{ChartSource{Git: "https://169.254.169.254/charts.git", Path: "app"}, "link-local"},
		{ChartSource{Git: "ssh://git@169.254.169.254/charts.git", Path: "app"}, ""},
		{ChartSource{Git: "https://user:hunter2222@example.com/charts.git", Path: "app"}, "password"},
		{ChartSource{Repository: "oci://169.254.169.254/charts", Name: "a", Version: "1.0.0"}, "link-local"},
		{ChartSource{Repository: "oci://user:hunter2222@example.com/charts", Name: "a", Version: "1.0.0"}, "password"},
		{ChartSource{Repository: "oci://example.com/charts", Name: "../a", Version: "1.0.0"}, "is no name of a repository"},
		{ChartSource{Repository: "oci://example.com/charts", Name: "A b", Version: "1.0.0"}, "is no name of a repository"},
	} {
		_, err := sourcesFor(t).chart(t.Context(), test.c, keys{})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%+v: error %v, want %q", test.c, err, test.want)
		}
	}
}

// A chart in the repository that the stream came from is read at the stream's commit, without asking.
func TestChartOfTheSourceItself(t *testing.T) {
	server := gitserver.Start(t)
	repo := server.MustCreate("config.git", inFolder("app", simple()))
	at := server.HTTP() + "/config.git"
	mirror, err := gitrepo.Open(gitrepo.Options{URL: at, Mirror: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := mirror.FetchBranch(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	server.MustCommit(repo, gitserver.Change{Files: map[string]string{"app/values.yaml": "greeting: too new\n"}})
	server.ResetCounts()
	s := sourcesFor(t)
	s.Present = []Present{{URL: at, Branch: "main", Revision: snap.Revision, Store: snap.Store}}
	c, err := s.chart(t.Context(), ChartSource{Git: strings.TrimSuffix(at, ".git"), Ref: "main", Path: "app"}, keys{})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := c.File("values.yaml"); c.Revision != snap.Revision || strings.Contains(string(text), "too new") {
		t.Errorf("revision %s, values %s", c.Revision, text)
	}
	if n := server.Counts(); n.Refs+n.Packs > 0 {
		t.Errorf("the server was asked: %+v", n)
	}
}

// SAFETY 26: a credential goes to the hosts that it is for, and to no other.
func TestSafety26CredentialsStayHome(t *testing.T) {
	server := gitserver.Start(t)
	server.MustCreate("charts.git", inFolder("app", simple()))
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("canary-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, trusted := range []bool{false, true} {
		s := sourcesFor(t)
		s.Auth = gitrepo.Auth{TokenFile: token, SSHKey: "/nowhere", KnownHosts: token}
		if trusted {
			s.TrustedHosts = []string{"127.0.0.1"}
		} else {
			s.TrustedHosts = []string{"github.com"}
		}
		before := len(server.Users())
		if _, err := s.chart(t.Context(), ChartSource{Git: server.HTTP() + "/charts.git", Ref: "main", Path: "app"}, keys{}); err != nil {
			t.Fatal(err)
		}
		seen := strings.Contains(strings.Join(server.Users()[before:], " "), "canary-token")
		if seen != trusted {
			t.Errorf("trusted %v: the token was sent: %v", trusted, seen)
		}
	}
}

// The same over ssh: a server that the user trusts, yet not one that the key is for, is offered none.
func TestSafety26DeployKeyStaysHome(t *testing.T) {
	server := gitserver.Start(t)
	server.MustCreate("charts.git", inFolder("app", simple()))
	signer, text, err := gitserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	server.Authorized = append(server.Authorized, signer.PublicKey())
	dir := t.TempDir()
	auth := gitrepo.Auth{SSHKey: filepath.Join(dir, "key"), KnownHosts: filepath.Join(dir, "known")}
	for file, content := range map[string][]byte{auth.SSHKey: text, auth.KnownHosts: []byte(server.KnownHosts() + "\n")} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	for _, hosts := range [][]string{{"github.com"}, {"127.0.0.1"}} {
		s := sourcesFor(t)
		s.Auth, s.TrustedHosts = auth, hosts
		_, err := s.chart(t.Context(), ChartSource{Git: server.SSH() + "/charts.git", Ref: "main", Path: "app"}, keys{})
		if trusted := hosts[0] == "127.0.0.1"; trusted != (err == nil) {
			t.Errorf("trusted %v: error %v", trusted, err)
		}
		if _, hint := Explain(err); err != nil && !strings.Contains(hint, "--chart-host 127.0.0.1") {
			t.Errorf("hint %q", hint)
		}
	}
}

func TestHosts(t *testing.T) {
	for at, want := range map[string]string{
		"git@github.com:x/y": "github.com", "ssh://git@GitHub.com:22/x": "github.com", "https://example.com:8443/x": "example.com",
		"git@[::1]:x": "::1", "/local": "", "./a:b": "", "": "", "https://%zz": "",
	} {
		if got := HostOf(at); got != want {
			t.Errorf("HostOf(%q) = %q, want %q", at, got, want)
		}
	}
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"git@github.com:x/y", "ssh://git@github.com/x/y.git", true},
		{"git@github.com:x/y.git", "git@github.com:x/y/", true},
		{"https://example.com/x", "https://EXAMPLE.com:443/x.git", true},
		{"https://example.com/x", "https://example.com/X", false},
		{"https://example.com/x", "ssh://example.com/x", false},
		{"git@github.com:x/y", "other@github.com:x/y", false},
	} {
		if got := SameRepository(test.a, test.b); got != test.want {
			t.Errorf("SameRepository(%q, %q) = %v", test.a, test.b, got)
		}
	}
}
