package helmrel

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/tlstest"
)

func asking(t *testing.T, chart string) *HelmRelease {
	t.Helper()
	return parse(t, `{"metadata":{"name":"app","namespace":"dev"},"spec":{"chart":{`+chart+`}}}`)
}

// The ways to log in to a private repository, and which goes first.
func TestRepositoryLogins(t *testing.T) {
	r := appRepository(t)
	r.Protect("alice", "canary-pass")
	alice := Login{User: "alice", Password: "canary-pass"}
	file := "repositories:\n- {name: team, url: \"" + r.URL + "/\", username: alice, password: canary-pass}\n"
	inCluster := objects{secrets: map[string]map[string][]byte{
		"dev/good":  {"username": []byte("alice"), "password": []byte("canary-pass\n")},
		"dev/bad":   {"username": []byte("bob"), "password": []byte("canary-bad")},
		"dev/helm":  {"repositories.yaml": []byte(file)},
		"dev/other": {"token": []byte("x")},
		"dev/files": {"repositories.yaml": []byte("repositories: [{name: a, url: x, caFile: /etc/hostname}]")},
		"dev/yaml":  {"repositories.yaml": []byte("canary: [")},
	}}
	configured := func(url string, login Login) []Repository { return []Repository{{"team", url, login}} }
	for _, test := range []struct {
		name, secret string
		configured   []Repository
		want         string // the error
	}{
		{"nobody", "", nil, "401"},
		{"the release's Secret", "good", nil, ""},
		{"Helm's file in the Secret", "helm", nil, ""},
		{"configured", "", configured(r.URL+"//", alice), ""},
		{"configured for another path", "", configured(r.URL+"/stable", alice), "401"},
		{"the Secret goes first", "bad", configured(r.URL, alice), "401"},
		{"no Secret", "none", nil, "spec.chart.chartPullSecret: reading Secret dev/none: "},
		{"a Secret of something else", "other", nil, "holds neither username and password nor"},
		{"a Secret that names files", "files", nil, "a Secret may name no files"},
		{"a Secret that does not parse", "yaml", nil, "it is no repositories.yaml"},
	} {
		chart := `"repository":"` + r.URL + `","name":"app","version":"1.0.0"`
		if test.secret != "" {
			chart += `,"chartPullSecret":{"name":"` + test.secret + `"}`
		}
		s := &Sources{Guard: &Guard{InsecureHosts: []string{r.Host()}}, Repositories: test.configured}
		_, err := s.Chart(t.Context(), asking(t, chart), inCluster)
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
		if test.want == "401" {
			if _, hint := Explain(err); !strings.Contains(hint, "chartPullSecret") {
				t.Errorf("%s: hint %q", test.name, hint)
			}
		}
	}
	down := objects{err: errors.New("connection refused")}
	if _, err := (&Sources{Guard: &Guard{}}).Chart(t.Context(), asking(t, `"repository":"x","name":"a","version":"1","chartPullSecret":{"name":"s"}`), down); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}

// SAFETY 26: a repository's credential goes to no host that a redirect or its index names, and where
// somebody wants that, not without encryption.
func TestSafety26RepositoryCredentialsStayHome(t *testing.T) {
	archive := charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")})
	for _, test := range []struct {
		name               string
		redirect, anywhere bool
	}{{"index entry", false, false}, {"redirect", true, false}, {"passed on by the configuration, yet not without TLS", false, true}} {
		canary := charttest.Start(t)
		canary.Put("/app-1.0.0.tgz", archive)
		away := strings.Replace(canary.URL, "127.0.0.1", "localhost", 1) + "/app-1.0.0.tgz"
		r := charttest.Start(t)
		r.Protect("alice", "canary-pass")
		if test.redirect {
			r.AddEntry("app", "1.0.0", "moved.tgz", "")
			r.Handle("/moved.tgz", func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, away, http.StatusFound) })
		} else {
			r.AddEntry("app", "1.0.0", away, "")
		}
		s := &Sources{Guard: &Guard{InsecureHosts: []string{"127.0.0.1", "localhost"}}, TLS: &tls.Config{},
			Repositories: []Repository{{"team", r.URL, Login{User: "alice", Password: "canary-pass", Everywhere: test.anywhere}}}}
		if _, err := s.chart(t.Context(), ChartSource{Repository: r.URL, Name: "app", Version: "1.0.0"}, keys{}); err != nil {
			t.Fatal(err)
		}
		if len(r.Authorizations()) == 0 || len(canary.Requests()) != 1 || len(canary.Authorizations()) > 0 {
			t.Errorf("%s: home saw %d credentials, the canary %q in %v", test.name, len(r.Authorizations()), canary.Authorizations(), canary.Requests())
		}
	}
}

