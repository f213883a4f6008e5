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
	return r.move(ctx, c, step{ref: heads + branch, from: c.Parent})
}

// Review is a branch that holds a commit for people to look at, and is no one's to build on.
type Review struct {
	// Branch is its name. It is made where there is none, and otherwise loses what it held.
	Branch string
	// Was is the commit that it was seen at, empty where there was none.
	Was string
	// Base is the branch that the commit is meant for. It must still stand at the commit's parent.
	Base string
}

// PushReview makes a branch for review hold the commit and nothing else on top of the base. It is
// the one push that may leave commits behind: those that Review.Was leads to, and only while the
// branch stands there. Errors as of [Repo.Push].
func (r *Repo) PushReview(ctx context.Context, c *Commit, to Review) error {
	if to.Branch == to.Base || to.Base == "" {
		return errors.New("pushing for review onto the branch that is deployed")
	}
	return r.move(ctx, c, step{ref: heads + to.Branch, from: to.Was, base: heads + to.Base})
}

// heads is where branches are among the refs.
const heads = "refs/heads/"

// step is a ref's way to a commit.
type step struct {
	ref  string
	from string // the commit it must stand at; empty: it must not exist
	base string // another ref, which must stand at the commit's parent; empty: none
}

func (r *Repo) move(ctx context.Context, c *Commit, s step) error {
	if c.store != r.Store && c.Store != r.dir {
		return errors.New("pushing a commit of another store")
	}
	sent, err := r.push(ctx, c, s)
	if err == nil || sent {
		err = r.readBack(ctx, c, s, err)
	}
	if err != nil {
		c.Drop()
	}
	return err
}

// push sends exactly the commit's new objects, and says whether it came to that. go-git's own push
// walks all history first.
func (r *Repo) push(ctx context.Context, c *Commit, s step) (sent bool, err error) {
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
	if refs.References[s.ref].String() == c.Revision {
		return false, nil
	}
	if err := r.stands(ctx, refs, s.ref, s.from); err != nil {
		return false, err
	}
	if s.base != "" {
		if err := r.stands(ctx, refs, s.base, c.Parent); err != nil {
			return false, err
		}
	}
	if !ends() {
		return false, r.remote.fail(ctx, "pushing to", ctx.Err())
	}
	// From here on the server may have moved the branch, whatever we get to hear.
	later := context.AfterFunc(ctx, func() { time.AfterFunc(finishTime, cancel) })
	defer later()
	from, _ := parseHash(s.from)
	to, _ := parseHash(c.Revision)
	return true, r.send(conn, session, refs, c.pack, &packp.Command{Name: plumbing.ReferenceName(s.ref), Old: from, New: to})
}

// stands says that a ref has moved unless it is at the commit; empty: unless there is none.
func (r *Repo) stands(ctx context.Context, refs *packp.AdvRefs, ref, at string) error {
	want, _ := parseHash(at)
	if tip := refs.References[ref]; tip != want {
		return r.remote.fail(ctx, "pushing to", moved(ref, want, tip))
	}
	return nil
}

func (r *Repo) send(ctx context.Context, session transport.ReceivePackSession, refs *packp.AdvRefs, pack []byte, command *packp.Command) error {
	req := packp.NewReferenceUpdateRequestFromCapabilities(refs.Capabilities)
	var words bytes.Buffer
	if refs.Capabilities.Supports(capability.Sideband64k) {
		_ = req.Capabilities.Set(capability.Sideband64k)
		req.Progress = &words
	}
	req.Commands = []*packp.Command{command}
	req.Packfile = io.NopCloser(bytes.NewReader(pack))
	report, err := session.ReceivePack(ctx, req)
	if err == nil || report == nil {
		return r.remote.fail(ctx, "pushing to", err)
	}
	hint := "the server's rules for this branch decide: allow this user to push, or fetch and push a branch that takes it"
	if command.Name.IsTag() {
		hint = "the server's rules for this tag decide: allow this user to move it, or name another"
	}
	// The server answered, and said no.
	return r.remote.fail(ctx, "pushing to", &fault{code: CodeRejected, cause: ErrRejected,
		text: r.remote.scrub.clean(refusal(report, words.String())),
		hint: hint})
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

// readBack decides by what the branch holds now, whatever the push was told.
func (r *Repo) readBack(ctx context.Context, c *Commit, s step, pushErr error) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), readBackTime)
		defer cancel()
	}
	snap, err := r.FetchBranch(ctx, strings.TrimPrefix(s.ref, heads))
	switch {
	case err != nil && pushErr != nil:
		return pushErr
	case err != nil:
		return &fault{code: Code(err), hint: Hint(err), cause: err,
			text: "the push was accepted but could not be confirmed: " + err.Error()}
	case snap.Revision == c.Revision || r.descends(snap.Revision, c.Revision):
		// Somebody may have pushed on top already.
		return r.setRef(s.ref, snap.Revision)
	case pushErr != nil && snap.Revision == s.from:
		return pushErr
	}
	from, _ := parseHash(s.from)
	tip, _ := parseHash(snap.Revision)
	return r.remote.fail(ctx, "pushing to", moved(s.ref, from, tip))
}

func moved(ref string, expected, tip plumbing.Hash) error {
	now := "is gone"
	switch {
	case expected.IsZero():
		now = "is there now, at " + tip.String()
	case !tip.IsZero():
		now = "is at " + tip.String() + ", not at " + expected.String()
	}
	return &fault{code: CodeMoved, cause: ErrMoved, hint: "somebody else pushed; run again",
		text: fmt.Sprintf("%s: %s %s", ErrMoved, strings.TrimPrefix(ref, heads), now)}
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
