package gitrepo

import (
	"bytes"
	"context"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/memory"
)

// MoveTag makes a lightweight tag of the remote name a commit that the remote has, and reads it
// back. It says whether the tag was elsewhere: one that names the commit already costs one listing.
// A tag may go anywhere, but only from where it was seen: [ErrRejected] with the server's words
// where somebody else was quicker or the server refused, [ErrMoved] where it is gone from there again.
func (r *Repo) MoveTag(ctx context.Context, tag, revision string) (changed bool, err error) {
	to, ok := parseHash(revision)
	if !ok {
		return false, fmt.Errorf("moving the tag %s: %q is no commit", tag, revision)
	}
	ref := plumbing.ReferenceName("refs/tags/" + tag)
	if err := ref.Validate(); err != nil {
		return false, fmt.Errorf("moving the tag %s: %w", tag, err)
	}
	var was plumbing.Hash
	err = r.receivePack(ctx, func(session transport.ReceivePackSession, refs *packp.AdvRefs) error {
		if was = refs.References[ref.String()]; was == to {
			return nil
		}
		pack, err := emptyPack()
		if err != nil {
			return err
		}
		return r.send(ctx, session, refs, pack, &packp.Command{Name: ref, Old: was, New: to})
	})
	if err != nil || was == to {
		return false, err
	}
	return true, r.receivePack(ctx, func(_ transport.ReceivePackSession, refs *packp.AdvRefs) error {
		if tip := refs.References[ref.String()]; tip != to {
			return r.remote.fail(ctx, "pushing to", moved(ref.String(), to, tip))
		}
		return nil
	})
}

// receivePack gives the refs as a push sees them, and the session for one.
func (r *Repo) receivePack(ctx context.Context, do func(transport.ReceivePackSession, *packp.AdvRefs) error) error {
	ep, release := r.remote.endpoint(ctx)
	defer release()
	session, err := r.remote.client.NewReceivePackSession(ep, r.remote.auth)
	if err != nil {
		return r.remote.fail(ctx, "pushing to", err)
	}
	defer session.Close()
	refs, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return r.remote.fail(ctx, "pushing to", err)
	}
	return do(session, refs)
}

// emptyPack goes with a ref whose objects the server has.
func emptyPack() ([]byte, error) {
	var b bytes.Buffer
	_, err := packfile.NewEncoder(&b, memory.NewStorage(), false).Encode(nil, 0)
	return b.Bytes(), err
}
