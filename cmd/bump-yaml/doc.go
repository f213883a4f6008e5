// Bump-yaml writes the picked images into the manifests in git, commits and pushes them.
//
// Usage:
//
//	… | bump-yaml [flags]
//
// It reads a stream to its end and takes the pick records with changed:true. For each source
// they belong to it reads the files at the commit that the source record names, from the object
// store named there, changes the scalars that hold the image references, and nothing else in the
// file: comments, quotes, blank lines and line ends stay as they are. All changes of one source
// become one commit, which is pushed onto the branch that the source was fetched from.
//
//	git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml | kapply
//
// # What it refuses
//
// A pick that cannot be applied safely is an error record with file and line, and the others go
// ahead: the scalar no longer holds the reference that the pick names, the object is not the one
// that the pick names, the reference is written over several lines or made by a template, two
// users of one YAML anchor want different images. The edited file is read again, by the same code
// that git-fetch reads it with, and must hold the same objects with the same content but for the
// picked references.
//
// # Pushing
//
// The commit's parent is the tip of the remote's branch, the push is compare-and-swap, and the
// branch is read back afterwards. There is no force. Where the remote has moved since git-fetch,
// the whole source is read anew at its new tip, and the picks whose images are still written
// there, under the same policy, are made again; five times at most. A push that the server
// rejects is an error with the server's words.
//
// # What follows in the pipe
//
// Once the push is confirmed the source record and the changed manifests are replaced in the
// stream, so that what follows deploys what was committed. Where the remote had moved all
// manifests of the source are replaced by those of the new commit. Where nothing was pushed they
// stay as they were. A manifest that another stage has changed on the way keeps its record; its
// edit is committed, and an error says that the two differ. Transforming stages belong behind
// bump-yaml.
//
// Without a changed pick there is no network traffic, and the stream passes byte for byte.
//
// # Dry run
//
// With --dry-run nothing is committed and no server is asked. The edits are shown as a diff on
// standard error, the commit record and the manifests in the stream are marked as planned. A
// stage that would write refuses them unless it runs dry itself. With --exit-code too, the exit
// code is 3 where there are edits.
package main
