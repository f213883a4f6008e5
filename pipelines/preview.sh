#!/bin/sh
# What gitops.sh would do, without doing it.
about='  git-fetch | scan-tags | pick-tag | bump-yaml --dry-run | kapply --dry-run | helm-reconcile --dry-run

The whole chain dry: commits nothing, changes nothing in the cluster, and shows the diff of the
commit, each object and each release that would change. Exit code 0, or 3 with
HELM_RECONCILE_FLAGS=--exit-code where a release would change.'
example='preview.sh --output table --prune git@git.example:team/config'
cluster=yes

here=${0%/*}
[ "$here" != "$0" ] || here=.
[ -f "$here/lib.sh" ] || {
	echo "${0##*/}: error: lib.sh is not beside this script: call it by its own path, not by a link" >&2
	exit 2
}
# shellcheck source=lib.sh
. "$here/lib.sh"

stage git-fetch "$@" | stage scan-tags | stage pick-tag | stage bump-yaml --dry-run | stage kapply --dry-run |
	stage helm-reconcile last --dry-run &
finish "$!"
