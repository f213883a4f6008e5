package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRegistry(t *testing.T) {
	registry, err := NewPaged(100)
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var more []string
	for i := range 150 {
		more = append(more, fmt.Sprintf("more-%03d", i))
	}
	first, err := registry.Push("team/app", "1.0", created, more...)
	if err != nil {
		t.Fatal(err)
	}
	second, err := registry.Push("team/app", "1.1", created.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.PushIndex("team/multi", "1.0", created, "linux/amd64", "linux/arm64/v8"); err != nil {
		t.Fatal(err)
	}
	if first == second || !strings.HasPrefix(first, "sha256:") {
		t.Errorf("digests %s and %s", first, second)
	}
	if got := registry.Requests(); len(got) != 0 {
		t.Errorf("pushes were noted as requests: %v", got)
	}
	server := httptest.NewServer(registry)
	defer server.Close()
	answer, err := http.Get(server.URL + "/v2/team/app/tags/list?n=1000")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var list struct{ Tags []string }
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if len(list.Tags) != 100 || answer.Header.Get("Link") == "" {
		t.Errorf("got %d tags and link %q, want 100 and a link", len(list.Tags), answer.Header.Get("Link"))
	}
	if got := fmt.Sprint(registry.Requests()); got != "[GET /v2/team/app/tags/list?n=1000]" {
		t.Errorf("requests %s", got)
	}
}
