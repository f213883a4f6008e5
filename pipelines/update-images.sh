#!/bin/sh
# From a registry to git.
usage='update-images.sh [flags] URL...

  git-fetch | scan-tags | pick-tag | bump-yaml

Fetches the repositories and commits newer images where a policy asks for them. The cluster is
not touched. bump-yaml writes the results of all; its exit code tells of all.

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
  --timeout D          SLUICE_TIMEOUT       limit for each program (default: 10m)
  --output FORM        SLUICE_OUTPUT        json, table or results (default: results)
  --record FILE        SLUICE_RECORD        keep the whole stream
                       SLUICE_BIN           folder of the six programs
                       SLUICE_RUN           id of this run
                       GIT_FETCH_FLAGS, SCAN_TAGS_FLAGS, PICK_TAG_FLAGS, BUMP_YAML_FLAGS
                                            further flags of one program

Example
  SCAN_TAGS_FLAGS="--rps 5" update-images.sh --token-file /run/secrets/token https://git.example/team/config'

here=${0%/*}
[ "$here" != "$0" ] || here=.
# shellcheck source=lib.sh
. "$here/lib.sh"

stage git-fetch "$@" | stage scan-tags | stage pick-tag | stage bump-yaml last &
finish "$!"
