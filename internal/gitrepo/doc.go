// Package gitrepo keeps bare mirrors of remote git repositories and reads, commits and pushes
// straight from and to their object stores. There is no work tree anywhere.
//
// The way through it:
//
//	repo, err := gitrepo.Open(gitrepo.Options{URL: url, Auth: auth, Mirror: dir})
//	snap, err := repo.FetchBranch(ctx, "main")  // one ref listing; a pack only when there is news
//	files, err := snap.Files("deploy")          // every file below deploy, in order
//	text, err := snap.Read(files[0], limit)     // the blob, its hash checked
//	c, err := snap.Commit(ctx, edits, how)      // blobs, trees and commit, proven to hold the edits only
//	err = repo.Push(ctx, c, "main")             // compare-and-swap, read back; errors.Is(err, ErrMoved)
//
// A program that only reads what another one fetched opens the store by its path with
// [OpenStore] and asks for the revision with [Store.Snapshot].
//
// # What it refuses
//
// Local paths, file:, git: and ext:: addresses; passwords in a URL; unknown or changed ssh host
// keys, without a way to switch that off; a store that is not the caller's own, that others can
// read, or that borrows objects from elsewhere; an object whose bytes don't match its name; and
// any push that is not the one step from the remote's tip to its child, but for the one of
// [Repo.PushReview], which resets a branch that nobody deploys and that has not moved since it was read.
//
// # Depth
//
// A store is always complete down to the first commit. Nothing here fetches with a depth: a
// store that mixes depths loses objects without a word. When a store has many packs the next fetch
// brings all of it anew as one, and what no branch or tag leads to any more is gone then.
//
// # Errors
//
// Errors of this package name the URL as it was configured, never as insteadOf rewrote it, and
// hold no credential. [Code] gives a stable word for a program, [Hint] one sentence on what to do.
package gitrepo
