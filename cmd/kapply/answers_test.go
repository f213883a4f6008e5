package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Behind the address of a kubeconfig may be anything. What kapply says of it is one line and a hint, in
// its own voice, and in JSON where that was asked for.
func TestAnswersOfNoAPIServer(t *testing.T) {
	w := newWorld(t)
	for name, one := range map[string]struct {
		code       int
		body, says string
	}{
		"empty object":   {200, `{}`, "the answer"},
		"other object":   {200, `{"kind": "Login", "url": "https://login.example"}`, "the answer"},
		"a page":         {200, `<html>sign in</html>`, "reading the answer to GET"},
		"403 of a proxy": {403, `{"blocked": true, "by": "proxy.example"}`, "403 Forbidden and does not say why"},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.T = t
			w.through(func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
				rw.Header().Set("Content-Type", "application/json")
				rw.WriteHeader(one.code)
				fmt.Fprint(rw, one.body)
			})
			o := w.mustRun(1, stream(fetched{name: "config", yaml: configMaps("a")}), "--log-format", "json")
			for line := range strings.Lines(o.stderr) {
				var said map[string]any
				if err := json.Unmarshal([]byte(line), &said); err != nil {
					t.Errorf("not a log line of ours: %s", line)
				}
			}
			if !strings.Contains(o.stderr, one.says) || !strings.Contains(o.stderr, "server address right") || strings.Contains(o.stderr, "proxy.example") {
				t.Errorf("message:\n%s", o.stderr)
			}
		})
	}
}

// An answer that breaks off makes client-go write to stderr on its own.
func TestAnswerThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	w.through(func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Content-Length", "1000")
		fmt.Fprint(rw, `{"kind": `)
	})
	o := w.mustRun(1, stream(fetched{name: "config", yaml: configMaps("a")}))
	for line := range strings.Lines(o.stderr) {
		if !strings.HasPrefix(line, "kapply: ") {
			t.Errorf("not a line of ours: %s", line)
		}
	}
}
