package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// FetchBranch makes sure that the tip of a branch is in the mirror and returns it; "" is the
// branch that the remote's HEAD names. When the mirror has the tip already this costs one
// listing of refs and nothing else. Errors: [ErrNotFound] when there is no such branch.
func (r *Repo) FetchBranch(ctx context.Context, branch string) (*Snapshot, error) {
	return r.fetch(ctx, func(refs *packp.AdvRefs) (target, error) {
		if branch == "" {
			var err error
			if branch, err = headBranch(refs); err != nil {
				return target{}, err
			}
		}
		name := "refs/heads/" + branch
		h, ok := refs.References[name]
		if !ok {
			return target{}, &fault{code: CodeNotFound, cause: ErrNotFound,
				text: "there is no branch " + branch, hint: branchHint(refs)}
		}
		return target{name: name, branch: branch, want: []plumbing.Hash{h}, tip: h}, nil
	})
}

// FetchRef makes sure that a ref is in the mirror and returns the commit it leads to. A ref is,
// tried in this order: "" for the remote's HEAD, a full name (refs/…), a branch, a tag, a commit
// id of 40 digits, the beginning of one of at least 7 digits. A commit that is no tip is looked
// for in the mirror, then asked for by name, then looked for in all branches and tags.
func (r *Repo) FetchRef(ctx context.Context, ref string) (*Snapshot, error) {
	if ref == "" {
		return r.FetchBranch(ctx, "")
	}
	if h, ok := parseHash(ref); ok && r.has(h) {
		return r.Snapshot(ref) // a commit never changes: no need to ask
	}
	return r.fetch(ctx, func(refs *packp.AdvRefs) (target, error) { return findRef(refs, ref) })
}

// target is what a fetch is after.
type target struct {
	name   string          // under which the result is noted
	branch string          // set when it is a branch
	want   []plumbing.Hash // what to ask the server for
	tip    plumbing.Hash   // the commit or tag to end at; zero when prefix is set
	prefix string          // the beginning of a commit id, to be looked for in what came
	any    []plumbing.Hash // what to ask for when the server does not give want
}

var commitID = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

func findRef(refs *packp.AdvRefs, ref string) (target, error) {
	for _, name := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		if h, ok := refs.References[name]; ok && strings.HasPrefix(name, "refs/") {
			branch, _ := strings.CutPrefix(name, "refs/heads/")
			if branch == name {
				branch = ""
			}
			return target{name: name, branch: branch, want: []plumbing.Hash{h}, tip: h}, nil
		}
	}
	if !commitID.MatchString(ref) {
		return target{}, &fault{code: CodeNotFound, cause: ErrNotFound,
			text: "there is no branch or tag " + ref, hint: branchHint(refs)}
	}
	var all []plumbing.Hash
	for name, h := range refs.References {
		if strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/") {
			all = append(all, h)
		}
	}
	plumbing.HashesSort(all)
	all = slices.Compact(all)
	if h, ok := parseHash(ref); ok {
		return target{name: ref, want: []plumbing.Hash{h}, tip: h, any: all}, nil
	}
	return target{name: ref, want: all, prefix: ref}, nil
}

func headBranch(refs *packp.AdvRefs) (string, error) {
	for _, sym := range refs.Capabilities.Get(capability.SymRef) {
		if name, ok := strings.CutPrefix(sym, "HEAD:refs/heads/"); ok {
			return name, nil
		}
	}
	// Servers too old to say what HEAD names: the usual branches first.
	for _, branch := range append([]string{"main", "master"}, branches(refs)...) {
		if h, ok := refs.References["refs/heads/"+branch]; ok && refs.Head != nil && h == *refs.Head {
			return branch, nil
		}
	}
	return "", &fault{code: CodeNotFound, cause: ErrNotFound,
		text: "the remote's HEAD names no branch", hint: "name one with --branch; " + branchHint(refs)}
}

func branches(refs *packp.AdvRefs) []string {
	var names []string
	for name := range refs.References {
		if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			names = append(names, branch)
		}
	}
	slices.Sort(names)
	return names
}

func branchHint(refs *packp.AdvRefs) string {
	names := branches(refs)
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return "the remote's branches are: " + strings.Join(names, ", ")
}

// fetch lists the refs, lets find choose, and brings what is missing.
func (r *Repo) fetch(ctx context.Context, find func(*packp.AdvRefs) (target, error)) (*Snapshot, error) {
	ep, release := r.remote.endpoint(ctx)
	defer release()
	session, err := r.remote.client.NewUploadPackSession(ep, r.remote.auth)
	if err != nil {
		return nil, r.remote.fail(ctx, "fetching", err)
	}
	defer session.Close()
	refs, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return nil, r.remote.fail(ctx, "fetching", err)
	}
	t, err := find(refs)
	if err != nil {
		return nil, r.remote.fail(ctx, "fetching", err)
	}
	if err := r.bring(ctx, session, refs, t); err != nil {
		return nil, r.remote.fail(ctx, "fetching", err)
	}
	commit, err := r.peel(t)
	if err != nil {
		return nil, r.remote.fail(ctx, "fetching", err)
	}
	if !r.has(commit) {
		return nil, r.remote.fail(ctx, "fetching", &fault{code: CodeNotFound, cause: ErrNotFound,
			text: "no branch or tag holds commit " + commit.String()})
	}
	snap, err := r.Snapshot(commit.String())
	if err != nil {
		return nil, r.remote.fail(ctx, "fetching", err)
	}
	snap.Branch = t.branch
	return snap, nil
}

