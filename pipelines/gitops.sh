#!/bin/sh
# The whole chain: from a pushed image to a changed cluster.
about='  git-fetch | scan-tags | pick-tag | bump-yaml | kapply | helm-reconcile

Fetches the repositories, commits newer images, applies what then stands there, reconciles the
Helm releases. The last program writes the results of all; its exit code tells of all.'
example='KAPPLY_FLAGS="--skip HelmRelease.helm.fluxcd.io" gitops.sh --prune git@git.example:team/config'
cluster=yes

here=${0%/*}
[ "$here" != "$0" ] || here=.
[ -f "$here/lib.sh" ] || {
	echo "${0##*/}: error: lib.sh is not beside this script: call it by its own path, not by a link" >&2
	exit 2
}
# shellcheck source=lib.sh
. "$here/lib.sh"

stage git-fetch "$@" | stage scan-tags | stage pick-tag | stage bump-yaml | stage kapply | stage helm-reconcile last &
finish "$!"
