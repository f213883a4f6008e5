package gitrepo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
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
		return findBranch(refs, branch)
	})
}

// FetchReview is [Repo.FetchBranch] for a branch that [Repo.PushReview] may move: nil where there is
// none. The branch that it is to be reset to must stand at the commit, or it is [ErrMoved]. It
// refuses the branch that the remote's HEAD names, which nobody keeps for reviews.
func (r *Repo) FetchReview(ctx context.Context, branch, base, at string) (*Snapshot, error) {
	missing := false
	snap, err := r.fetch(ctx, func(refs *packp.AdvRefs) (target, error) {
		if head, err := headBranch(refs); err == nil && head == branch {
			return target{}, newFault(CodeRejected, branch+" is the repository's own branch, the one that its HEAD names; it is not put aside for a review",
				"name a branch of its own, such as sluice/updates")
		}
		want, _ := parseHash(at)
		if tip := refs.References[heads+base]; tip != want {
			return target{}, moved(heads+base, want, tip)
		}
		t, err := findBranch(refs, branch)
		missing = err != nil
		return t, err
	})
	if missing {
		return nil, nil
	}
	return snap, err
}

func findBranch(refs *packp.AdvRefs, branch string) (target, error) {
	name := heads + branch
	h, ok := refs.References[name]
	if !ok {
		return target{}, &fault{code: CodeNotFound, cause: ErrNotFound,
			text: "there is no branch " + branch, hint: branchHint(refs)}
	}
	return target{name: name, branch: branch, want: []plumbing.Hash{h}, tip: h}, nil
}

// CheckBranch says why a name can be none of a branch.
func CheckBranch(name string) error {
	if plumbing.NewBranchReferenceName(name).Validate() != nil || strings.HasPrefix(name, "refs/") || strings.HasPrefix(name, "-") {
		return fmt.Errorf("%q cannot be the name of a branch", name)
	}
	return nil
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
	end, err := r.begin(ctx)
	if err != nil {
		return err
	}
	err = r.bringLocked(ctx, session, refs, t)
	end(err)
	return err
}

func (r *Repo) bringLocked(ctx context.Context, session transport.UploadPackSession, refs *packp.AdvRefs, t target) error {
	r.reopen() // another process may have brought it while we waited
	missing := slices.DeleteFunc(slices.Clone(t.want), r.has)
	if len(missing) == 0 {
		return nil
	}
	old, all := r.crowded(refs, missing)
	if len(old) > 0 {
		whole, err := r.download(ctx, session, refs, all, nil)
		if err != nil {
			return err
		}
		r.discard(old, whole)
		return r.note(t)
	}
	_, err := r.download(ctx, session, refs, missing, r.haves())
	if err != nil && t.any != nil && ctx.Err() == nil {
		// Most servers give a commit by its id only when it is a tip. One connection serves
		// one request over ssh, so the second try takes another.
		err = r.downloadAnew(ctx, slices.DeleteFunc(slices.Clone(t.any), r.has))
	}
	if err != nil {
		return err
	}
	return r.note(t)
}

// note keeps in mind what was fetched.
func (r *Repo) note(t target) error {
	if t.tip.IsZero() {
		return nil
	}
	return r.setRef(t.name, t.tip.String())
}
