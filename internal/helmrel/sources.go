package helmrel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
)

// Sources finds charts. Each repository, each index and each chart is asked for once.
type Sources struct {
	// Guard decides where requests may go.
	Guard *Guard
	// Mirror is the folder for mirrors of chart repositories; see [gitrepo.DefaultMirror].
	Mirror string
	// Auth is offered to TrustedHosts and to no other host.
	Auth         gitrepo.Auth
	TrustedHosts []string
	// Rewrites are the user's insteadOf rules; nil for none.
	Rewrites *gitrepo.Rewrites
	// Present are repositories that were fetched already. A chart at the branch of one of them is
	// read at exactly its revision, so that chart and manifests are of one commit.
	Present []Present

	// Cache keeps archives and indexes; nil for none.
	Cache *Cache
	// Repositories are those that were configured beforehand, Logins the ones for registries. Each is
	// offered to its own host and to no other.
	Repositories []Repository
	Logins       Logins
	// TokenHosts may be given a registry's credential in exchange for a token, besides those of its domain.
	TokenHosts []string
	// TLS holds authorities besides the system's, and a certificate for hosts that ask for one; nil for
	// none.
	TLS *tls.Config
	// Keyring, where set, must know the signature of every chart that is not from git.
	Keyring *Keyring

	prepare      sync.Once
	home, away   http.RoundTripper
	transports   memo[http.RoundTripper]
	repositories memo[*helmRepository]
	registries   memo[*ociRepository]
	archives     memo[*archive]
	trees        memo[*tree]
	charts       memo[*Chart]
}

// Present is a repository whose objects are in a store already.
type Present struct{ URL, Branch, Revision, Store string }

const (
	maxChartFile = 5 << 20 // Helm's own limits
	maxChart     = 100 << 20
)

// Chart finds and reads the chart that a HelmRelease names. objects reads the Secrets that it names for it.
func (s *Sources) Chart(ctx context.Context, h *HelmRelease, objects Objects) (*Chart, error) {
	k, err := keysOf(ctx, h, objects)
	if err != nil {
		return nil, err
	}
	return s.chart(ctx, h.Spec.Chart, k)
}

func (s *Sources) chart(ctx context.Context, c ChartSource, k keys) (*Chart, error) {
	s.prepare.Do(s.connect)
	if c.FromGit() {
		key := strings.Join([]string{c.Git, c.GitRef(), path.Clean(c.Path), strconv.FormatBool(c.SkipDepUpdate), k.who()}, "\x00")
		return s.charts.do(key, func() (*Chart, error) { return s.fromGit(ctx, c, k) })
	}
	login, err := s.login(c.Repository, k.pull, true)
	if err != nil {
		return nil, err
	}
	w := wish{base: strings.TrimRight(c.Repository, "/"), name: c.Name, version: c.Version, login: login}
	return s.charts.do(w.key(), func() (*Chart, error) {
		a, err := s.archive(ctx, w)
		if err != nil {
			return nil, err
		}
		chart, err := FromArchive(a.data)
		var missing *MissingDependency
		if errors.As(err, &missing) {
			missing.Packed = true
		}
		if err != nil {
			return nil, fmt.Errorf("chart %s %s: %w", w.name, a.version, err)
		}
		chart.Revision = a.from
		chart.Notes = append(chart.Notes, a.notes...)
		return chart, nil
	})
}

// archive finds a chart in a repository or registry, once.
func (s *Sources) archive(ctx context.Context, w wish) (*archive, error) {
	return s.archives.do(w.key(), func() (*archive, error) {
		if strings.HasPrefix(w.base, ociScheme) {
			return s.fromRegistry(ctx, w)
		}
		return s.fromRepository(ctx, w)
	})
}

// tree is a commit. Its lock is there because a store is read by one at a time.
type tree struct {
	mu   sync.Mutex
	snap *gitrepo.Snapshot
}

func (s *Sources) fromGit(ctx context.Context, c ChartSource, k keys) (*Chart, error) {
	t, err := s.trees.do(c.Git+"\x00"+c.GitRef()+"\x00"+k.who(), func() (*tree, error) { return s.tree(ctx, c.Git, c.GitRef(), k.git) })
	if err != nil {
		return nil, err
	}
	chart, err := s.assembled(ctx, t, c, k.pull)
	if err != nil {
		return nil, fmt.Errorf("chart %s at %.12s: %w", c.Path, t.snap.Revision, err)
	}
	chart.Revision = t.snap.Revision
	return chart, nil
}