// The repository of a dependency is not the release's own: its Secret's password is not for it.
func TestSafety26PullSecretIsForTheRepositoryThatTheReleaseNames(t *testing.T) {
	canary := appRepository(t)
	server := gitserver.Start(t)
	server.MustCreate("app.git", map[string]string{"app/Chart.yaml": strings.Replace(umbrella("app 1.x "+canary.URL), "name: app", "name: top", 1)})
	s := sourcesFor(t)
	_, err := s.chart(t.Context(), ChartSource{Git: server.HTTP() + "/app.git", Ref: "main", Path: "app"},
		keys{pull: secretData{keyUser: []byte("alice"), keyPassword: []byte("canary-pass")}})
	if err != nil || len(canary.Requests()) == 0 || len(canary.Authorizations()) > 0 {
		t.Errorf("error %v, the canary saw %q", err, canary.Authorizations())
	}
	canary.Protect("alice", "canary-pass")
	_, err = sourcesFor(t).chart(t.Context(), ChartSource{Git: server.HTTP() + "/app.git", Ref: "main", Path: "app"},
		keys{pull: secretData{keyRepositories: []byte("repositories: [{name: x, url: \"" + canary.URL + "\", username: alice, password: canary-pass}]")}})
	if err != nil {
		t.Errorf("Helm's file names the repository: %v", err)
	}
}

// A git server gets what the release's Secret holds, in place of what this program has.
func TestGitSecrets(t *testing.T) { // in a repository with capitals in its path
	server := gitserver.Start(t)
	server.MustCreate("Team/App.git", inFolder("app", simple()))
	server.SetToken("canary-token")
	signer, key, err := gitserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	server.Authorized = append(server.Authorized, signer.PublicKey())
	known := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(known, []byte(server.KnownHosts()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	inCluster := objects{secrets: map[string]map[string][]byte{
		"dev/login":  {"username": []byte("alice"), "password": []byte("canary-token\n")},
		"dev/token":  {"password": []byte("canary-token")},
		"dev/wrong":  {"username": []byte("alice"), "password": []byte("canary-wrong")},
		"dev/key":    {"identity": key},
		"dev/broken": {"identity": []byte("canary-key")},
		"dev/empty":  {},
		"ops/login":  {"username": []byte("alice"), "password": []byte("canary-token")},
	}}
	for _, test := range []struct{ at, ref, want string }{
		{server.HTTP(), "", "credential"},
		{server.HTTP(), `{"name":"login"}`, ""},
		{server.HTTP(), `{"name":"login","namespace":"ops"}`, ""},
		{server.HTTP(), `{"name":"token"}`, ""},
		{server.HTTP(), `{"name":"wrong"}`, "refuses"},
		{server.HTTP(), `{"name":"none"}`, "spec.chart.secretRef: reading Secret dev/none"},
		{server.HTTP(), `{"name":"empty"}`, "holds neither username and password nor identity"},
		{server.SSH(), `{"name":"key"}`, ""},
		{server.SSH(), `{"name":"broken"}`, "is not a private key"},
		{server.SSH(), "", "no ssh key"},
	} {
		s := sourcesFor(t)
		s.Auth.KnownHosts = known
		chart := `"git":"` + test.at + `/Team/App.git","ref":"main","path":"app"`
		if test.ref != "" {
			chart += `,"secretRef":` + test.ref
		}
		_, err := s.Chart(t.Context(), asking(t, chart), inCluster)
		if (err == nil) != (test.want == "") || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s %s: error %v, want %q", test.at, test.ref, err, test.want)
		} else if err != nil && test.want != "refuses" && test.want != "credential" && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: error %v, want %q", test.at, test.ref, err, test.want)
		}
	}
}

