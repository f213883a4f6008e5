package registry

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

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
	// The lax pool is used for hosts only that a person named as insecure.
	return &wire{strict: pool(&tls.Config{}), lax: pool(&tls.Config{InsecureSkipVerify: true}), insecure: options.Insecure}
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if insecure(w.insecure, req.URL.Host) {
		return w.lax.RoundTrip(req)
	}
	return w.strict.RoundTrip(req)
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
