package gitserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Server serves the bare repositories below one folder. Set its fields before it is started,
// use the methods at any time.
type Server struct {
	// Dir holds the repositories.
	Dir string
	// Authorized are the ssh keys that may log in; nil lets every key in.
	Authorized []ssh.PublicKey

	mu         sync.Mutex
	token      string
	counts     Counts
	beforePush func(repo string)
	reject     string
	silent     bool
	users      []string
	cut        int64
	redirect   string

	hostKey   ssh.Signer
	httpAddr  string
	httpsAddr string
	sshAddr   string
	close     []func()
	conns     map[net.Conn]bool
	ctx       context.Context
	stop      context.CancelFunc
}

// Counts is how often the server was asked for what.
type Counts struct {
	// Refs are listings of refs, for reading or for writing. Over ssh every session starts with one.
	Refs int
	// Packs are requests for objects.
	Packs int
	// Pushes are requests to take objects in and move refs.
	Pushes int
}

// New makes a server over a folder, which is made when it is missing.
func New(dir string) (*Server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, conns: map[net.Conn]bool{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Counts returns what was counted so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// ResetCounts starts counting anew.
func (s *Server) ResetCounts() { s.set(func() { s.counts = Counts{} }) }

// BeforePush makes the server call f, with the repository's path below Dir, for every push: after
// it showed its refs and before it looks at what is pushed. nil ends that.
func (s *Server) BeforePush(f func(repo string)) { s.set(func() { s.beforePush = f }) }

// SetToken makes every HTTP request carry this password, with any user name; "" ends that.
func (s *Server) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// RejectPushes makes a hook refuse every push with this message; "" ends that.
func (s *Server) RejectPushes(message string) { s.set(func() { s.reject = message }) }

// Silence makes the server accept connections and requests and never answer.
func (s *Server) Silence(on bool) { s.set(func() { s.silent = on }) }

// CutPacks ends every answer over HTTP that holds objects after n bytes; 0 ends that.
func (s *Server) CutPacks(n int64) { s.set(func() { s.cut = n }) }

// Redirect makes the server send every HTTP request on to the same path below url; "" ends that.
func (s *Server) Redirect(url string) { s.set(func() { s.redirect = url }) }

// Users returns the user names and passwords of all HTTP requests so far, as name:password;
// ":" for a request without.
func (s *Server) Users() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.users...)
}

func (s *Server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Close stops the server, silent connections included.
func (s *Server) Close() {
	s.stop()
	s.mu.Lock()
	closers := s.close
	s.close = nil
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	for _, f := range closers {
		f()
	}
}

// listen opens a port on loopback.
func (s *Server) listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s.set(func() { s.close = append(s.close, func() { _ = l.Close() }) })
	return l, nil
}

// StartHTTP serves HTTP at addr ("" for a free port on loopback).
func (s *Server) StartHTTP(addr string) error {
	l, err := s.listen(addr)
	if err != nil {
		return err
	}
	s.httpAddr = "http://" + l.Addr().String()
	s.serve(l)
	return nil
}

// StartHTTPS serves HTTPS at addr ("" for a free port on loopback) for 127.0.0.1 and the given
// host names. It returns the certificate to trust, in PEM; the SSL_CERT_FILE of a client.
func (s *Server) StartHTTPS(addr string, hosts ...string) (certificate []byte, err error) {
	l, err := s.listen(addr)
	if err != nil {
		return nil, err
	}
	config, certificate, err := selfSigned(hosts)
	if err != nil {
		return nil, err
	}
	s.httpsAddr = "https://" + l.Addr().String()
	s.serve(&tlsListener{Listener: l, config: config})
	return certificate, nil
}

func (s *Server) serve(l net.Listener) {
	server := &http.Server{Handler: s}
	s.set(func() { s.close = append(s.close, func() { _ = server.Close() }) })
	go func() { _ = server.Serve(l) }()
}

// HTTP returns the server's address, http://127.0.0.1:port.
func (s *Server) HTTP() string { return s.httpAddr }

// HTTPS returns the server's address, https://127.0.0.1:port.
func (s *Server) HTTPS() string { return s.httpsAddr }

// SSH returns the server's address, ssh://git@127.0.0.1:port.
func (s *Server) SSH() string { return "ssh://git@" + s.sshAddr }

// folder finds a repository by the path in its URL.
func (s *Server) folder(name string) (string, error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	dir := filepath.Join(s.Dir, filepath.FromSlash(name))
	for _, d := range []string{dir, dir + ".git"} {
		if _, err := os.Stat(filepath.Join(d, "objects")); err == nil && name != "" {
			return d, nil
		}
	}
	return "", errors.New("no such repository")
}

// pushed runs the hook of BeforePush.
func (s *Server) pushed(dir string) {
	s.mu.Lock()
	s.counts.Pushes++
	f := s.beforePush
	s.mu.Unlock()
	if f != nil {
		name, _ := filepath.Rel(s.Dir, dir)
		f(filepath.ToSlash(name))
	}
}

// env is the environment of the git program: nothing of the machine's or the user's.
func (s *Server) env() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(gitEnv(s.Dir), "GITSERVER_REJECT="+s.reject)
}

func gitEnv(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
	}
}

func (s *Server) String() string {
	return fmt.Sprintf("git server over %s", s.Dir)
}
