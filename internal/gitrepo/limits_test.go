package gitrepo

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

func TestCapped(t *testing.T) {
	for limit, ok := range map[int64]bool{9: false, 10: true} {
		text, err := io.ReadAll(&capped{strings.NewReader("0123456789"), limit, "it"})
		if ok != (err == nil) || ok && len(text) != 10 || !ok && !errors.Is(err, ErrTooLarge) {
			t.Errorf("limit %d: got %q, %v", limit, text, err)
		}
	}
}

// SAFETY 26: a server that never stops answering is left.
func TestSafety26EndlessAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		block := make([]byte, 1<<20)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	if _, err := newClient(t).open(server.URL+"/r.git").FetchBranch(t.Context(), ""); err == nil {
		t.Error("no error")
	}
}

// An ssh agent takes the place of a key file.
func TestSSHAgent(t *testing.T) {
	s := gitserver.Start(t)
	s.MustCreate("r.git", map[string]string{"a": "1"})
	c := newClient(t).ssh(s)
	c.auth.SSHKey = ""
	t.Setenv("SSH_AUTH_SOCK", "")
	if _, err := c.try(s.SSH() + "/r.git"); err == nil || !strings.Contains(err.Error(), "no ssh key and no ssh agent") {
		t.Errorf("got %v", err)
	}
	_, pem, err := gitserver.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := ssh.ParseRawPrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keyring, conn) }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
	fetch(t, c.open(s.SSH()+"/r.git"), "")
}
