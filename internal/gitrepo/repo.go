package gitrepo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Options say which repository to open, where its mirror is, and how to authenticate.
type Options struct {
	// URL is the address as configured; see [CheckURL].
	URL string
	// Mirror is the folder that holds the stores of all repositories; see [DefaultMirror].
	Mirror string
	// Store is the one store to use, as a source record names it. It takes the place of Mirror.
	Store string
	// Auth is how to authenticate.
	Auth Auth
	// Rewrites are insteadOf rules, see [LoadRewrites]; nil for none.
	Rewrites *Rewrites
	// Control, when set, sees every network address before it is connected to and may refuse
	// it, as [net.Dialer.Control]. For addresses that come from a manifest.
	Control func(network, address string, c syscall.RawConn) error
	// Getenv answers for HOME, XDG_CACHE_HOME and SSH_KNOWN_HOSTS; nil is os.Getenv.
	Getenv func(string) string
}

// Repo is a remote repository with its mirror.
type Repo struct {
	*Store
	remote *remote
}

// Open checks the URL and the credentials and opens the mirror. Where there is none the first fetch
// makes it, once the server has something to put there. Open does not talk to the server.
func Open(o Options) (*Repo, error) {
	getenv := o.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	if err := checkConfigured(o.URL, &o.Auth); err != nil {
		return nil, err
	}
	r, err := newRemote(&o, o.URL, getenv)
	if err != nil {
		return nil, &fault{code: Code(err), hint: Hint(err), cause: err, text: "opening " + o.URL + ": " + err.Error()}
	}
	dir := o.Store
	if dir == "" {
		if o.Mirror == "" {
			if o.Mirror, err = DefaultMirror(getenv); err != nil {
				return nil, err
			}
		}
		dir = filepath.Join(o.Mirror, storeName(o.URL))
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		if err := createStore(dir); err != nil {
			return nil, err
		}
	}
	s.reopen()
	return &Repo{Store: s, remote: r}, nil
}

// URL returns the address as it was configured. It holds no credential.
func (r *Repo) URL() string { return r.remote.shown }

// checkConfigured refuses an address that must not be shown: everything after it names it.
func checkConfigured(raw string, auth *Auth) error {
	if err := CheckURL(raw); err != nil {
		return err
	}
	if a, _ := parseAddress(raw); a.http() && a.user != "" && auth.TokenFile == "" && auth.Password == "" {
		return newFault(CodeBadURL, "the URL holds a user name but there is no token for it", tokenHint)
	}
	return nil
}

// SSH says whether the server is talked to over ssh, after rewriting.
func (r *Repo) SSH() bool { return !r.remote.addr.http() }
