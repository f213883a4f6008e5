package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// credentials are the files by which the parts know each other. There are no certificates of
// our own making: the API server makes its serving certificate itself, and its file, leaf and
// authority in one, serves as the authority for everybody.
type credentials struct {
	certs      string // folder in which the API server keeps its certificate
	accountKey string // signs service account tokens
	tokens     string // static tokens
	admin      string // kubeconfigs
	controller string
	scheduler  string
}

// users are the static users: name of the kubeconfig, user, groups.
var users = []struct{ file, user, group string }{
	{"admin", "admin", "system:masters"},
	{"controllers", "system:kube-controller-manager", ""},
	{"scheduler", "system:kube-scheduler", ""},
}

// prepareCredentials writes what is missing in dir, and keeps what an earlier run wrote.
func prepareCredentials(dir, address string) (*credentials, error) {
	c := &credentials{
		certs:      filepath.Join(dir, "certs"),
		accountKey: filepath.Join(dir, "service-account.key"),
		tokens:     filepath.Join(dir, "tokens.csv"),
		admin:      filepath.Join(dir, "admin.kubeconfig"),
		controller: filepath.Join(dir, "controllers.kubeconfig"),
		scheduler:  filepath.Join(dir, "scheduler.kubeconfig"),
	}
	if err := writeOnce(c.accountKey, newKey); err != nil {
		return nil, err
	}
	if err := writeOnce(c.tokens, newTokens); err != nil {
		return nil, err
	}
	table, err := os.ReadFile(c.tokens)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(strings.TrimSpace(string(table)), "\n") {
		token, _, _ := strings.Cut(line, ",")
		file := filepath.Join(dir, users[i].file+".kubeconfig")
		if err := os.WriteFile(file, kubeconfig(c, address, token), 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func writeOnce(file string, content func() ([]byte, error)) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	data, err := content()
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

func newKey() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), nil
}

func newTokens() ([]byte, error) {
	var table strings.Builder
	for _, u := range users {
		fmt.Fprintf(&table, "%s,%s,%s,%s\n", rand.Text(), u.user, u.file, u.group)
	}
	return []byte(table.String()), nil
}

func kubeconfig(c *credentials, address, token string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: kubebox
  cluster:
    server: https://%s
    certificate-authority: %s
users:
- name: kubebox
  user:
    token: %s
contexts:
- name: kubebox
  context:
    cluster: kubebox
    user: kubebox
current-context: kubebox
`, address, filepath.Join(c.certs, "apiserver.crt"), token)
}

// freeAddress replaces port 0 by a free port. Another process may take it before the API
// server does; then the start fails, and says so.
func freeAddress(bind string) (string, error) {
	listener, err := net.Listen("tcp", bind)
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