// folder reads a folder of the commit.
func (t *tree) folder(dir string) ([]File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return folderAt(t.snap, dir)
}

func (s *Sources) tree(ctx context.Context, at, ref string, secret secretData) (*tree, error) {
	for _, p := range s.Present {
		if SameRepository(p.URL, at) && (ref == p.Branch || ref == "refs/heads/"+p.Branch || ref == p.Revision) {
			if snap, err := present(p); err == nil {
				return &tree{snap: snap}, nil
			}
			// the stream was recorded elsewhere: the same commit, from the server
			ref = p.Revision
			break
		}
	}
	if err := s.checkGitURL(at); err != nil {
		return nil, err
	}
	repo, err := s.open(at, secret)
	var snap *gitrepo.Snapshot
	if err == nil {
		snap, err = repo.FetchRef(ctx, ref)
	}
	if err != nil && secret == nil {
		err = s.untrusted(at, err)
	}
	if err != nil {
		return nil, err
	}
	return &tree{snap: snap}, nil
}

// UntrustedHost says that a repository wants a credential, and that its host is none to offer one to.
type UntrustedHost struct {
	Host string
	Err  error
}

func (e *UntrustedHost) Error() string { return e.Err.Error() }

func (e *UntrustedHost) Unwrap() error { return e.Err }

func (s *Sources) untrusted(at string, err error) error {
	code := gitrepo.Code(err)
	if s.trusted(at) || (code != gitrepo.CodeBadKey && code != gitrepo.CodeAuth) {
		return err
	}
	return &UntrustedHost{HostOf(at), err}
}

func present(p Present) (*gitrepo.Snapshot, error) {
	store, err := gitrepo.OpenStore(p.Store)
	if err != nil {
		return nil, err
	}
	return store.Snapshot(p.Revision)
}

func (s *Sources) checkGitURL(at string) error {
	if err := gitrepo.CheckURL(at); err != nil {
		return err
	}
	if u, err := url.Parse(at); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		return s.Guard.CheckURL(u)
	}
	return nil
}

// open tries the credentials that may be meant for the address: which kind it takes is known only
// after the user's insteadOf rules.
func (s *Sources) open(at string, secret secretData) (*gitrepo.Repo, error) {
	if secret != nil {
		auth, err := secret.gitAuth(s.Auth.KnownHosts)
		if err != nil {
			return nil, err
		}
		return gitrepo.Open(gitrepo.Options{URL: at, Mirror: s.Mirror, Auth: auth, Rewrites: s.Rewrites, Control: s.control})
	}
	key := gitrepo.Auth{SSHKey: s.Auth.SSHKey, KnownHosts: s.Auth.KnownHosts}
	token := gitrepo.Auth{TokenFile: s.Auth.TokenFile}
	tries := []gitrepo.Auth{key, token}
	if !s.trusted(at) {
		tries = []gitrepo.Auth{{KnownHosts: s.Auth.KnownHosts}}
	} else if strings.HasPrefix(at, "http") {
		slices.Reverse(tries)
	}
	var first error
	for _, auth := range append(tries, gitrepo.Auth{}) {
		repo, err := gitrepo.Open(gitrepo.Options{URL: at, Mirror: s.Mirror, Auth: auth, Rewrites: s.Rewrites, Control: s.control})
		if err == nil {
			return repo, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (s *Sources) control(_, address string, _ syscall.RawConn) error {
	return s.Guard.checkAddr(address)
}

func (s *Sources) trusted(at string) bool {
	host := HostOf(at)
	return host != "" && slices.ContainsFunc(s.TrustedHosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// folderAt reads a folder of a commit. Paths of the result start at the folder.
func folderAt(snap *gitrepo.Snapshot, dir string) ([]File, error) {
	dir = path.Clean(strings.TrimPrefix(dir, "/"))
	entries, err := snap.Files(dir)
	if err != nil {
		return nil, err
	}
	var files []File
	budget := int64(maxChart)
	for _, e := range entries {
		name := strings.TrimPrefix(e.Path, dir+"/")
		if dir == "." {
			name = e.Path
		}
		if e.Folder {
			return nil, fmt.Errorf("%s is a symbolic link to a folder: the chart would be read by half", name)
		}
		data, err := snap.Read(e, maxChartFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if budget -= int64(len(data)); budget < 0 {
			return nil, fmt.Errorf("the folder holds more than %d MiB", maxChart>>20)
		}
		files = append(files, File{name, data})
	}
	return files, nil
}
