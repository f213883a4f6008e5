package registry

import (
	"bytes"
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
	for i, size := range []int{0, 1, 100_000, partSize, partSize + 1, 3 * partSize} {
		want := bytes.Repeat([]byte("\r\nEND\r\n\x00"), size/8+1)[:size]
		if err := m.Save(t.Context(), "k", want); err != nil {
			t.Fatal(err)
		}
		if text, err := m.Load(t.Context(), "k"); !bytes.Equal(text, want) || err != nil {
			t.Errorf("%d: %d bytes, want %d, %v", i, len(text), size, err)
		}
	}
	if err := m.Save(t.Context(), "k", make([]byte, maxParts*partSize+1)); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Error(err)
	}
	server.Change(func(text []byte) []byte { return bytes.TrimPrefix(text, []byte("3\n")) })
	if text, err := m.Load(t.Context(), "k"); text != nil || err != nil {
		t.Errorf("of somebody else: %d bytes, %v", len(text), err)
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
