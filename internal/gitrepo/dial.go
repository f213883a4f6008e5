package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/skeema/knownhosts"
	"golang.org/x/net/proxy"
)

// remote is one address with all that is needed to talk to it.
type remote struct {
	addr    *address
	client  transport.Transport
	auth    transport.AuthMethod
	control func(network, address string, c syscall.RawConn) error
	scrub   scrubber
	shown   string // the URL as configured
}

// newRemote prepares to talk to configured as rewritten by the rules; it opens no connection.
func newRemote(o *Options, configured string, getenv func(string) string) (*remote, error) {
	used := o.Rewrites.apply(configured)
	r := &remote{control: o.Control, shown: configured, scrub: scrubber{rewritten: used, shown: configured}}
	var err error
	if r.addr, err = parseAddress(used); err != nil {
		if used != configured {
			return nil, newFault(CodeBadURL, "url.<base>.insteadOf makes something of it that cannot be used: "+err.Error(), "look at `git config --get-regexp insteadof`")
		}
		return nil, err
	}
	if r.addr.http() {
		r.client = githttp.NewClient(&http.Client{Transport: &cappedTransport{r.httpTransport()}})
		r.auth, r.scrub.secrets, err = o.Auth.httpAuth(r.addr)
		return r, err
	}
	r.client = gitssh.NewClient(nil)
	r.auth, err = o.Auth.sshAuth(r.addr, getenv)
	return r, err
}

func (r *remote) dialer() *net.Dialer {
	return &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Control: r.control}
}

func (r *remote) httpTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           r.dialer().DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          2,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   30 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// cappedTransport limits the bodies that are read into memory; packs have their own limit.
type cappedTransport struct{ next http.RoundTripper }

func (t *cappedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	limit := int64(maxRefs)
	switch {
	case resp.StatusCode != http.StatusOK:
		limit = maxPage
	case req.Method != http.MethodGet:
		return resp, nil // objects
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{&capped{resp.Body, limit, "the server's answer"}, resp.Body}
	return resp, nil
}

// endpoint makes the address one of go-git's, bound to ctx. go-git's ssh ignores its contexts,
// so its connection is dialed through a proxy of ours that closes it when ctx ends.
func (r *remote) endpoint(ctx context.Context) (*transport.Endpoint, func()) {
	a := r.addr
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	ep := &transport.Endpoint{Protocol: a.scheme, User: a.user, Host: host, Port: a.port, Path: a.path}
	if a.http() {
		ep.User = "" // the credential is in the auth method, and go-git prints endpoints
		return ep, func() {}
	}
	ep.Host = a.host // ssh joins host and port itself
	ctx, cancel := context.WithCancel(ctx)
	key := strconv.FormatUint(dials.next.Add(1), 10)
	dials.live.Store(key, &boundDialer{ctx: ctx, dialer: r.dialer()})
	ep.Proxy = transport.ProxyOptions{URL: dialScheme + "://" + key}
	return ep, func() {
		dials.live.Delete(key)
		cancel()
	}
}

// dialScheme is the scheme under which x/net/proxy finds the dialers below.
const dialScheme = "sluice-bound"

var dials struct {
	next atomic.Uint64
	live sync.Map // key → *boundDialer
}

func init() {
	// What is dialed is what was configured: ~/.ssh/config must not send us elsewhere.
	gitssh.DefaultSSHConfig = nil
	proxy.RegisterDialerType(dialScheme, func(u *url.URL, _ proxy.Dialer) (proxy.Dialer, error) {
		d, ok := dials.live.Load(u.Host)
		if !ok {
			return nil, errors.New("the connection was given up")
		}
		return d.(*boundDialer), nil
	})
}

// boundDialer dials connections that close when its own context ends.
type boundDialer struct {
	ctx    context.Context
	dialer *net.Dialer
}

func (d *boundDialer) Dial(network, addr string) (net.Conn, error) {
	return d.DialContext(d.ctx, network, addr)
}

func (d *boundDialer) DialContext(_ context.Context, network, addr string) (net.Conn, error) {
	forward := proxy.FromEnvironmentUsing(d.dialer)
	var conn net.Conn
	var err error
	if cd, ok := forward.(proxy.ContextDialer); ok {
		conn, err = cd.DialContext(d.ctx, network, addr)
	} else {
		conn, err = forward.Dial(network, addr)
	}
	if err != nil {
		return nil, err
	}
	context.AfterFunc(d.ctx, func() { _ = conn.Close() })
	return conn, nil
}

// fail turns an error of the libraries into one of ours: what was tried, the URL as configured,
// and why, without a credential.
func (r *remote) fail(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	var own *fault
	if errors.As(err, &own) {
		return &fault{code: own.code, hint: own.hint, cause: err, text: op + " " + r.shown + ": " + own.text}
	}
	f := &fault{code: CodeUnreachable, cause: err}
	why := ""
	if ctx.Err() != nil {
		f.code, f.cause = CodeTimeout, ctx.Err()
		why = "given up" // the caller knows why its context ended
	} else {
		why = r.explain(f, err)
	}
	f.text = fmt.Sprintf("%s %s: %s", op, r.shown, r.scrub.clean(why))
	return f
}

// explain sets code and hint by the kind of err and returns it in plain words.
func (r *remote) explain(f *fault, err error) string {
	var uerr *url.Error
	if errors.As(err, &uerr) {
		err = uerr.Err // without the method and the address that was really used
	}
	text := err.Error()
	switch {
	case errors.Is(err, transport.ErrRepositoryNotFound):
		f.code, f.hint = CodeNotFound, "check the URL; servers say the same of a private repository without a token or key that may read it"
		return "the server has no such repository"
	case errors.Is(err, transport.ErrAuthorizationFailed):
		f.code, f.hint = CodeAuth, "check what rights the token, or nobody without one, has on this repository"
		return "the server does not allow it"
	case errors.Is(err, transport.ErrAuthenticationRequired):
		f.code = CodeAuth
		if r.auth == nil {
			f.hint = "give a token with --token-file FILE"
			return "the server wants a credential"
		}
		f.hint = "check the token's rights on this repository and its expiry date"
		return "the server refused the credential"
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		f.code = CodeEmpty
		return "the repository is empty"
	case knownhosts.IsHostKeyChanged(err):
		f.code = CodeHostKey
		f.hint = "somebody may be in between; if the host's owner announced a new key, replace the old one: " + hostKeyHint(r.addr)
		return "the key of host " + r.addr.host + " is not the one in the known hosts"
	case knownhosts.IsHostUnknown(err):
		f.code, f.hint = CodeHostKey, hostKeyHint(r.addr)
		return "the key of host " + r.addr.host + " is unknown"
	case strings.Contains(text, "unable to authenticate"):
		f.code, f.hint = CodeAuth, "add the public key to the repository's deploy keys"
		return "the server refused the ssh key"
	case strings.Contains(text, "invalid pkt-len"):
		f.hint = "something else than a git server answers at this address: check the URL"
		return "the answer is not git's"
	case strings.Contains(text, "status code: 429"):
		f.hint = "the server asks for fewer requests: run less often"
	case strings.Contains(text, "status code: 5"):
		f.hint = "the server has a fault of its own; the next run may find it mended"
	default:
		f.hint = "check that the server runs and the address is right; https_proxy and no_proxy decide whether a proxy is asked"
	}
	return strings.TrimPrefix(text, "unknown error: ") // go-git's word for what the server said
}
