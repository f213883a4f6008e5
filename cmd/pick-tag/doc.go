// Pick-tag decides which tag each container image should have.
//
// Usage:
//
//	… | pick-tag [flags]
//	pick-tag --lines --policy POLICY [--current TAG]
//
// It reads a stream and writes one pick record for each image record: from and to, whether that is
// a change, and the reason, also where nothing changes. It asks nobody else: all that it needs is
// in the image record.
//
//	git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml
//
// # Policies
//
// A policy is kind:pattern.
//
//	glob:dev-*     the whole tag, * standing for any text; the newest by creation time.
//	               A pattern without a kind is a glob; without a policy it is glob:*
//	regexp:^v\d+$  RE2, anywhere in the tag unless anchored; the newest by creation time.
//	               regex: is the same
//	semver:~1.2    tags that read as a version and satisfy the constraint; the highest
//
// A constraint without a pre-release part matches no pre-release, and each of its parts needs its
// own: >=1.2.0-0, <2.0.0-0. The tag latest is chosen by glob:latest only. Of tags that are equal in
// the policy's order the current one stays; otherwise the last by name is taken.
//
// # Reasons
//
// A changed image has one of the first two reasons, or, with --allow-downgrade, older.
//
//	newer          the tag stands above the current one
//	replaced       the current tag has no place in the policy's order: the policy was changed, the
//	               tag is gone from the registry, or there was none
//	current        the current tag is the best
//	older          the best match stands below the current tag
//	not-automated  nobody asked for updates
//	locked         the workload is locked
//	ignored        the workload is ignored
//	pinned         the image names a digest
//	not-whole      the tag list is not whole: nothing is chosen from a part of it
//	no-match       no tag matches the policy
//	no-metadata    a tag that could be the best has no creation time
//	bad-policy     the policy does not parse; also an error with the place of the manifest
//
// # Alone
//
// With --lines it reads tags, one a line, and writes the chosen one:
//
//	crane ls alpine | pick-tag --lines --policy 'semver:~3.20'
//
// For glob and regexp each line also has the creation time, after a tab, as RFC 3339. Where no
// tag can be chosen it says why and exits 1. It cannot know whether the list is whole; --current
// names the tag in use, and keeps the choice from going down.
package main
