#!/bin/sh
# From a registry to git.
about='  git-fetch | scan-tags | pick-tag | bump-yaml

Fetches the repositories and commits newer images where a policy asks for them. The cluster is
not touched. bump-yaml writes the results of all; its exit code tells of all.'
example='SCAN_TAGS_FLAGS="--rps 5" update-images.sh --token-file /run/secrets/token https://git.example/team/config'
cluster=no

here=${0%/*}
[ "$here" != "$0" ] || here=.
[ -f "$here/lib.sh" ] || {
	echo "${0##*/}: error: lib.sh is not beside this script: call it by its own path, not by a link" >&2
	exit 2
}
# shellcheck source=lib.sh
. "$here/lib.sh"

stage git-fetch "$@" | stage scan-tags | stage pick-tag | stage bump-yaml last &
finish "$!"
