package faultproxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// echo says what it was asked, and counts.
type echo struct{ served atomic.Int32 }

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.served.Add(1)
	w.Header().Set("Content-Length", "40")
	fmt.Fprintf(w, "%-40s", r.Method+" "+r.Host+r.URL.Path)
}

func start(t *testing.T) (*Proxy, *http.Client, *echo) {
	t.Helper()
	p, e := New(), &echo{}
	p.Handle("a.example", e)
	address, err := p.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	proxy, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	// A connection of its own for each request: a client tries again on one that was kept.
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}
	return p, &http.Client{Transport: transport, Timeout: 5 * time.Second}, e
}

func get(client *http.Client, address string) (int, string, error) {
	response, err := client.Get(address)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, strings.TrimSpace(string(body)), err
}

func TestHosts(t *testing.T) {
	p, client, _ := start(t)
	behind := httptest.NewServer(&echo{})
	defer behind.Close()
	p.Forward("b.example", strings.TrimPrefix(behind.URL, "http://"))
	for address, want := range map[string]string{
		"http://a.example/x":      "GET a.example/x",
		"http://a.example:5000/x": "GET a.example:5000/x",
		"http://b.example/y?q=1":  "GET b.example/y",
	} {
		if status, body, err := get(client, address); err != nil || status != 200 || body != want {
			t.Errorf("%s: %d %q %v", address, status, body, err)
		}
	}
	if status, body, err := get(client, "http://c.example/"); err != nil || status != 502 {
		t.Errorf("an unknown host: %d %q %v", status, body, err)
	}
	if got := p.Requests(); !slices.Contains(got, "GET http://b.example/y?q=1") || len(got) != 4 {
		t.Errorf("requests: %q", got)
	}
	p.Forget()
	if got := p.Requests(); got != nil {
		t.Errorf("requests after Forget: %q", got)
	}
}

// A client that has no proxy set finds the host by its Host header.
func TestDirect(t *testing.T) {
	p := New()
	p.Handle("127.0.0.1", &echo{})
	address, err := p.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if status, _, err := get(http.DefaultClient, address+"/x"); err != nil || status != 200 {
		t.Errorf("%d %v", status, err)
	}
}

func TestFaults(t *testing.T) {
	const first, second = "http://a.example/1", "http://a.example/2"
	for _, test := range []struct {
		name   string
		fault  Fault
		status int
		body   string
		fails  bool
		served int // requests that reached the server
	}{
		{"status", Fault{Status: 429, Body: `{"slow":"down"}`}, 429, `{"slow":"down"}`, false, 0},
		{"drop", Fault{Drop: true}, 0, "", true, 0},
		{"cut at once", Fault{Cut: true}, 0, "", true, 1},
		{"cut in the body", Fault{Cut: true, CutAfter: 3}, 200, "GET", true, 1},
		{"silent", Fault{Silent: true}, 0, "", true, 0},
		{"late", Fault{Delay: 10 * time.Millisecond}, 200, "GET a.example/2", false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, client, e := start(t)
			client.Timeout = 300 * time.Millisecond
			test.fault.Match, test.fault.Nth = `^GET .*/2$`, 2
			p.Inject(test.fault)
			for _, address := range []string{first, second, first} {
				if status, _, err := get(client, address); err != nil || status != 200 {
					t.Fatalf("before its turn, %s: %d %v", address, status, err)
				}
			}
			before := e.served.Load()
			status, body, err := get(client, second)
			if (err != nil) != test.fails || status != test.status || body != test.body {
				t.Errorf("%d %q %v", status, body, err)
			}
			if n := int(e.served.Load() - before); n != test.served {
				t.Errorf("the server saw %d requests, want %d", n, test.served)
			}
			if status, _, err := get(client, second); err != nil || status != 200 {
				t.Errorf("after its turn: %d %v", status, err)
			}
		})
	}
}

func TestEveryRequestAndClear(t *testing.T) {
	p, client, _ := start(t)
	p.Inject(Fault{Status: 500})
	for range 2 {
		if status, _, err := get(client, "http://a.example/"); err != nil || status != 500 {
			t.Errorf("%d %v", status, err)
		}
	}
	p.Clear()
	if status, _, err := get(client, "http://a.example/"); err != nil || status != 200 {
		t.Errorf("%d %v", status, err)
	}
}

// A handler may write from a goroutine of its own, as one does that runs a program.
func TestCutInAnotherGoroutine(t *testing.T) {
	p, client, _ := start(t)
	p.Handle("b.example", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 10 {
				if _, err := w.Write([]byte("0123456789")); err != nil {
					return
				}
			}
		}()
		<-done
	}))
	p.Inject(Fault{Cut: true, CutAfter: 25})
	if status, body, err := get(client, "http://b.example/"); err == nil || status != 200 || len(body) != 25 {
		t.Errorf("%d %q %v", status, body, err)
	}
}

// Close frees a client that is kept waiting.
func TestCloseEndsSilence(t *testing.T) {
	p, client, _ := start(t)
	p.Inject(Fault{Silent: true})
	done := make(chan error, 1)
	go func() {
		_, _, err := get(client, "http://a.example/")
		done <- err
	}()
	for len(p.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("the client got an answer")
	}
}

func TestTunnel(t *testing.T) {
	e := &echo{}
	server := httptest.NewServer(e)
	defer server.Close()
	tunnel, err := Listen(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer tunnel.Close()
	tunnel.Inject(ConnFault{Nth: 2, Cut: true, CutAfter: 30})
	tunnel.Inject(ConnFault{Nth: 3, Silent: true})
	tunnel.Inject(ConnFault{Nth: 4, Delay: 20 * time.Millisecond})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 300 * time.Millisecond}
	for i, fails := range []bool{false, true, true, false, false} {
		status, body, err := get(client, "http://"+tunnel.Addr()+"/")
		if (err != nil) != fails {
			t.Errorf("connection %d: %d %q %v", i+1, status, body, err)
		}
	}
	if n := tunnel.Connections(); n != 5 {
		t.Errorf("%d connections", n)
	}
}
