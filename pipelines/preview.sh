#!/bin/sh
# What gitops.sh would do, without doing it.
usage='preview.sh [flags] URL...

  git-fetch | scan-tags | pick-tag | bump-yaml --dry-run | kapply --dry-run | helm-reconcile --dry-run

The whole chain dry: commits nothing, changes nothing in the cluster, and shows the diff of the
commit, each object and each release that would change. Exit code 0, or 3 with
HELM_RECONCILE_FLAGS=--exit-code where a release would change.

Flags                Environment          Meaning
  --branch B           SLUICE_BRANCH        branch (default: the one that HEAD names)
  --path P             SLUICE_PATHS         folder or file in the repository; repeatable
  --name N             SLUICE_NAME          name of the source (default: last part of the URL)
  --sources FILE       SLUICE_SOURCES       list of sources in place of URLs
  URL...               SLUICE_URL           repositories
  --ssh-key FILE       SLUICE_SSH_KEY       key for git over ssh
  --known-hosts FILE   SLUICE_KNOWN_HOSTS   host keys for git over ssh
  --token-file FILE    SLUICE_TOKEN_FILE    token for git over https
  --mirror DIR         SLUICE_MIRROR        folder of the mirrors (default: in the cache of the user)
  --inventory NAME     SLUICE_INVENTORY     inventory of what was applied (default: default)
  --prune              SLUICE_PRUNE=true    delete what left the repository
  --timeout D          SLUICE_TIMEOUT       limit for each program (default: 10m)
  --output FORM        SLUICE_OUTPUT        json, table or results (default: results)
  --record FILE        SLUICE_RECORD        keep the whole stream
                       SLUICE_BIN           folder of the six programs
                       SLUICE_RUN           id of this run
                       GIT_FETCH_FLAGS, SCAN_TAGS_FLAGS, PICK_TAG_FLAGS, BUMP_YAML_FLAGS,
                       KAPPLY_FLAGS, HELM_RECONCILE_FLAGS
                                            further flags of one program

Example
  preview.sh --output table --prune git@git.example:team/config'

here=${0%/*}
[ "$here" != "$0" ] || here=.
# shellcheck source=lib.sh
. "$here/lib.sh"

stage git-fetch "$@" | stage scan-tags | stage pick-tag | stage bump-yaml --dry-run | stage kapply --dry-run |
	stage helm-reconcile last --dry-run &
finish "$!"
