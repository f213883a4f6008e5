package kube

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// failing is a server that fails a number of times before it answers; kill breaks the connection.
type failing struct {
	times int32
	fail  func(w http.ResponseWriter)
	seen  atomic.Int32
}

func (f *failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/hello" {
		fmt.Fprint(w, `{}`)
		return
	}
	if f.seen.Add(1) <= f.times {
		f.fail(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{}`)
}

func clientOf(t *testing.T, handler http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := kubetest.WriteKubeconfig(file, server.URL, "default"); err != nil {
		t.Fatal(err)
	}
	config, err := Load(Target{Kubeconfig: file}, "test")
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func answer(code int, reason, message, details string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"reason":%q,"message":%q,"details":{%s}}`, code, reason, message, details)
	}
}

func kill(w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		connection.Close()
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	throttled := func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Too many requests", http.StatusTooManyRequests)
	}
	unserved := func(w http.ResponseWriter) { http.Error(w, "404 page not found", http.StatusNotFound) }
	cut := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("{"))
	}
	for _, one := range []struct {
		name   string
		method string
		path   string
		patch  string // content type
		fail   func(http.ResponseWriter)
		again  bool
	}{
		{"throttled", "POST", "/api/v1/x", "", throttled, true},
		{"unavailable", "PUT", "/api/v1/x", "", answer(503, "ServiceUnavailable", "shutting down", ""), true},
		{"bad gateway", "GET", "/api/v1/x", "", func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) }, true},
		{"webhook fails", "PATCH", "/api/v1/x", applyPatch, answer(500, "InternalError", "failed calling webhook", ""), false},
		{"written meanwhile", "PATCH", "/api/v1/x", applyPatch, answer(409, "Conflict", "the object has been modified", ""), true},
		{"created meanwhile", "PATCH", "/api/v1/x", applyPatch, answer(409, "AlreadyExists", "exists", ""), true},
		{"field conflict", "PATCH", "/api/v1/x", applyPatch, answer(409, "Conflict", "conflict", `"causes":[{"reason":"FieldManagerConflict","field":".a"}]`), false},
		{"precondition", "DELETE", "/api/v1/x", "", answer(409, "Conflict", "the UID differs", ""), false},
		{"optimistic lock", "PUT", "/api/v1/x", "", answer(409, "Conflict", "the object has been modified", ""), false},
		{"not yet served", "PATCH", "/apis/example.com/v1/x", applyPatch, unserved, true},
		{"not yet served, listed", "GET", "/apis/example.com/v1/x", "", unserved, true},
		{"not found", "GET", "/apis/example.com/v1/x", "", answer(404, "NotFound", `xs "a" not found`, `"name":"a","kind":"xs"`), false},
		{"no namespace", "PATCH", "/apis/example.com/v1/x", applyPatch, answer(404, "NotFound", `namespaces "a" not found`, `"name":"a","kind":"namespaces"`), false},
		{"forbidden", "GET", "/api/v1/x", "", answer(403, "Forbidden", "no", ""), false},
		{"invalid", "PATCH", "/api/v1/x", applyPatch, answer(422, "Invalid", "no", ""), false},
		{"broken off", "PATCH", "/api/v1/x", applyPatch, kill, true},
		{"broken off, deleting", "DELETE", "/api/v1/x", "", kill, true},
		{"answer cut short", "PATCH", "/api/v1/x", applyPatch, cut, true},
		{"answer cut short, creating", "POST", "/api/v1/x", "", cut, false},
		{"broken off, creating", "POST", "/api/v1/x", "", kill, false},
		{"broken off, replacing", "PUT", "/api/v1/x", "", kill, false},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			server := &failing{times: 1, fail: one.fail}
			client := clientOf(t, server)
			said := 0
			client.Note = func(text string) {
				if said++; !strings.HasPrefix(text, one.method+" "+one.path+" is sent again: ") || strings.Contains(text, "modified") {
					t.Error(text)
				}
			}
			if _, err := client.do(t.Context(), request{method: http.MethodGet, path: "/hello"}, nil); err != nil {
				t.Fatal(err)
			}
			_, err := client.do(t.Context(), request{method: one.method, path: one.path, contentType: one.patch, body: []byte("{}")}, nil)
			if one.again != (err == nil) || one.again != (server.seen.Load() == 2) || one.again != (said == 1) {
				t.Errorf("%d requests, said %d times, %v", server.seen.Load(), said, err)
			}
		})
	}
}

// What has never answered is most likely not there, and what asks for more patience than there is
// does not get it.
func TestWhatIsGivenUpAtOnce(t *testing.T) {
	server := &failing{times: 100, fail: kill}
	if _, err := clientOf(t, server).do(t.Context(), request{method: http.MethodGet, path: "/api"}, nil); err == nil || server.seen.Load() > 2 {
		t.Errorf("%d requests, %v", server.seen.Load(), err) // net/http itself repeats once
	}
	server = &failing{times: 100, fail: func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		http.Error(w, "Too many requests", http.StatusTooManyRequests)
	}}
	if _, err := clientOf(t, server).do(t.Context(), request{method: http.MethodGet, path: "/api"}, nil); err == nil || server.seen.Load() != 1 {
		t.Errorf("%d requests, %v", server.seen.Load(), err)
	}
}
