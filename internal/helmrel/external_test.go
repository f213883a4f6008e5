package helmrel

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// valuesServer answers /team/ with values and notes what it is asked.
func valuesServer(t *testing.T, asked *[]string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path)
		switch r.URL.Path {
		case "/team/values.yaml":
			fmt.Fprint(w, "greeting: hi\n")
		case "/team/away":
			http.Redirect(w, r, "/other/values.yaml", http.StatusFound)
		case "/team/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		case "/team/huge":
			_, _ = w.Write(make([]byte, maxExternal+1))
		case "/team/broken":
			http.Error(w, "no", http.StatusBadGateway)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// SAFETY 27: values come from allowed prefixes only, and by the fences of SAFETY 26.
func TestSafety27ValuesFromAllowedURLs(t *testing.T) {
	var asked []string
	server := valuesServer(t, &asked)
	host := strings.TrimPrefix(server.URL, "http://")
	e, err := NewExternal(&Guard{InsecureHosts: []string{host}}, []string{server.URL + "/team"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ at, want string }{
		{"/team/values.yaml", ""},
		{"/team/none", "not found"},
		{"/team/broken", "answered 502"},
		{"/team/huge", "larger than 4 MiB"},
		{"/team/away", "/other/values.yaml: refused"},
		{"/team/metadata", "refused"},
		{"/other/values.yaml", "refused"},
		{"/teams", "refused"},
		{"/team/../other/values.yaml", "refused"},
		{"/team/%2e%2e/other/values.yaml", "refused"},
		{"/team%2f..%2fother", "refused"},
	} {
		_, err := e.read(t.Context(), server.URL+test.at)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.at, err, test.want)
		}
	}
	for _, path := range asked {
		if !strings.HasPrefix(path, "/team/") || strings.Contains(path, "..") {
			t.Errorf("asked: %s", path)
		}
	}
	for _, at := range []string{
		"http://user:pa55word@" + host + "/team/values.yaml", "https://" + host + "/team/values.yaml",
		"http://" + host + ".evil.example/team/values.yaml", "file:///etc/passwd", "ftp://" + host + "/team/x", "%",
	} {
		before := len(asked)
		_, err := e.read(t.Context(), at)
		if err == nil || len(asked) != before || strings.Contains(err.Error(), "pa55word") {
			t.Errorf("%s: %v, %d requests", at, err, len(asked)-before)
		}
	}
	if _, err := e.read(t.Context(), server.URL+"/team/none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

// Without --insecure-host an allowed prefix of http is refused, and link-local addresses always are.
func TestSafety27FencesOfAllowedURLs(t *testing.T) {
	for _, prefix := range []string{"http://values.example.com/", "https://169.254.169.254/", "https://[fe80::1]/"} {
		e, err := NewExternal(&Guard{}, []string{prefix})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.read(t.Context(), prefix+"x"); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", prefix, err)
		}
	}
	if _, err := (&Cluster{}).URL(t.Context(), "https://values.example.com/x"); !errors.Is(err, ErrRefused) {
		t.Errorf("allowed without a prefix: %v", err)
	}
	// a token in the query is shown to nobody
	e, _ := NewExternal(&Guard{}, []string{"https://values.invalid"})
	if _, err := e.read(t.Context(), "https://values.invalid/x?token=canary"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v", err)
	}
}

func TestPrefixesOfValues(t *testing.T) {
	for _, bad := range []string{"", "values.example.com", "ssh://example.com", "https://", "https://u@example.com", "https://example.com?a=b", "https://example.com/a/../b", "%"} {
		if _, err := NewExternal(&Guard{}, []string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
