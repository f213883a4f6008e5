#!/bin/sh
# From git to the cluster.
about='  git-fetch | kapply

Fetches the repositories and applies what stands there. kapply writes the results of both; its
exit code tells of both.'
example='KAPPLY_FLAGS=--wait sync.sh --prune --path deploy https://git.example/team/config'
cluster=yes

here=${0%/*}
[ "$here" != "$0" ] || here=.
[ -f "$here/lib.sh" ] || {
	echo "${0##*/}: error: lib.sh is not beside this script: call it by its own path, not by a link" >&2
	exit 2
}
# shellcheck source=lib.sh
. "$here/lib.sh"

stage git-fetch "$@" | stage kapply last &
finish "$!"
