package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

// LoadTLS reads PEM files: authorities that are trusted besides those of the system, and a client's
// certificate with its key. Each may be empty, the last two only together.
func LoadTLS(authorities, certificate, key string) (*tls.Config, error) {
	config := &tls.Config{}
	if authorities != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("reading the system's authorities: %w", err)
		}
		text, err := os.ReadFile(authorities)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("reading the authorities: %s holds no certificate in PEM", authorities)
		}
		config.RootCAs = pool
	}
	if certificate != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("reading the client's certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// wire makes the connections: one pool that checks certificates and one that does not.
type wire struct {
	strict, lax http.RoundTripper
	insecure    []string
}

func newWire(options Options) *wire {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: refuseLinkLocal}
	pool := func(config *tls.Config) http.RoundTripper {
		return &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConns: 100, MaxIdleConnsPerHost: max(options.Parallel, 2), IdleConnTimeout: 90 * time.Second,
		}
	}
	strict := &tls.Config{}
	if options.TLS != nil {
		strict = options.TLS.Clone()
	}
	// The lax pool is used for hosts only that a person named as insecure.
	lax := strict.Clone()
	lax.InsecureSkipVerify = true
	return &wire{strict: pool(strict), lax: pool(lax), insecure: options.Insecure}
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if insecure(w.insecure, req.URL.Host) {
		return w.lax.RoundTrip(req)
	}
	return w.strict.RoundTrip(req)
}

// The faults of a handshake, besides [Untrusted].
const (
	Expired    Fault = "expired"     // a certificate out of its time
	ClientCert Fault = "client-cert" // the host wants a client's certificate, or another one
)

// handshake tells what was wrong with the certificates; "" where that was not the trouble.
func handshake(err error) (Fault, string) {
	var invalid x509.CertificateInvalidError
	var alert *net.OpError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Expired, bare(err)
	case untrusted(err):
		return Untrusted, bare(err)
	case errors.As(err, &alert) && alert.Op == "remote error" && slices.Contains(aboutClient, alert.Err.Error()):
		return ClientCert, "the registry ends the handshake: " + alert.Err.Error()
	}
	return "", ""
}

// aboutClient are the alerts by which a server refuses the client's certificate, or asks for one;
// handshake failure is how that is said in TLS 1.2. The library has no type for them.
var aboutClient = []string{
	"tls: handshake failure", "tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate", "tls: expired certificate",
	"tls: unknown certificate", "tls: unknown certificate authority", "tls: access denied", "tls: certificate required",
}

func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &record)
}

// awsMetadata is the one address of a cloud's metadata service that is not link-local.
var awsMetadata = netip.MustParseAddr("fd00:ec2::254")

// refuseLinkLocal looks at the address that a name was resolved to, right before connecting.
func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	resolved, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil // no address of the internet
	}
	if a := resolved.Addr().WithZone("").Unmap(); a.IsLinkLocalUnicast() || a == awsMetadata {
		return &refusal{Refused, fmt.Sprintf("%s is a link-local address", a)}
	}
	return nil
}
