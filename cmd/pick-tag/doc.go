// Pick-tag decides which tag each container image should have.
//
// Usage:
//
//	… | pick-tag [flags]
//	pick-tag --lines --policy POLICY [--current TAG] [flags]
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
//	alphabetical:^main-[0-9a-f]+-(.*)$
//	               RE2 as for regexp; the last by the text that the first group captures, byte for
//	               byte. Without a group it is the whole match; alphabetical:.* orders whole tags
//	numerical:^build-([0-9]+)-
//	               the same, the text being a decimal number of any size; the highest. A tag
//	               whose text is no number does not match
//
// A pattern that is invalid matches nothing: it is an error at the place of the manifest, with the key
// of the annotation, and the image stays.
//
// The tag latest, however its letters are written, is chosen by glob:latest only. Of tags that are equal
// in the policy's order (the same creation time, versions of the same precedence, the same text or
// number) the current one stays; otherwise the last by name is taken.
//
// # Versions
//
// v1, 1.2 and 01.2.3 are versions, and so are dates and bare numbers: 20200101 is a huge major version,
// which the pick points out where it wins over others. With --strict-semver a version is
// MAJOR.MINOR.PATCH, without zeros in front and with or without a leading v; a pre-release may follow.
// 1.2, 20200101, 1234567 and 2020-01-01 are no versions then; 2020.11.12 still is one.
//
// A constraint matches no pre-release unless one of its versions names one: semver:^1.2.0-0. One is
// enough for all that stand between two ||.
//
// # Never down
//
// What stands below the current tag in the policy's order is not taken, unless --allow-downgrade is
// given: below by creation time, by version, by text or number. A current tag that has no place in that
// order, because the policy was changed or the tag is gone from the registry, is replaced by the best
// one, and the pick says so. A version has its place also where the constraint leaves it out. Of a list
// that is not whole nothing is chosen at all.
//
// # Minimum age
//
// The annotation sluice.dev/min-age: 24h of a workload, or sluice.dev/min-age.CONTAINER, or scan-tags
// --min-age, has nothing taken whose image was created less than that ago; the best of those that are
// old enough is. --min-age here is for image records that say nothing of an age, and then scan-tags has
// not read the creation times that policies other than glob and regexp need for it. Ages are
// judged at the time at which the stage that wrote the image record began, so that the same stream gives
// the same picks. An image whose builder dated it 1970, as some do, is old.
//
// # Digests
//
// An image that names a tag and a digest, name:1.2@sha256:…, gets the chosen tag with its digest. Where
// the tag stays and names another digest now, that is a change too: retagged. A digest without a tag
// stays as it is.
//
// # Reasons
//
// A changed image has one of the first three reasons, or, with --allow-downgrade, older.
//
//	newer          the tag stands above the current one
//	replaced       the current tag has no place in the policy's order: the policy was changed, the
//	               tag is gone from the registry, or there was none
//	retagged       the tag stays, and names another digest now
//	current        the current tag is the best
//	older          the best match stands below the current tag
//	too-young      what stands above the current tag is younger than the minimum age
//	not-automated  nobody asked for updates
//	locked         the workload is locked
//	ignored        the workload is ignored
//	pinned         the image names a digest and no tag
//	not-whole      the tag list is not whole: nothing is chosen from a part of it
//	no-match       no tag matches the policy
//	no-metadata    a tag that could be the best has no creation time, or no digest, and needs one
//	bad-policy     the policy or the minimum age does not parse; also an error with the place
//
// An image that is locked or not automated, and whose tags were listed (scan-tags --all), has in
// available what its policy would choose, or a message that says why there is nothing.
//
// # Explain
//
// With --explain each pick also has all tags of the list in candidates, best first, with a verdict:
//
//	chosen       the tag to run; it may be the current one
//	older        matches, and stands below the chosen or the current one
//	too-young    matches, and is younger than the minimum age
//	no-metadata  matches, and has no creation time, or no digest, where one is needed
//	pre-release  of a version that would match; the constraint names no pre-release
//	not-semver   reads as no version
//	filtered     does not match
//
// At a terminal, or with --output table, they make a table under each pick:
//
//	git-fetch https://git.example/team/config.git | scan-tags | pick-tag --explain --output table
//
// # Alone
//
// With --lines it reads tags, one a line, and writes the chosen one:
//
//	crane ls alpine | pick-tag --lines --policy 'semver:~3.20'
//
// For glob, regexp and --min-age each line also has the creation time, after a tab, as RFC 3339. Where
// no tag can be chosen it says why and exits 1. It cannot know whether the list is whole; --current
// names the tag in use, and keeps the choice from going down. With --explain it writes each tag with its
// verdict, and with a word more where there is one, tabs between them.
package main
