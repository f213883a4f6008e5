package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
)

// roundTrip is how far away the far registry is.
const roundTrip = 30 * time.Millisecond

// server is the process that serves git and a registry.
type server struct {
	// Git is the git server's address, http://host:port. Registry and Far are the registry's, host:port,
	// Far through a line of [roundTrip]. Control takes the orders of this program.
	Git, Registry, Far, Control string

	command *exec.Cmd
	stdin   io.Closer
}

// counts are the requests that the registry, or an API server, answered.
type counts struct {
	All, Lists, Manifests, Blobs, Pings int
	// Writes are those to an API server that may change something.
	Writes int
}

// push is an order to hold an image, created at a time, under each of the tags.
type push struct {
	Repository string
	Created    time.Time
	Tags       []string
}

// startServer runs this program as a server over a folder of repositories. It ends with this
// process, however that ends: it waits for the end of its standard input.
func startServer(ctx context.Context, dir string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{command: exec.CommandContext(ctx, self, "serve", dir)}
	s.command.Stderr = os.Stderr
	if s.stdin, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(out).Decode(s); err != nil {
		s.stop()
		return nil, fmt.Errorf("starting the servers: %w", err)
	}
	return s, nil
}

func (s *server) stop() {
	_ = s.stdin.Close()
	_ = s.command.Wait()
}

func (s *server) reset() error { return s.order("/reset", nil, nil) }

func (s *server) counts() (c counts, err error) { return c, s.order("/counts", nil, &c) }

func (s *server) push(images ...push) error { return s.order("/push", images, nil) }

func (s *server) order(path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := http.Post(s.Control+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("server: %s", bytes.TrimSpace(all))
	case into != nil:
		return json.Unmarshal(all, into)
	}
	return nil
}

// serve is the server's process.
func serve(dir string) error {
	git, err := gitserver.New(dir)
	if err != nil {
		return err
	}
	registry, err := registrytest.New()
	if err != nil {
		return err
	}
	near, err := listen(registry)
	if err != nil {
		return err
	}
	far, err := longLine(near, roundTrip)
	if err != nil {
		return err
	}
	control, err := listen(orders(registry))
	if err = errors.Join(err, git.StartHTTP("")); err != nil {
		return err
	}
	at := server{Git: git.HTTP(), Registry: near, Far: far, Control: "http://" + control}
	if err := json.NewEncoder(os.Stdout).Encode(at); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func listen(handler http.Handler) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(l, handler)
	return l.Addr().String(), nil
}

func orders(registry *registrytest.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/reset", func(http.ResponseWriter, *http.Request) { registry.Reset() })
	mux.HandleFunc("/counts", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(count(registry.Requests()))
	})
	mux.HandleFunc("/push", func(w http.ResponseWriter, r *http.Request) {
		var images []push
		err := json.NewDecoder(r.Body).Decode(&images)
		for _, i := range images {
			if err == nil {
				_, err = registry.Push(i.Repository, i.Tags[0], i.Created, i.Tags[1:]...)
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

// count sorts requests, "METHOD /path?query", by what they ask for.
func count(requests []string) counts {
	c := counts{All: len(requests)}
	for _, request := range requests {
		switch {
		case strings.Contains(request, "/tags/list"):
			c.Lists++
		case strings.Contains(request, "/manifests/"):
			c.Manifests++
		case strings.Contains(request, "/blobs/"):
			c.Blobs++
		case strings.HasSuffix(request, " /v2/"):
			c.Pings++
		}
	}
	return c
}
