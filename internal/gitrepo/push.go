package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// Once the remote has been asked to move its branch, a push is finished even where ctx ends: it
// is worth knowing whether it went through. These are the times that it may take from then on.
const (
	finishTime   = 10 * time.Second // for the server's answer
	readBackTime = 10 * time.Second // for the last look at the branch
)

// Push moves a branch of the remote from the commit's parent to the commit, if that is where it
// stands. There is no force. The branch is read back afterwards: nil means that it was
// seen to hold the commit. Errors: [ErrMoved] when the branch stands elsewhere, [ErrRejected] with
// the server's words when the server refused. A push that has begun when ctx ends is finished and
// read back, for at most 20 seconds.
func (r *Repo) Push(ctx context.Context, c *Commit, branch string) error {
	if c.store != r.Store && c.Store != r.dir {
		return errors.New("pushing a commit of another store")
	}
	sent, err := r.push(ctx, c, "refs/heads/"+branch)
	if err != nil && !sent {
		return err
	}
	return r.readBack(ctx, c, branch, err)
}

// push sends exactly the commit's new objects, and says whether it came to that. go-git's own push
// walks all history first.
func (r *Repo) push(ctx context.Context, c *Commit, ref string) (sent bool, err error) {
	conn, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ends := context.AfterFunc(ctx, cancel)
	ep, release := r.remote.endpoint(conn)
	defer release()
	session, err := r.remote.client.NewReceivePackSession(ep, r.remote.auth)
	if err != nil {
		return false, r.remote.fail(ctx, "pushing to", err)
	}
	defer session.Close()
	refs, err := session.AdvertisedReferencesContext(conn)
	if err != nil {
		return false, r.remote.fail(ctx, "pushing to", err)
	}
	if tip := refs.References[ref]; tip.String() != c.Parent {
		if tip.String() == c.Revision {
			return false, nil
		}
		return false, r.moved(ctx, ref, c.Parent, tip)
	}
	if !ends() {
		return false, r.remote.fail(ctx, "pushing to", ctx.Err())
	}
	// From here on the server may have moved the branch, whatever we get to hear.
	later := context.AfterFunc(ctx, func() { time.AfterFunc(finishTime, cancel) })
	defer later()
	return true, r.send(conn, session, refs, c, ref)
}

func (r *Repo) send(ctx context.Context, session transport.ReceivePackSession, refs *packp.AdvRefs, c *Commit, ref string) error {
	pack, err := r.pack(c.objects)
	if err != nil {
		return r.remote.fail(ctx, "pushing to", err)
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(refs.Capabilities)
	var words bytes.Buffer
	if refs.Capabilities.Supports(capability.Sideband64k) {
		_ = req.Capabilities.Set(capability.Sideband64k)
		req.Progress = &words
	}
	from, _ := parseHash(c.Parent)
	to, _ := parseHash(c.Revision)
	req.Commands = []*packp.Command{{Name: plumbing.ReferenceName(ref), Old: from, New: to}}
	req.Packfile = io.NopCloser(pack)
	report, err := session.ReceivePack(ctx, req)
	if err == nil || report == nil {
		return r.remote.fail(ctx, "pushing to", err)
	}
	// The server answered, and said no.
	return r.remote.fail(ctx, "pushing to", &fault{code: CodeRejected, cause: ErrRejected,
		text: r.remote.scrub.clean(refusal(report, words.String())),
		hint: "the server's rules for this branch decide: allow this user to push, or fetch and push a branch that takes it"})
}

// refusal is what the server said, its hooks' words last.
func refusal(report *packp.ReportStatus, words string) string {
	var why []string
	if report.UnpackStatus != "ok" {
		why = append(why, "unpacking: "+report.UnpackStatus)
	}
	for _, s := range report.CommandStatuses {
		if s.Status != "ok" {
			why = append(why, s.Status)
		}
	}
	text := ErrRejected.Error() + ": " + strings.Join(why, ", ")
	if words = oneLine(words); words != "" {
		text += ": " + words
	}
	return text
}

// pack holds exactly the given objects, without deltas.
func (r *Repo) pack(objects []plumbing.Hash) (io.Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b bytes.Buffer
	if _, err := packfile.NewEncoder(&b, r.raw, false).Encode(objects, 0); err != nil {
		return nil, fmt.Errorf("packing the commit: %w", err)
	}
	return &b, nil
}

// readBack decides by what the branch holds now, whatever the push was told.
func (r *Repo) readBack(ctx context.Context, c *Commit, branch string, pushErr error) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), readBackTime)
		defer cancel()
	}
	snap, err := r.FetchBranch(ctx, branch)
	switch {
	case err != nil && pushErr != nil:
		return pushErr
	case err != nil:
		return &fault{code: Code(err), hint: Hint(err), cause: err,
			text: "the push was accepted but could not be confirmed: " + err.Error()}
	case snap.Revision == c.Revision || r.descends(snap.Revision, c.Revision):
		// Somebody may have pushed on top already.
		return r.setRef("refs/heads/"+branch, snap.Revision)
	}
	tip, _ := parseHash(snap.Revision)
	if pushErr != nil && snap.Revision == c.Parent {
		return pushErr
	}
	return r.moved(ctx, "refs/heads/"+branch, c.Parent, tip)
}

func (r *Repo) moved(ctx context.Context, ref, expected string, tip plumbing.Hash) error {
	now := "is gone"
	if !tip.IsZero() {
		now = "is at " + tip.String()
	}
	return r.remote.fail(ctx, "pushing to", &fault{code: CodeMoved, cause: ErrMoved,
		text: fmt.Sprintf("%s: %s %s, not at %s", ErrMoved, strings.TrimPrefix(ref, "refs/heads/"), now, expected),
		hint: "somebody else pushed; run again"})
}

// descends reports whether ancestor is among the last commits that lead to tip.
func (s *Store) descends(tip, ancestor string) bool {
	const look = 1000
	from, _ := parseHash(tip)
	todo, seen := []plumbing.Hash{from}, map[plumbing.Hash]bool{}
	for len(todo) > 0 && len(seen) < look {
		h := todo[0]
		todo = todo[1:]
		if h.String() == ancestor {
			return true
		}
		if seen[h] {
			continue
		}
		seen[h] = true
		parents, err := s.parents(h)
		if err != nil {
			return false
		}
		todo = append(todo, parents...)
	}
	return false
}
