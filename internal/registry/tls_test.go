package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates. Times are counted from now, which is what a handshake checks by.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string // PEM
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), name+".pem")}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-100 * time.Hour), NotAfter: time.Now().Add(time.Hour)}
	var der []byte
	der, a.key = sign(t, template, nil)
	a.certificate, _ = x509.ParseCertificate(der)
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// sign makes a key and a certificate for it; by itself where there is no authority.
func sign(t *testing.T, template *x509.Certificate, by *authority) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, parentKey := template, key
	if by != nil {
		parent, parentKey = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// issue signs a certificate for loopback, good until then, and writes it and its key to files.
func (a *authority) issue(t *testing.T, until time.Duration) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	der, key := sign(t, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-100 * time.Hour), NotAfter: time.Now().Add(until),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, a)
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", text)
	if pair, err = tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	return pair, certFile, keyFile
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// secure starts a registry that speaks TLS with the certificate; clients, not nil, signs those of the
// clients that it lets in. It gives its host:port.
func secure(t *testing.T, pair tls.Certificate, clients *authority, highest uint16) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"tags":["1"]}`) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: highest}
	if clients != nil {
		pool := x509.NewCertPool()
		pool.AddCert(clients.certificate)
		server.TLS.ClientCAs, server.TLS.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	good, cert, key := ours.issue(t, time.Hour)
	expired, oldCert, oldKey := ours.issue(t, -time.Hour)
	_, strangeCert, strangeKey := theirs.issue(t, time.Hour)
	for _, test := range []struct {
		name           string
		server         tls.Certificate
		clients        *authority
		ca, cert, key  string
		insecure       bool
		want           Fault
		text, textOf12 string
	}{
		{name: "our authority", server: good, ca: ours.file},
		{name: "no authority", server: good, want: Untrusted, text: "certificate signed by unknown authority"},
		{name: "another authority", server: good, ca: theirs.file, want: Untrusted, text: "certificate signed by unknown authority"},
		{name: "expired", server: expired, ca: ours.file, want: Expired, text: "certificate has expired or is not yet valid"},
		{name: "expired, and nobody checks", server: expired, insecure: true},
		{name: "a client's certificate", server: good, clients: ours, ca: ours.file, cert: cert, key: key},
		{name: "a client's certificate, and nobody checks the server's", server: expired, clients: ours, insecure: true, cert: cert, key: key},
		{name: "no client's certificate", server: good, clients: ours, ca: ours.file, want: ClientCert,
			text: "the registry ends the handshake: tls: certificate required", textOf12: "the registry ends the handshake: tls: "},
		// The library does not show a certificate of an authority that the server does not name.
		{name: "a stranger's certificate", server: good, clients: ours, ca: ours.file, cert: strangeCert, key: strangeKey, want: ClientCert,
			text: "the registry ends the handshake: tls: certificate required", textOf12: "the registry ends the handshake: tls: "},
		{name: "an expired client's certificate", server: good, clients: ours, ca: ours.file, cert: oldCert, key: oldKey, want: ClientCert,
			text: "the registry ends the handshake: tls: expired certificate", textOf12: "the registry ends the handshake: tls: "},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(test.name+", "+tls.VersionName(version), func(t *testing.T) {
				host := secure(t, test.server, test.clients, version)
				config, err := LoadTLS(test.ca, test.cert, test.key)
				if err != nil {
					t.Fatal(err)
				}
				o := Options{RPS: 1e6, Burst: 1e6, TLS: config}
				if test.insecure {
					o.Insecure = []string{host}
				}
				tags, err := New(o).Tags(t.Context(), ref(t, host+"/a"))
				switch {
				case test.want == "" && (err != nil || len(tags) != 1):
					t.Errorf("%v, %v", tags, err)
				case test.want != "" && version == tls.VersionTLS12 && test.textOf12 != "":
					wantFault(t, err, test.want, test.textOf12)
				case test.want != "":
					wantFault(t, err, test.want, test.text)
				}
			})
		}
	}
}

func TestLoadTLS(t *testing.T) {
	a := newAuthority(t, "a")
	_, cert, key := a.issue(t, time.Hour)
	_, other, _ := a.issue(t, time.Hour)
	for _, test := range []struct{ ca, cert, key, want string }{
		{"nowhere", "", "", "reading the authorities: open nowhere"},
		{key, "", "", "holds no certificate in PEM"},
		{"", "nowhere", key, "reading the client's certificate: open nowhere"},
		{"", cert, "", "reading the client's certificate: open"},
		{"", other, key, "reading the client's certificate: tls: private key does not match public key"},
		{"", key, cert, "reading the client's certificate: tls: failed to find"},
	} {
		if _, err := LoadTLS(test.ca, test.cert, test.key); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	if config, err := LoadTLS("", "", ""); err != nil || config.RootCAs != nil {
		t.Errorf("%+v, %v", config, err)
	}
}
