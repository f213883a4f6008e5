// Bump-yaml writes the picked images into the manifests in git, commits and pushes them.
//
// Usage:
//
//	… | bump-yaml [flags]
//	… | bump-yaml policy [flags] WORKLOAD...
//	… | bump-yaml release [flags] WORKLOAD...
//
// It reads a stream to its end and takes the pick records with changed:true. For each source
// they belong to it reads the files at the commit that the source record names, from the object
// store named there, changes the scalars that hold the image references, and nothing else in the
// file: comments, quotes, blank lines and line ends stay as they are. All changes of one source
// become one commit, which is pushed onto the branch that the source was fetched from.
//
//	git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml | kapply
//
// With --only GLOB it takes the picks of some workloads. A glob, in which * stands for any text, must
// match the whole of a workload's name: namespace/kind/name, or namespace:kind/name as Flux wrote it;
// kind or kind.group, in any case of letters. One without a namespace is kind/name, and default/kind/name.
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
// Only the files that are edited are read. What else lies in the repository, broken or not, is none
// of its business.
//
// # The commit
//
// The message is Flux's: "Auto-release IMAGE", or "Auto-release multiple (N) images" and a line for
// each. --message TEMPLATE writes another, in the language of Go's text/template, over a value with
//
//	.Edits    the changed scalars, each with .File .Line .ID .Container .Annotation .Old .New
//	.Images   the references that the commit brings, each once, sorted
//	.Source   the source's name
//	.Branch   the branch that is committed to, and .Base the one that a review is for
//
// and the function join. A template that fails is wrong use, and noticed before anything is done.
// --ci-skip ends the message with a blank line and "[ci skip]", --ci-skip-message with another text.
// --user and --email name the one who commits, --author 'NAME <ADDRESS>' another as the author.
//
// --signing-key FILE signs the commit. The file's content says how: with an OpenPGP private key,
// armored or binary, or with an ssh private key (git's gpg.format ssh). Its passphrase, where it has
// one, stands in the file of --signing-passphrase-file or in SLUICE_SIGNING_PASSPHRASE.
//
// # Pushing
//
// The commit's parent is the tip of the remote's branch, the push is compare-and-swap, and the
// branch is read back afterwards. There is no force. Where the remote has moved since git-fetch,
// the whole source is read anew at its new tip, and the picks whose images are still written
// there, under the same policy, are made again; twenty times at most. A push that the server
// rejects is an error with the server's words.
//
// With --push-branch NAME the commit goes to a branch for review, and the deployed branch stays as it
// is. NAME is reset to the deployed branch each time and holds the one commit on top of it: what
// else it held is lost, so it is nobody's to work on. That is the one push with force there is: from
// the commit that the branch was seen at a moment before, while the deployed branch has not moved,
// and never onto the deployed branch or the one that the repository's HEAD names. A branch that
// holds the same content on the same base is left alone; the commit record names what it holds.
//
// # What follows in the pipe
//
// Once the push is confirmed the source record and the changed manifests are replaced in the
// stream, so that what follows deploys what was committed. Where the remote had moved all
// manifests of the source are replaced by those of the new commit. Where nothing was pushed they
// stay as they were. A manifest that another stage has changed on the way keeps its record; its
// edit is committed, and an error says that the two differ. Transforming stages belong behind
// bump-yaml. With --push-branch nothing is replaced: what awaits review is not deployed.
//
// Without a changed pick there is no network traffic, and the stream passes byte for byte.
//
// # Dry run
//
// With --dry-run nothing is committed and no server is asked. The edits are shown as a diff on
// standard error, the commit record and the manifests in the stream are marked as planned. A
// stage that would write refuses them unless it runs dry itself. With --exit-code too, the exit
// code is 3 where there are edits.
//
// # Policies
//
// bump-yaml policy changes the annotations that are a workload's policies, in git, with the same
// edits, commits and pushes:
//
//	git-fetch … | bump-yaml policy --automate --tag 'web=semver:~1.4' demo/deployment/web
//	git-fetch … | bump-yaml policy --lock --user-name Ann --message 'Wait for the audit.' demo:deployment/web
//	git-fetch … | bump-yaml policy --deautomate --all
//
// The names of workloads are as for --only, without globs. One that is unknown, or that several objects
// have, ends the run before anything is done. An annotation that is there keeps its key. A pattern that
// does not parse is refused; * takes it away. --unlock takes away who locked and why, too.
//
// # Releases
//
// bump-yaml release changes images whatever the policies say, but for workloads that are locked, unless
// --force names them, and for ignored ones:
//
//	git-fetch … | bump-yaml release --image registry.example/web:1.4.2 demo/deployment/web
//	git-fetch … | scan-tags --all | pick-tag | bump-yaml release --latest demo/deployment/web
//
// --image takes the tag, and the digest, to every container whose image has that name, however it is
// spelt. An image that is pinned to a digest needs one. Nobody asks the registry whether there is such
// a tag. --latest takes what pick-tag chose, also where it left it because the workload is locked or
// nobody asked for updates. Other picks in the stream are left alone by both commands.
//
// Messages are Flux's: "Release IMAGE to WORKLOADS", "Automated: WORKLOADS" and so on. What --message
// says comes first.
package main
