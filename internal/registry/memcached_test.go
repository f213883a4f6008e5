package registry

import (
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/memcachetest"
)

func TestMemcached(t *testing.T) {
	server, err := memcachetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	m, err := OpenMemcached(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := m.Load(t.Context(), "k"); text != nil || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	want := "a\r\nEND\r\n\x00" + strings.Repeat("x", 100_000)
	if err := m.Save(t.Context(), "k", []byte(want)); err != nil {
		t.Fatal(err)
	}
	if text, err := m.Load(t.Context(), "k"); string(text) != want || err != nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if err := m.Save(t.Context(), "k", make([]byte, 1<<20)); err == nil || !strings.Contains(err.Error(), "more than it takes") {
		t.Error(err)
	}
	server.Close()
	if _, err := m.Load(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "reading from memcached") {
		t.Error(err)
	}
	for _, bad := range []string{"", "host", "host:", ":11211", "host:port", "u@h:1/x"} {
		if _, err := OpenMemcached(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestRepositoryInMemcached(t *testing.T) {
	server, err := memcachetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	m, err := OpenMemcached(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	for i, want := range []int{2, 0, 2} {
		if i == 2 {
			server.Change(func(text []byte) []byte { return text[:len(text)-3] })
		}
		images, asked := w.run(t, m, noon, "1")
		if images[0].Err != nil || len(asked) != want {
			t.Errorf("run %d: %+v, asked %v", i, images[0], asked)
		}
	}
	if server.Sets() != 2 {
		t.Errorf("set %d times", server.Sets())
	}
}
