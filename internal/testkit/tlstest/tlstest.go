// Package tlstest makes certificate authorities, certificates good and bad, and servers that use
// them, for tests.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"
)

// Authority signs certificates.
type Authority struct {
	File        string // its certificate, in PEM
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Leaf is a certificate for loopback, for servers and for clients.
type Leaf struct {
	Pair              tls.Certificate
	CertFile, KeyFile string // in PEM
}

// NewAuthority makes one, and writes its certificate into a folder as NAME.pem.
func NewAuthority(dir, name string) (*Authority, error) {
	a := &Authority{File: filepath.Join(dir, name+".pem")}
	der, key, err := sign(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-100 * time.Hour), NotAfter: time.Now().Add(100 * time.Hour)}, nil)
	if err != nil {
		return nil, err
	}
	a.key = key
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, writePEM(a.File, "CERTIFICATE", der)
}

// Issue signs a certificate that is good until then, counted from now, and writes it into a folder
// as NAME.pem and NAME.key.
func (a *Authority) Issue(dir, name string, until time.Duration) (*Leaf, error) {
	leaf := &Leaf{CertFile: filepath.Join(dir, name+".pem"), KeyFile: filepath.Join(dir, name+".key")}
	der, key, err := sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-99 * time.Hour), NotAfter: time.Now().Add(until),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, a)
	if err != nil {
		return nil, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writePEM(leaf.CertFile, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	if err := writePEM(leaf.KeyFile, "PRIVATE KEY", text); err != nil {
		return nil, err
	}
	leaf.Pair, err = tls.LoadX509KeyPair(leaf.CertFile, leaf.KeyFile)
	return leaf, err
}

// Serve starts a server on loopback that speaks TLS up to a version, 0 for the highest. Clients, not
// nil, signs the certificates of those that it lets in.
func Serve(handler http.Handler, leaf *Leaf, clients *Authority, highest uint16) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf.Pair}, MaxVersion: highest}
	if clients != nil {
		server.TLS.ClientCAs, server.TLS.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		server.TLS.ClientCAs.AddCert(clients.certificate)
	}
	server.StartTLS()
	return server
}

// sign makes a key and a certificate for it; by itself where there is no authority.
func sign(template *x509.Certificate, by *Authority) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	parent, parentKey := template, key
	if by != nil {
		parent, parentKey = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	return der, key, err
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
