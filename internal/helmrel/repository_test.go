package helmrel

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
)

// fromRepository asks for a chart of a repository as a new process would.
func fromRepository(t *testing.T, r *charttest.Repository, name, version string) (*Chart, error) {
	t.Helper()
	s := &Sources{Guard: &Guard{InsecureHosts: []string{r.Host()}}}
	return s.chart(t.Context(), ChartSource{Repository: r.URL, Name: name, Version: version}, keys{})
}

func TestRepository(t *testing.T) {
	r := charttest.Start(t)
	for _, version := range []string{"1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0"} {
		r.Add("app", version, map[string]string{"Chart.yaml": chartYAML("app", version)})
	}
	for _, test := range []struct{ version, want string }{
		{"1.0.0", "1.0.0"}, {"~1.0", "1.0.0"}, {"^1", "1.1.0"}, {">=1.0.0", "2.0.0"}, {"*", "2.0.0"}, {"1.2.0-rc.1", "1.2.0-rc.1"}, {"^1.2.0-0", "1.2.0-rc.1"},
	} {
		c, err := fromRepository(t, r, "app", test.version)
		if err != nil || c.Version != test.want || c.Name != "app" || c.Revision != "" {
			t.Errorf("%s: %+v, %v", test.version, c, err)
		}
	}
}

func TestRepositoryIsAskedOnce(t *testing.T) {
	r := charttest.Start(t)
	r.Add("app", "1.0.0", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")})
	s := &Sources{Guard: &Guard{InsecureHosts: []string{"127.0.0.1"}}}
	done := make(chan error)
	for range 20 {
		go func() {
			_, err := s.chart(t.Context(), ChartSource{Repository: r.URL + "/", Name: "app", Version: "^1"}, keys{})
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := r.Requests(); !slices.Equal(got, []string{"/index.yaml", "/app-1.0.0.tgz"}) {
		t.Errorf("requests %v", got)
	}
}

func TestRepositoryFaults(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	big := strings.Repeat("x", 1<<20)
	for _, test := range []struct {
		name, chart, version, want string
		change                     func(*charttest.Repository)
	}{
		{"no chart", "other", "1.0.0", "has no chart other", nil},
		{"no version", "app", "^3", `no version of chart app that matches "^3"`, nil},
		{"bad range", "app", "latest", `no version of chart app that matches "latest"`, nil},
		{"no index", "app", "1.0.0", "index.yaml answered 404", func(r *charttest.Repository) { r.Handle("/index.yaml", answer(404, "")) }},
		{"index of a web page", "app", "1.0.0", "not a Helm repository", func(r *charttest.Repository) { r.Handle("/index.yaml", answer(200, "title: hello")) }},
		{"index that is no YAML", "app", "1.0.0", "index.yaml does not parse", func(r *charttest.Repository) { r.Handle("/index.yaml", answer(200, "a: [")) }},
		{"index with holes", "app", "1.0.0", "gives no URL for chart app 1.0.0", func(r *charttest.Repository) {
			r.Handle("/index.yaml", answer(200, "apiVersion: v1\nentries: {app: [null, {version: 1.0.0, name: null}, {}]}"))
		}},
		{"no archive", "app", "1.0.0", "fetching chart app 1.0.0: ", func(r *charttest.Repository) { r.Handle("/app-1.0.0.tgz", answer(503, "")) }},
		{"other bytes", "app", "1.0.0", "the index says", func(r *charttest.Repository) {
			r.Handle("/app-1.0.0.tgz", answer(200, tgz("app", "1.0.0", "evil: true\n")))
		}},
		{"archive too large", "app", "1.0.0", "larger than 64 MiB", func(r *charttest.Repository) {
			r.Handle("/app-1.0.0.tgz", func(w http.ResponseWriter, _ *http.Request) {
				for range 70 {
					_, _ = w.Write([]byte(big))
				}
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := charttest.Start(t)
			r.Add("app", "1.0.0", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")})
			if test.change != nil {
				test.change(r)
			}
			_, err := fromRepository(t, r, test.chart, test.version)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// SAFETY 26: what an index or a redirect names is asked only where the guard allows it.
func TestSafety26IndexAndRedirects(t *testing.T) {
	canary := charttest.Start(t)
	canary.Add("app", "1.0.0", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")})
	for _, target := range []string{canary.URL + "/app-1.0.0.tgz", "file:///etc/passwd", "http://169.254.169.254/latest", "oci://example.com/app"} {
		r := charttest.Start(t)
		r.AddEntry("app", "1.0.0", target, "")
		if _, err := fromRepository(t, r, "app", "1.0.0"); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("index entry %s: error %v", target, err)
		}
		if strings.HasPrefix(target, "oci") {
			continue
		}
		r = charttest.Start(t)
		r.Handle("/index.yaml", func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, target, http.StatusFound) })
		if _, err := fromRepository(t, r, "app", "1.0.0"); err == nil {
			t.Errorf("redirect to %s is followed", target)
		}
	}
	if got := canary.Requests(); len(got) > 0 {
		t.Errorf("the canary was asked for %v", got)
	}
}

func TestGuardURL(t *testing.T) {
	g := &Guard{InsecureHosts: []string{"charts.local:8080", "plain.local"}}
	for at, want := range map[string]string{
		"https://example.com/charts":       "",
		"http://charts.local:8080/x":       "",
		"http://plain.local:99/x":          "",
		"http://charts.local/x":            "not encrypted",
		"http://example.com/x":             "not encrypted",
		"file:///etc/passwd":               "only https",
		"ftp://example.com":                "only https",
		"https:///x":                       "no host",
		"https://user:secret@example.com/": "password",
		"https://169.254.169.254/latest":   "link-local",
		"https://[fe80::1]/":               "link-local",
		"https://[fd00:ec2::254]/":         "metadata",
		"https://[::ffff:169.254.169.254]": "link-local",
	} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		err = g.CheckURL(u)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %q", at, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the password is in %v", at, err)
		}
	}
}

func TestGuardAddress(t *testing.T) {
	g := &Guard{Forbidden: []netip.AddrPort{netip.MustParseAddrPort("10.96.0.1:443")}}
	for address, refused := range map[string]bool{
		"93.184.216.34:443": false, "127.0.0.1:8080": false, "10.96.0.1:443": true, "10.96.0.1:8443": false, "[::ffff:10.96.0.1]:443": true,
		"169.254.1.1:80": true, "[fe80::1%eth0]:80": true, "0.0.0.0:80": true, "224.0.0.1:80": true, "100.100.100.200:80": true, "nonsense": true,
	} {
		if err := g.checkAddr(address); (err != nil) != refused {
			t.Errorf("%s: error %v, want refused %v", address, err, refused)
		}
	}
}

// A name is judged by the address that it resolves to when it is connected to.
func TestGuardJudgesWhatANameResolvesTo(t *testing.T) {
	r := charttest.Start(t)
	ap := netip.MustParseAddrPort(r.Host())
	g := &Guard{InsecureHosts: []string{"localhost"}, Forbidden: []netip.AddrPort{ap, netip.AddrPortFrom(netip.IPv6Loopback(), ap.Port())}}
	s := &Sources{Guard: g}
	at := strings.Replace(r.URL, "127.0.0.1", "localhost", 1)
	_, err := s.chart(t.Context(), ChartSource{Repository: at, Name: "app", Version: "1"}, keys{})
	if err == nil || !strings.Contains(err.Error(), "API server's") || len(r.Requests()) > 0 {
		t.Errorf("error %v, requests %v", err, r.Requests())
	}
}
