package gitserver

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
)

// ServeHTTP speaks git's smart HTTP protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	user, pass, _ := r.BasicAuth()
	s.users = append(s.users, user+":"+pass)
	silent, cut, redirect, token := s.silent, s.cut, s.redirect, s.token
	s.mu.Unlock()
	switch {
	case silent:
		select {
		case <-s.ctx.Done():
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case redirect != "":
		http.Redirect(w, r, redirect+r.URL.RequestURI(), http.StatusFound)
		return
	case token != "" && pass != token:
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "a token is needed", http.StatusUnauthorized)
		return
	}
	if cut > 0 && strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
		c := &cutter{ResponseWriter: w, left: cut}
		s.route(c, r)
		if c.left < 0 {
			panic(http.ErrAbortHandler)
		}
		return
	}
	s.route(w, r)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	for _, service := range []string{"git-upload-pack", "git-receive-pack"} {
		if name, ok := strings.CutSuffix(r.URL.Path, "/info/refs"); ok && r.URL.Query().Get("service") == service {
			s.advertise(w, r, name, service)
			return
		}
		if name, ok := strings.CutSuffix(r.URL.Path, "/"+service); ok && r.Method == http.MethodPost {
			s.call(w, r, name, service)
			return
		}
	}
	http.NotFound(w, r)
}

func (s *Server) advertise(w http.ResponseWriter, r *http.Request, name, service string) {
	dir, err := s.folder(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	s.set(func() { s.counts.Refs++ })
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	w.Header().Set("Cache-Control", "no-cache")
	line := "# service=" + service + "\n"
	fmt.Fprintf(w, "%04x%s0000", len(line)+4, line)
	s.run(w, r, nil, service, "--stateless-rpc", "--advertise-refs", dir)
}

func (s *Server) call(w http.ResponseWriter, r *http.Request, name, service string) {
	dir, err := s.folder(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	if service == "git-receive-pack" {
		// All of it is here before the hook runs, as it would be with a slow network.
		all, err := io.ReadAll(body)
		if err != nil {
			return
		}
		body = bytes.NewReader(all)
		s.pushed(dir)
	} else {
		s.set(func() { s.counts.Packs++ })
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-result")
	w.Header().Set("Cache-Control", "no-cache")
	s.run(w, r, body, service, "--stateless-rpc", dir)
}

func (s *Server) run(w io.Writer, r *http.Request, in io.Reader, service string, args ...string) {
	cmd := exec.CommandContext(r.Context(), "git", append([]string{strings.TrimPrefix(service, "git-")}, args...)...)
	cmd.Env = append(s.env(), "GIT_PROTOCOL="+r.Header.Get("Git-Protocol"))
	cmd.Stdin, cmd.Stdout = in, w
	_ = cmd.Run() // what went wrong is in its output, in the protocol's own words
}

// cutter lets some bytes through and then fails.
type cutter struct {
	http.ResponseWriter
	left int64 // negative once something was cut off
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left < 0 {
		return 0, io.ErrShortWrite
	}
	if int64(len(p)) <= c.left {
		c.left -= int64(len(p))
		return c.ResponseWriter.Write(p)
	}
	n, _ := c.ResponseWriter.Write(p[:c.left])
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	c.left = -1
	return n, io.ErrShortWrite
}
