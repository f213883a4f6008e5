// Package memcachetest is a stand-in for memcached: as much of its text protocol as a cache needs,
// get, gets and set, on a port of loopback. It keeps what it gets for as long as it runs and forgets
// nothing early, as the real one does.
//
// It does not know the testing package, so that a demo can use it.
package memcachetest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Server is a stand-in.
type Server struct {
	listener net.Listener

	mu     sync.Mutex
	texts  map[string][]byte
	conns  map[net.Conn]bool
	closed bool
	sets   int
}

// maxText is the size of a text that memcached takes, in bytes.
const maxText = 1 << 20

// Start starts an empty one.
func Start() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the stand-in for memcached: %w", err)
	}
	s := &Server{listener: listener, texts: map[string][]byte{}, conns: map[net.Conn]bool{}}
	go s.accept()
	return s, nil
}

// Addr is host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends it and every connection.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	return s.listener.Close()
}

// Sets is how often something was set.
func (s *Server) Sets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sets
}

// Change rewrites all that is kept.
func (s *Server) Change(change func(text []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, text := range s.texts {
		s.texts[key] = change(text)
	}
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = conn.Close()
		} else {
			s.conns[conn] = true
			go s.serve(conn)
		}
		s.mu.Unlock()
	}
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	in, out := bufio.NewReader(conn), bufio.NewWriter(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && (words[0] == "get" || words[0] == "gets"):
			s.get(out, words[1:])
		case len(words) == 5 && words[0] == "set":
			err = s.set(in, out, words[1], words[4])
		default:
			fmt.Fprint(out, "ERROR\r\n")
		}
		if err != nil || out.Flush() != nil {
			return
		}
	}
}

func (s *Server) get(out io.Writer, keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if text, kept := s.texts[key]; kept {
			fmt.Fprintf(out, "VALUE %s 0 %d 1\r\n%s\r\n", key, len(text), text)
		}
	}
	fmt.Fprint(out, "END\r\n")
}

func (s *Server) set(in io.Reader, out io.Writer, key, size string) error {
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 {
		return fmt.Errorf("reading a size: %q", size)
	}
	text := make([]byte, n+len("\r\n"))
	if _, err := io.ReadFull(in, text); err != nil {
		return fmt.Errorf("reading a text: %w", err)
	}
	if n > maxText {
		fmt.Fprint(out, "SERVER_ERROR object too large for cache\r\n")
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[key] = text[:n]
	s.sets++
	fmt.Fprint(out, "STORED\r\n")
	return nil
}
