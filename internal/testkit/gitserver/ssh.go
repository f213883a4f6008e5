package gitserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// NewKey makes an ed25519 key pair: a signer, and the private key's text in OpenSSH format.
func NewKey() (ssh.Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	return signer, pem.EncodeToMemory(block), err
}

// StartSSH serves ssh at addr ("" for a free port on loopback), as the given host key; nil for
// a new one.
func (s *Server) StartSSH(addr string, hostKeys ...ssh.Signer) error {
	if len(hostKeys) == 0 {
		key, _, err := NewKey()
		if err != nil {
			return err
		}
		hostKeys = []ssh.Signer{key}
	}
	s.hostKey = hostKeys[0]
	l, err := s.listen(addr)
	if err != nil {
		return err
	}
	s.sshAddr = l.Addr().String()
	config := &ssh.ServerConfig{PublicKeyCallback: s.authorize}
	for _, key := range hostKeys {
		config.AddHostKey(key)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serveSSH(c, config)
		}
	}()
	return nil
}

// KnownHosts returns the line that a client's known_hosts file needs for this server.
func (s *Server) KnownHosts() string {
	return knownhosts.Line([]string{knownhosts.Normalize(s.sshAddr)}, s.hostKey.PublicKey()) + "\n"
}

func (s *Server) authorize(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if s.Authorized == nil {
		return nil, nil
	}
	for _, k := range s.Authorized {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			return nil, nil
		}
	}
	return nil, errors.New("unknown key")
}

func (s *Server) serveSSH(c net.Conn, config *ssh.ServerConfig) {
	s.set(func() { s.conns[c] = true })
	defer func() {
		s.set(func() { delete(s.conns, c) })
		_ = c.Close()
	}()
	s.mu.Lock()
	silent := s.silent
	s.mu.Unlock()
	if silent {
		<-s.ctx.Done()
		return
	}
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	for nc := range channels {
		if nc.ChannelType() != "session" {
			_ = nc.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := nc.Accept()
		if err != nil {
			return
		}
		go s.session(channel, requests)
	}
}

func (s *Server) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	protocol := ""
	for req := range requests {
		var v struct{ Name, Value string }
		switch {
		case req.Type == "env" && ssh.Unmarshal(req.Payload, &v) == nil && v.Name == "GIT_PROTOCOL":
			protocol = v.Value
			_ = req.Reply(true, nil)
		case req.Type == "exec":
			var command struct{ Line string }
			err := ssh.Unmarshal(req.Payload, &command)
			_ = req.Reply(err == nil, nil)
			status := struct{ Code uint32 }{uint32(s.exec(channel, command.Line, protocol))}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
			return
		default:
			_ = req.Reply(false, nil)
		}
	}
}

// exec runs git-upload-pack 'path' or git-receive-pack 'path'.
func (s *Server) exec(channel ssh.Channel, line, protocol string) int {
	command, name, _ := strings.Cut(line, " ")
	name = strings.Trim(name, "'")
	if command != "git-upload-pack" && command != "git-receive-pack" {
		_, _ = io.WriteString(channel.Stderr(), "fatal: only git is served here\n")
		return 128
	}
	dir, err := s.folder(name)
	if err != nil {
		_, _ = io.WriteString(channel.Stderr(), "fatal: '"+name+"' does not appear to be a git repository\n")
		return 128
	}
	s.set(func() { s.counts.Refs++ })
	cmd := exec.CommandContext(s.ctx, "git", strings.TrimPrefix(command, "git-"), dir)
	cmd.Env = append(s.env(), "GIT_PROTOCOL="+protocol)
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return 128
	}
	first := sync.OnceFunc(func() {
		if command == "git-receive-pack" {
			s.pushed(dir)
		} else {
			s.set(func() { s.counts.Packs++ })
		}
	})
	go func() {
		defer in.Close()
		_, _ = io.Copy(in, &watcher{channel, first})
	}()
	if err := cmd.Wait(); err != nil {
		return 1
	}
	return 0
}

// watcher tells when a client asks for more than the listing, which it ends with "0000".
type watcher struct {
	r     io.Reader
	first func()
}

func (w *watcher) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 && string(p[:n]) != "0000" {
		w.first()
	}
	return n, err
}
