package helmrel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
)

// registryOf serves a real registry, behind whatever the test wants in front of it.
func registryOf(t *testing.T, front func(http.Handler) http.Handler) (*registrytest.Registry, string) {
	t.Helper()
	registry, err := registrytest.NewPaged(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	handler := http.Handler(registry)
	if front != nil {
		handler = front(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return registry, strings.TrimPrefix(server.URL, "http://")
}

// push puts a chart into a registry as helm push does, and gives its manifest's digest.
func push(t *testing.T, registry http.Handler, repository, tag string, archive, prov []byte) string {
	t.Helper()
	ask := func(method, at, kind string, body []byte) *httptest.ResponseRecorder {
		request := httptest.NewRequest(method, at, bytes.NewReader(body))
		request.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		registry.ServeHTTP(w, request)
		if w.Code >= 300 {
			t.Fatalf("%s %s: %d %s", method, at, w.Code, w.Body)
		}
		return w
	}
	blob := func(media string, data []byte) descriptor {
		started := ask("POST", "/v2/"+repository+"/blobs/uploads/", "", nil)
		at, err := url.Parse(started.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		query := at.Query()
		query.Set("digest", "sha256:"+sumOf(data))
		ask("PUT", at.Path+"?"+query.Encode(), "application/octet-stream", data)
		return descriptor{media, "sha256:" + sumOf(data), int64(len(data))}
	}
	layers := []descriptor{blob(typeChart, archive)}
	if prov != nil {
		layers = append([]descriptor{blob(typeProvenance, prov)}, layers...)
	}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": typeManifest, "config": blob(typeConfig, []byte(`{"name":"app"}`)), "layers": layers})
	if err != nil {
		t.Fatal(err)
	}
	ask("PUT", "/v2/"+repository+"/manifests/"+tag, typeManifest, manifest)
	return "sha256:" + sumOf(manifest)
}

func fromOCI(t *testing.T, s *Sources, host, version string) (*Chart, error) {
	t.Helper()
	s.Guard = &Guard{InsecureHosts: []string{host}}
	return s.chart(t.Context(), ChartSource{Repository: "oci://" + host + "/team/charts", Name: "app", Version: version}, keys{})
}

func TestRegistryCharts(t *testing.T) {
	registry, host := registryOf(t, nil)
	digests := map[string]string{}
	for _, version := range []string{"1.0.0", "1.1.0", "1.2.0-rc.1", "1.2.0+build", "2.0.0", "0.9.0", "0.8.0"} {
		tag := strings.ReplaceAll(version, "+", "_")
		digests[version] = push(t, registry, "team/charts/app", tag, charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", version)}), nil)
	}
	push(t, registry, "team/charts/app", "edge", charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "3.0.0-edge")}), nil)
	for _, test := range []struct {
		version, want string
		requests      int
	}{
		{"1.0.0", "1.0.0", 2}, {"^1", "1.2.0+build", 5}, {"*", "2.0.0", 5}, {"~1.0", "1.0.0", 5}, {"1.2.0+build", "1.2.0+build", 2}, {"1.2.0-rc.1", "1.2.0-rc.1", 2},
		{"edge", "3.0.0-edge", 2}, {digests["0.9.0"], "0.9.0", 2}, {"1.0.0@" + digests["1.0.0"], "1.0.0", 2},
	} {
		registry.Reset()
		c, err := fromOCI(t, &Sources{}, host, test.version)
		if err != nil {
			t.Errorf("%s: %v", test.version, err)
			continue
		}
		if c.Version != test.want || test.version != "edge" && c.Revision != digests[test.want] || len(registry.Requests()) != test.requests {
			t.Errorf("%s: %s at %s, requests %v", test.version, c.Version, c.Revision, registry.Requests())
		}
	}
	// with a cache only the tag is asked for, and a digest costs nothing
	cache := openCache(t)
	for version, want := range map[string]int{"1.0.0": 1, digests["2.0.0"]: 0} {
		for i := range 2 {
			registry.Reset()
			if _, err := fromOCI(t, &Sources{Cache: cache}, host, version); err != nil {
				t.Fatal(err)
			}
			if n := len(registry.Requests()); i == 1 && n != want {
				t.Errorf("%s: requests %v", version, registry.Requests())
			}
		}
	}
	// a tag that was pushed anew is noticed
	push(t, registry, "team/charts/app", "1.0.0", charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "values.yaml": "a: 2\n"}), nil)
	c, err := fromOCI(t, &Sources{Cache: cache}, host, "1.0.0")
	if err != nil || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "published anew") {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestRegistryFaults(t *testing.T) {
	registry, host := registryOf(t, nil)
	good := push(t, registry, "team/charts/app", "1.0.0", charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")}), nil)
	push(t, registry, "team/charts/app", "9.0.0", []byte("no archive"), nil)
	other := strings.Replace(good, good[7:9], "00", 1)
	for version, want := range map[string]string{
		"1.0.1": "answered 404", "^3": "none of the 2 tags matches", "la:test": "neither a version", "1.0.0@sha256:12": "is no digest",
		other: "answered 404", "1.0.0@" + other: "answered 404", "9.0.0": "unpacking chart",
	} {
		if _, err := fromOCI(t, &Sources{}, host, version); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", version, err, want)
		}
	}
}

// A registry that sends other bytes than were asked for, no chart, half a list of tags, or a list without end.
func TestRegistryLies(t *testing.T) {
	archive := charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")})
	manifest := func(config, digest string) string {
		return fmt.Sprintf(`{"config":{"mediaType":%q},"layers":[{"mediaType":%q,"digest":%q}]}`, config, typeChart, digest)
	}
	good := manifest(typeConfig, "sha256:"+sumOf(archive))
	for name, test := range map[string]struct {
		version, manifest, tags, link string
		body                          []byte
		want                          string
	}{
		"as it should be": {version: "1.0.0", manifest: good, body: archive},
		"other bytes":     {version: "1.0.0", manifest: good, body: []byte("evil"), want: "sent a blob of digest"},
		"other manifest":  {version: "sha256:" + sumOf([]byte("x")), manifest: good, body: archive, want: "sent a manifest of digest"},
		"an image":        {version: "1.0.0", manifest: manifest("application/vnd.oci.image.config.v1+json", "x"), want: "it is no Helm chart"},
		"no digest":       {version: "1.0.0", manifest: manifest(typeConfig, "../../../etc/passwd"), want: "no sha256 digest"},
		"no layer":        {version: "1.0.0", manifest: `{"config":{"mediaType":"` + typeConfig + `"}}`, want: "names no chart"},
		"no JSON":         {version: "1.0.0", manifest: `<html>`, want: "does not parse"},
		"page 2 fails":    {version: "^1", manifest: good, body: archive, tags: `{"tags":["1.0.0"]}`, link: `</v2/team/charts/app/tags/list?last=fail>; rel="next"`, want: "answered 500"},
		"pages elsewhere": {version: "^1", manifest: good, body: archive, tags: `{"tags":["1.0.0"]}`, link: `<http://169.254.169.254/latest>; rel="next"`, want: "leads elsewhere"},
		"pages for ever":  {version: "^1", manifest: good, body: archive, tags: `{"tags":["1.0.0"]}`, link: `</v2/team/charts/app/tags/list?last=1>; rel="next"`, want: "more than 1000 pages"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/tags/list") && r.URL.Query().Get("last") == "fail":
					w.WriteHeader(http.StatusInternalServerError)
				case strings.HasSuffix(r.URL.Path, "/tags/list"):
					w.Header().Set("Link", test.link)
					_, _ = w.Write([]byte(test.tags))
				case strings.Contains(r.URL.Path, "/manifests/"):
					_, _ = w.Write([]byte(test.manifest))
				default:
					_, _ = w.Write(test.body)
				}
			}))
			defer server.Close()
			_, err := fromOCI(t, &Sources{}, strings.TrimPrefix(server.URL, "http://"), test.version)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// guarded wants a login: by a token of its own service, or as it is.
