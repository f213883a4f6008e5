#!/bin/sh
# From git to the cluster.
usage='sync.sh [flags] URL...

  git-fetch | kapply

Fetches the repositories and applies what stands there. kapply writes the results of both; its
exit code tells of both.

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
                       GIT_FETCH_FLAGS, KAPPLY_FLAGS
                                            further flags of one program

Example
  KAPPLY_FLAGS=--wait sync.sh --prune --path deploy https://git.example/team/config'

here=${0%/*}
[ "$here" != "$0" ] || here=.
# shellcheck source=lib.sh
. "$here/lib.sh"

stage git-fetch "$@" | stage kapply last &
finish "$!"