// Authorities and clients' certificates: of the program, of the configuration, of the release's Secret.
func TestRepositoryCertificates(t *testing.T) {
	dir := t.TempDir()
	ours, err := tlstest.NewAuthority(dir, "ours")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ours.Issue(dir, "leaf", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	charts := appRepository(t)
	server := tlstest.Serve(charts, leaf, ours, tls.VersionTLS13)
	t.Cleanup(server.Close)
	read := func(file string) []byte {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	files, err := LoadTLS(ours.File, leaf.CertFile, leaf.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := LoadTLS(ours.File, "", "")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "repositories.yaml")
	text := "apiVersion: \"\"\nrepositories:\n- {name: a, url: \"" + server.URL + "\", caFile: \"" + ours.File + "\", certFile: \"" + leaf.CertFile + "\", keyFile: \"" + leaf.KeyFile + "\"}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	repositories, err := ReadRepositories(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		s    *Sources
		pull secretData
		want string
	}{
		"nothing":              {&Sources{}, nil, "certificate signed by unknown authority"},
		"an authority only":    {&Sources{TLS: authority}, nil, "certificate required"},
		"of the program":       {&Sources{TLS: files}, nil, ""},
		"of the configuration": {&Sources{Repositories: repositories}, nil, ""},
		"of the Secret":        {&Sources{}, secretData{keyAuthority: read(ours.File), keyCertificate: read(leaf.CertFile), keyPrivate: read(leaf.KeyFile)}, ""},
		"half a pair":          {&Sources{}, secretData{keyCertificate: read(leaf.CertFile)}, "reading the client's certificate"},
		"no certificate":       {&Sources{}, secretData{keyAuthority: []byte("x")}, "holds no certificate in PEM"},
	} {
		test.s.Guard = &Guard{}
		_, err := test.s.chart(t.Context(), ChartSource{Repository: server.URL, Name: "app", Version: "1.0.0"}, keys{pull: test.pull})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
		if _, hint := Explain(err); name == "nothing" && !strings.Contains(hint, "--ca-file") {
			t.Errorf("hint %q", hint)
		}
	}
	// what one release may read with its certificate, another may not without
	both := &Sources{Guard: &Guard{}, TLS: authority}
	for _, pull := range []secretData{{keyAuthority: read(ours.File), keyCertificate: read(leaf.CertFile), keyPrivate: read(leaf.KeyFile)}, nil} {
		_, err := both.chart(t.Context(), ChartSource{Repository: server.URL, Name: "app", Version: "1.0.0"}, keys{pull: pull})
		if (err == nil) != (pull != nil) {
			t.Errorf("with a certificate %v: %v", pull != nil, err)
		}
	}
	// a certificate of ours is not shown to a host that the index names
	away := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			t.Error("the canary saw a certificate")
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	pair, err := tls.LoadX509KeyPair(leaf.CertFile, leaf.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	away.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	away.StartTLS()
	t.Cleanup(away.Close)
	charts.AddEntry("app", "2.0.0", away.URL+"/app.tgz", "")
	_, err = (&Sources{TLS: files, Guard: &Guard{}}).chart(t.Context(), ChartSource{Repository: server.URL, Name: "app", Version: "2.0.0"}, keys{})
	if err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("error %v", err)
	}
}

func TestReadRepositoriesFaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.yaml")
	for text, want := range map[string]string{
		"repositories: [{password: canary":                    "it is no repositories.yaml",
		"repositories: canary":                                "it is no repositories.yaml",
		"repositories: [{name: a, url: x, caFile: /nowhere}]": "repository a: reading certificates",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRepositories(file); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := ReadRepositories("/nowhere"); err == nil {
		t.Error("no file is no error")
	}
}

func FuzzDockerConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"},"a/b":{"username":"u","password":"p"}}}`), "oci://docker.io/library")
	f.Fuzz(func(t *testing.T, text []byte, at string) {
		logins, err := parseDockerConfig(text)
		if err == nil {
			logins.of(at)
		}
		if _, err := parseRepositories(text, noFiles); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}