type guarded struct {
	next   http.Handler
	realm  string // of a token service; empty for basic authentication
	mu     sync.Mutex
	tokens []string // the authorizations that the token service saw
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	known := user == "alice" && password == "canary-pass"
	if r.URL.Path == "/token" {
		g.mu.Lock()
		g.tokens = append(g.tokens, r.Header.Get("Authorization")+" "+r.URL.Query().Get("scope"))
		g.mu.Unlock()
		if !known {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"token":"canary-token"}`))
		return
	}
	if g.realm == "" && known || g.realm != "" && r.Header.Get("Authorization") == "Bearer canary-token" {
		g.next.ServeHTTP(w, r)
		return
	}
	challenge := `Basic realm="x"`
	if g.realm != "" {
		challenge = `Bearer realm="` + g.realm + `",service="here",scope="wider"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
}

func TestRegistryLogins(t *testing.T) {
	secret := secretData{keyUser: []byte("alice"), keyPassword: []byte("canary-pass\n")}
	for _, bearer := range []bool{false, true} {
		g := &guarded{}
		registry, host := registryOf(t, func(h http.Handler) http.Handler { g.next = h; return g })
		push(t, registry, "team/charts/app", "1.0.0", charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")}), nil)
		if bearer {
			g.realm = "http://" + host + "/token"
		}
		docker := func(key string) Logins {
			l, err := parseDockerConfig([]byte(`{"auths":{"` + key + `":{"auth":"YWxpY2U6Y2FuYXJ5LXBhc3M="}}}`))
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		for name, test := range map[string]struct {
			logins       Logins
			repositories []Repository
			pull         secretData
			fails        bool
		}{
			"nobody":                   {fails: true},
			"the release's Secret":     {pull: secret},
			"a Secret of Docker's":     {pull: secretData{keyDocker: []byte(`{"auths":{"http://` + host + `":{"username":"alice","password":"canary-pass"}}}`)}},
			"the docker configuration": {logins: docker(host)},
			"of a path":                {logins: docker("https://" + host + "/team")},
			"of another host":          {logins: docker("example.com"), fails: true},
			"of another path":          {logins: docker(host + "/other"), fails: true},
			"the configured one":       {repositories: []Repository{{URL: "oci://" + host + "/team/charts/", Login: Login{User: "alice", Password: "canary-pass"}}}},
			"the Secret goes first":    {logins: docker(host), pull: secretData{keyUser: []byte("bob"), keyPassword: []byte("x")}, fails: true},
		} {
			s := &Sources{Guard: &Guard{InsecureHosts: []string{host}}, Logins: test.logins, Repositories: test.repositories}
			_, err := s.chart(t.Context(), ChartSource{Repository: "oci://" + host + "/team/charts", Name: "app", Version: "1.0.0"}, keys{pull: test.pull})
			if (err != nil) != test.fails {
				t.Errorf("%s, bearer %v: %v", name, bearer, err)
			}
			if err != nil && (strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "401")) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if bearer && !slices.Contains(g.tokens, "Basic YWxpY2U6Y2FuYXJ5LXBhc3M= repository:team/charts/app:pull") {
			t.Errorf("asked for tokens: %q", g.tokens)
		}
	}
}

// SAFETY 26: a token service elsewhere does not get the registry's password, and nobody gets the token.
func TestSafety26TokenRealm(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	canary := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Host+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{"token":"canary-token"}`))
	}))
	t.Cleanup(canary.Close)
	elsewhere := strings.Replace(canary.URL, "127.0.0.1", "localhost", 1)
	g := &guarded{realm: elsewhere + "/token"}
	registry, host := registryOf(t, func(h http.Handler) http.Handler {
		g.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
				http.Redirect(w, r, elsewhere+"/storage?signature=canary-signature", http.StatusTemporaryRedirect)
				return
			}
			h.ServeHTTP(w, r)
		})
		return g
	})
	push(t, registry, "team/charts/app", "1.0.0", charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")}), nil)
	get := func(s *Sources) error {
		s.Guard = &Guard{InsecureHosts: []string{host, "localhost"}}
		_, err := s.chart(t.Context(), ChartSource{Repository: "oci://" + host + "/team/charts", Name: "app", Version: "1.0.0"},
			keys{pull: secretData{keyUser: []byte("alice"), keyPassword: []byte("canary-pass")}})
		return err
	}
	err := get(&Sources{})
	if err == nil || !strings.Contains(err.Error(), "would go to the token service on localhost") || len(seen) > 0 {
		t.Errorf("error %v, the canary saw %q", err, seen)
	}
	if _, hint := Explain(err); !strings.Contains(hint, "--token-host localhost") {
		t.Errorf("hint %q", hint)
	}
	if err := get(&Sources{TokenHosts: []string{"localhost"}}); err == nil || strings.Contains(err.Error(), "canary-s") {
		t.Errorf("error %v", err) // the storage sends other bytes
	}
	if len(seen) != 2 || !strings.Contains(seen[0], "/token Basic ") || !strings.HasSuffix(seen[1], "/storage ") {
		t.Errorf("the canary saw %q", seen)
	}
	// a realm, or a redirect, that leads to a metadata service
	g.realm = "http://169.254.169.254/token"
	if err := get(&Sources{TokenHosts: []string{"169.254.169.254"}}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
}

func TestRegistryAddresses(t *testing.T) {
	s := &Sources{Guard: &Guard{InsecureHosts: []string{"plain.example:5000"}}}
	for base, want := range map[string]string{
		"oci://docker.io/library": "https://registry-1.docker.io/v2/library/app/x", "oci://plain.example:5000": "http://plain.example:5000/v2/app/x",
		"oci://plain.example/a/b/": "https://plain.example/v2/a/b/app/x", "oci://": "", "oci://h/a?b=c": "", "oci://h/a//b": "", "oci://h/A": "", "oci://[fe80::1]/a": "",
	} {
		r, err := s.openRegistry(wish{base: base, name: "app"})
		if (err == nil) != (want != "") || err == nil && r.at("x").String() != want {
			t.Errorf("%s: %v, want %q", base, err, want)
		}
	}
}

func TestMayHaveLogin(t *testing.T) {
	s := &Sources{TokenHosts: []string{"auth.partner.example"}}
	for _, test := range []struct {
		registry, realm string
		want            bool
	}{
		{"registry.example.com", "https://registry.example.com/token", true}, {"registry.gitlab.com", "https://gitlab.com/jwt", true},
		{"registry-1.docker.io", "https://auth.docker.io/token", true}, {"ghcr.io", "https://ghcr.io/token", true}, {"ghcr.io", "https://evil.io/token", false},
		{"registry.example.com", "https://evil.com/token", false}, {"127.0.0.1", "https://127.0.0.2/", false},
		{"registry.example.com", "https://auth.partner.example/token", true}, {"example.com", "https://example.com.evil.net/", false},
	} {
		at, err := url.Parse(test.realm)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.mayHaveLogin(test.registry, at); got != test.want {
			t.Errorf("%s, %s: %v", test.registry, test.realm, got)
		}
	}
}