// bring fetches what the mirror lacks of the target, if anything.
func (r *Repo) bring(ctx context.Context, session transport.UploadPackSession, refs *packp.AdvRefs, t target) error {
	if t.prefix != "" && r.withPrefix(t.prefix) != nil || t.prefix == "" && r.has(t.tip) {
		return nil
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r.reopen() // another process may have brought it while we waited
	missing := slices.DeleteFunc(slices.Clone(t.want), r.has)
	if len(missing) == 0 {
		return nil
	}
	err = r.download(ctx, session, refs, missing)
	if err != nil && t.any != nil && ctx.Err() == nil {
		// Most servers give a commit by its id only when it is a tip. One connection serves
		// one request over ssh, so the second try takes another.
		err = r.downloadAnew(ctx, slices.DeleteFunc(slices.Clone(t.any), r.has))
	}
	if err != nil {
		return err
	}
	if !t.tip.IsZero() {
		return r.setRef(t.name, t.tip.String())
	}
	return nil
}

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
	return r.download(ctx, session, refs, want)
}

// download brings the given objects with all that they need and the mirror lacks.
func (r *Repo) download(ctx context.Context, session transport.UploadPackSession, refs *packp.AdvRefs, want []plumbing.Hash) error {
	req := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	if refs.Capabilities.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress)
	}
	req.Wants = want
	req.Haves = r.haves()
	resp, err := session.UploadPack(ctx, req)
	if err != nil {
		return err
	}
	defer resp.Close()
	var pack io.Reader = resp
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, resp)
	case req.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, resp)
	}
	return r.receive(pack)
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

// receive takes a pack in. It is indexed aside and then moved in, index first, so that neither
// a cut connection nor a kill leaves half of one where a reader looks.
func (r *Repo) receive(pack io.Reader) error {
	r.sweep()
	dir, err := os.MkdirTemp(r.dir, "incoming-")
	if err != nil {
		return fmt.Errorf("making room in the mirror: %w", err)
	}
	defer os.RemoveAll(dir)
	st := filesystem.NewStorage(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(cacheSize))
	if err := st.Init(); err != nil {
		return fmt.Errorf("making room in the mirror: %w", err)
	}
	if err := packfile.UpdateObjectStorage(st, pack); err != nil {
		return fmt.Errorf("receiving objects: %w", err)
	}
	for _, ext := range []string{".idx", ".pack"} {
		files, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "pack-*"+ext))
		if err != nil || len(files) != 1 {
			return errors.New("receiving objects: the server sent no pack")
		}
		if err := os.Rename(files[0], filepath.Join(r.dir, "objects", "pack", filepath.Base(files[0]))); err != nil {
			return fmt.Errorf("storing objects: %w", err)
		}
	}
	r.reopen()
	return nil
}

// sweep removes what killed runs left behind. The caller holds the lock.
func (r *Repo) sweep() {
	old, _ := filepath.Glob(filepath.Join(r.dir, "incoming-*"))
	for _, dir := range old {
		_ = os.RemoveAll(dir)
	}
}

// peel follows tags to the commit.
func (r *Repo) peel(t target) (plumbing.Hash, error) {
	h := t.tip
	if t.prefix != "" {
		found := r.withPrefix(t.prefix)
		if len(found) != 1 {
			return h, &fault{code: CodeNotFound, cause: ErrNotFound,
				text: fmt.Sprintf("%d commits begin with %s", len(found), t.prefix), hint: "give the commit id in full"}
		}
		return found[0], nil
	}
	for range 10 {
		text, err := r.object(plumbing.TagObject, h, maxMeta)
		if errors.Is(err, ErrNotFound) {
			return h, nil // not a tag; a missing commit shows when it is read
		}
		if err != nil {
			return h, err
		}
		if !bytes.HasPrefix(text, []byte("object ")) {
			return h, fmt.Errorf("reading tag %s: it names no object", h)
		}
		h, _ = parseHash(header(text, "object"))
	}
	return h, fmt.Errorf("following tag %s: tags are nested too deep", t.name)
}

// withPrefix returns the commits in the store whose id begins with prefix.
func (s *Store) withPrefix(prefix string) []plumbing.Hash {
	even, _ := parsePrefix(prefix)
	s.mu.Lock()
	found, _ := s.raw.HashesWithPrefix(even)
	s.mu.Unlock()
	var commits []plumbing.Hash
	for _, h := range found {
		if !strings.HasPrefix(h.String(), prefix) || slices.Contains(commits, h) {
			continue
		}
		if _, err := s.object(plumbing.CommitObject, h, maxMeta); err == nil {
			commits = append(commits, h)
		}
	}
	return commits
}

// parsePrefix returns the whole bytes of a hexadecimal prefix.
func parsePrefix(prefix string) ([]byte, bool) {
	padded := prefix + strings.Repeat("0", 40-len(prefix))
	h, ok := parseHash(padded)
	return h[:len(prefix)/2], ok
}
