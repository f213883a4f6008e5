package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Limits of what a server may send, so that a hostile one cannot fill disk or memory.
const (
	maxPack = 4 << 30   // bytes of one pack
	maxRefs = 128 << 20 // bytes of one listing of refs over HTTP
	maxPage = 1 << 20   // bytes of an error's page
)

func (r *Repo) downloadAnew(ctx context.Context, want []plumbing.Hash) error {
	if len(want) == 0 {
		return nil
	}
	ep, release := r.remote.endpoint(ctx)
	defer release()
	session, err := r.remote.client.NewUploadPackSession(ep, r.remote.auth)
	if err != nil {
		return err
	}
	defer session.Close()
	refs, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return err
	}
	_, err = r.download(ctx, session, refs, want, r.haves())
	return err
}

// download brings the given objects with all that they need and what we have does not hold. It
// returns the name of the pack's files.
func (r *Repo) download(ctx context.Context, session transport.UploadPackSession, refs *packp.AdvRefs, want, haves []plumbing.Hash) (string, error) {
	req := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	if refs.Capabilities.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress)
	}
	req.Wants = want
	req.Haves = haves
	resp, err := session.UploadPack(ctx, req)
	if err != nil {
		return "", err
	}
	defer resp.Close()
	var pack io.Reader = resp
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, resp)
	case req.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, resp)
	}
	return r.receive(&capped{pack, maxPack, "the server's pack"})
}

// haves names commits that we have whole, for the server to leave out.
func (r *Repo) haves() []plumbing.Hash {
	const perRef, total = 32, 512
	var out []plumbing.Hash
	seen := map[plumbing.Hash]bool{}
	for _, tip := range r.tips() {
		h, ok := parseHash(tip)
		for range perRef {
			if !ok || seen[h] || !r.has(h) || len(out) == total {
				break
			}
			seen[h] = true
			out = append(out, h)
			// After a force-push the server may not know our tip, but one of its ancestors.
			parents, err := r.parents(h)
			if ok = err == nil && len(parents) > 0; ok {
				h = parents[0]
			}
		}
	}
	return out
}

// receive takes a pack in and returns the name of its files without their extension. It is indexed
// aside and then moved in, index first, so that neither a cut connection nor a kill leaves half of
// one where a reader looks. The caller holds the lock.
func (s *Store) receive(pack io.Reader) (name string, err error) {
	s.sweep()
	dir, err := os.MkdirTemp(s.dir, "incoming-")
	if err != nil {
		return "", fmt.Errorf("making room in the mirror: %w", err)
	}
	defer os.RemoveAll(dir)
	st := filesystem.NewStorage(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(cacheSize))
	if err := st.Init(); err != nil {
		return "", fmt.Errorf("making room in the mirror: %w", err)
	}
	if err := packfile.UpdateObjectStorage(st, pack); err != nil {
		return "", fmt.Errorf("receiving objects: %w", err)
	}
	for _, ext := range []string{".idx", ".pack"} {
		files, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "pack-*"+ext))
		if err != nil || len(files) != 1 {
			return "", errors.New("receiving objects: the server sent no pack")
		}
		name = strings.TrimSuffix(filepath.Join(s.packs(), filepath.Base(files[0])), ext)
		if err := os.Rename(files[0], name+ext); err != nil {
			return "", fmt.Errorf("storing objects: %w", err)
		}
	}
	s.reopen()
	return name, nil
}

// packs is the folder of the packs.
func (s *Store) packs() string { return filepath.Join(s.dir, "objects", "pack") }

// dropPack removes a pack, as well as that is possible: one that stays does no harm.
func (s *Store) dropPack(name string) {
	if name == "" {
		return
	}
	for _, ext := range []string{".pack", ".idx"} {
		_ = os.Remove(name + ext)
	}
	s.reopen()
}

// sweep removes what killed runs left behind. The caller holds the lock.
func (s *Store) sweep() {
	old, _ := filepath.Glob(filepath.Join(s.dir, "incoming-*"))
	for _, dir := range old {
		_ = os.RemoveAll(dir)
	}
}

// capped is a reader that fails after so many bytes.
type capped struct {
	r    io.Reader
	left int64
	what string
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, fmt.Errorf("%s: %w", c.what, ErrTooLarge)
	}
	return n, err
}
