package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	got := count([]string{
		"GET /v2/", "GET /v2/a/tags/list?n=1000", "HEAD /v2/a/manifests/1.0", "GET /v2/a/manifests/sha256:00",
		"GET /v2/a/blobs/sha256:00", "GET /v2/_catalog",
	})
	if want := (counts{All: 6, Lists: 1, Manifests: 2, Blobs: 1, Pings: 1}); got != want {
		t.Errorf("count = %+v, want %+v", got, want)
	}
}

func walls(seconds ...int) []sample {
	var samples []sample
	for _, s := range seconds {
		samples = append(samples, sample{Wall: time.Duration(s) * time.Second})
	}
	return samples
}

func TestRatio(t *testing.T) {
	for _, c := range []struct {
		name         string
		ours, theirs []sample
		want         float64
	}{
		{"the median of the rounds, not that of the runs", walls(1, 8, 3), walls(2, 2, 1), 3},
		{"of the medians where one ran less often", walls(1, 8, 3), walls(6), 0.5},
	} {
		if got := ratio(c.ours, c.theirs); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	runs := walls(9, 1, 2)
	runs[0].warmUp = true
	if got := counted(runs); len(got) != 2 || got[0].Wall != time.Second {
		t.Errorf("the round that warms up counts: %v", got)
	}
}

func TestVerify(t *testing.T) {
	allowed := contender{name: "it", requests: 3, metadata: 2, peak: 100}
	run := sample{Peak: 100, counts: counts{All: 3, Manifests: 1, Blobs: 1}}
	if err := verify([]contender{allowed}, [][]sample{{run, run}}); err != nil {
		t.Errorf("what is allowed is refused: %v", err)
	}
	for want, spoil := range map[string]func(*sample){
		"4 requests, at most 3":              func(s *sample) { s.counts.All++ },
		"3 requests for metadata, at most 2": func(s *sample) { s.counts.Blobs++ },
		"1 writes, at most 0":                func(s *sample) { s.counts.Writes++ },
		"at the peak":                        func(s *sample) { s.Peak++ },
	} {
		off := run
		spoil(&off)
		if err := verify([]contender{allowed}, [][]sample{{run, off}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestLongLine(t *testing.T) {
	body := strings.Repeat("0123456789", 100_000)
	near, err := listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all, _ := io.ReadAll(r.Body)
		_, _ = w.Write(all)
	}))
	if err != nil {
		t.Fatal(err)
	}
	far, err := longLine(near, 2*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		answer, err := http.Post("http://"+far, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		if answer.Body.Close(); err != nil || string(got) != body {
			t.Fatalf("%d bytes came through, want %d: %v", len(got), len(body), err)
		}
	}
	raw, err := net.Dial("tcp", far)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := io.WriteString(raw, "no HTTP\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(raw); err != nil || !strings.Contains(string(got), "400") {
		t.Errorf("the end of a connection does not come through: %q, %v", got, err)
	}
}

// Every applier is to find as many objects and kinds as the requests that are allowed are counted for.
func TestObjectSet(t *testing.T) {
	const n = 1000
	lines, err := jsonLines(join(objectSet("it", n, 7)))
	if err != nil {
		t.Fatal(err)
	}
	kinds, seen, versions := map[string]int{}, map[string]bool{}, 0
	for line := range strings.Lines(lines) {
		var o struct {
			Kind     string
			Metadata struct{ Namespace, Name string }
			Data     map[string]string
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		kinds[o.Kind]++
		seen[o.Kind+" "+o.Metadata.Namespace+" "+o.Metadata.Name] = true
		if o.Data["version"] == "7" {
			versions++
		}
	}
	if len(seen) != n+applyNamespaces || len(kinds) != applyKinds || versions != editable {
		t.Errorf("%d objects of %v, %d of them with the version", len(seen), kinds, versions)
	}
}

func TestNames(t *testing.T) {
	if err := run(context.Background(), options{}, []string{"edits"}); err == nil {
		t.Error("a benchmark that is not there is taken")
	}
}
