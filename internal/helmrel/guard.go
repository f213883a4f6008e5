package helmrel

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Guard decides which addresses may be asked that a HelmRelease or a chart index names: whoever writes
// those must not be able to make this program speak to a cloud's metadata service or to the cluster.
type Guard struct {
	// InsecureHosts are the hosts, host or host:port, that may be asked without TLS.
	InsecureHosts []string
	// Forbidden are addresses that are never asked, such as the API server's.
	Forbidden []netip.AddrPort
}

// Metadata services outside of the link-local ranges.
var metadataServices = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("100.100.100.200"),
}

// ErrRefused says that an address is refused for safety.
var ErrRefused = errors.New("refused")

// CheckURL says why a URL may not be fetched. The URL in the message carries no credential.
func (g *Guard) CheckURL(u *url.URL) error {
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return fmt.Errorf("%s: %w: a URL in a manifest must not hold a password", u.Redacted(), ErrRefused)
		}
	}
	switch u.Scheme {
	case "https", "ssh":
	case "http":
		if !g.insecure(u) {
			return fmt.Errorf("%s: %w: http is not encrypted", u.Redacted(), ErrRefused)
		}
	default:
		return fmt.Errorf("%s: %w: only https is allowed, and ssh for git", u.Redacted(), ErrRefused)
	}
	if u.Hostname() == "" {
		return fmt.Errorf("%s: %w: no host", u.Redacted(), ErrRefused)
	}
	// behind a proxy no address is seen that could be judged later
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.checkAddr(netip.AddrPortFrom(ip, 0).String())
	}
	return nil
}

func (g *Guard) insecure(u *url.URL) bool {
	return slices.ContainsFunc(g.InsecureHosts, func(h string) bool {
		return strings.EqualFold(h, u.Host) || strings.EqualFold(h, u.Hostname())
	})
}

// checkAddr judges an address that a name resolved to.
func (g *Guard) checkAddr(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w: not an address", address, ErrRefused)
	}
	ip := ap.Addr().Unmap().WithZone("")
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified(), slices.Contains(metadataServices, ip):
		return fmt.Errorf("address %s: %w: link-local and metadata addresses are never asked", ip, ErrRefused)
	case slices.Contains(g.Forbidden, netip.AddrPortFrom(ip, ap.Port())):
		return fmt.Errorf("address %s: %w: it is the API server's", ap, ErrRefused)
	}
	return nil
}

// Client is an HTTP client that keeps to the guard at every hop: the URL of each redirect is checked,
// and each address at the moment it is connected to, so that a name cannot resolve to one thing when
// it is checked and to another when it is used. It sends no credential at all.
func (g *Guard) Client() *http.Client {
	return &http.Client{
		Transport: g.transport(nil),
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return errRedirects
			}
			return g.CheckURL(r.URL)
		},
	}
}

const maxRedirects = 10

var errRedirects = fmt.Errorf("stopped after %d redirects", maxRedirects)

// transport judges addresses, not URLs.
func (g *Guard) transport(config *tls.Config) *http.Transport {
	dialer := &net.Dialer{
		Timeout: 30 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error { return g.checkAddr(address) },
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       config,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       time.Minute,
	}
}
