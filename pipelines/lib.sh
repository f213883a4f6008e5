# shellcheck shell=sh
# What the scripts beside this file share: their settings, and the supervision of a pipe.
# It is sourced with $about (the text of --help), $example and $cluster (yes where the pipe changes
# one) set. It uses no program but the six, so that it runs in an image that holds nothing else, and
# needs nothing beyond POSIX sh.

help() {
	echo "${0##*/} [flags] URL...

$about

  Flag                 Environment          Meaning
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
                       SLUICE_RUN           id of this run"
	[ "$cluster" != yes ] || echo "\
  --inventory NAME     SLUICE_INVENTORY     inventory of what was applied (default: default)
  --prune              SLUICE_PRUNE=true    delete what left the repository"
	echo "
Further flags of one program: GIT_FETCH_FLAGS, SCAN_TAGS_FLAGS, PICK_TAG_FLAGS, BUMP_YAML_FLAGS,
KAPPLY_FLAGS, HELM_RECONCILE_FLAGS, split at blanks.

Example
  $example"
}

# setting NAME VALUE: a flag wins over the environment.
setting() { eval "$1=\$2"; }

fail() {
	echo "${0##*/}: error: $1" >&2
	echo "${0##*/}: hint: ${0##*/} --help shows the settings" >&2
	exit 2
}

# The flags of git-fetch and its URLs are kept as "$@"; the rest become variables.
left=$#
urls=0 branch='' paths='' name='' sources=''
while [ "$left" -gt 0 ]; do
	flag=$1
	shift
	left=$((left - 1))
	case $flag in
	--help | -h)
		help
		exit 0
		;;
	--prune)
		[ "$cluster" = yes ] || fail "$flag is for pipes that change a cluster"
		SLUICE_PRUNE=true
		continue
		;;
	--)
		fail "-- is not needed: flags and URLs may stand in any order"
		;;
	--*=*)
		value=${flag#*=}
		flag=${flag%%=*}
		;;
	--*)
		[ "$left" -gt 0 ] || fail "$flag needs a value"
		value=$1
		shift
		left=$((left - 1))
		;;
	-*) fail "unknown flag: $flag" ;;
	*)
		set -- "$@" "$flag"
		urls=1
		continue
		;;
	esac
	case $flag in
	--branch)
		branch=given
		set -- "$@" "$flag" "$value"
		;;
	--path)
		paths=given
		set -- "$@" "$flag" "$value"
		;;
	--name)
		name=given
		set -- "$@" "$flag" "$value"
		;;
	--sources)
		sources=given
		set -- "$@" "$flag" "$value"
		;;
	--mirror) setting SLUICE_MIRROR "$value" ;;
	--ssh-key) setting SLUICE_SSH_KEY "$value" ;;
	--known-hosts) setting SLUICE_KNOWN_HOSTS "$value" ;;
	--token-file) setting SLUICE_TOKEN_FILE "$value" ;;
	--inventory)
		[ "$cluster" = yes ] || fail "$flag is for pipes that change a cluster"
		setting SLUICE_INVENTORY "$value"
		;;
	--timeout) setting SLUICE_TIMEOUT "$value" ;;
	--output) setting SLUICE_OUTPUT "$value" ;;
	--record) setting SLUICE_RECORD "$value" ;;
	*) fail "unknown flag: $flag" ;;
	esac
done
# What no flag says, the environment does. Branch, name and paths are about URLs: a list of sources
# has its own.
if [ "$urls" = 0 ] && [ -z "$sources" ]; then
	for url in ${SLUICE_URL-}; do
		set -- "$@" "$url"
		urls=1
	done
fi
if [ "$urls" = 0 ] && [ -z "$sources" ]; then
	[ -n "${SLUICE_SOURCES-}" ] || fail "no URL: give one, or set SLUICE_URL or SLUICE_SOURCES"
	set -- "$@" --sources "$SLUICE_SOURCES"
fi
if [ "$urls" = 1 ]; then
	[ -n "$branch" ] || [ -z "${SLUICE_BRANCH-}" ] || set -- --branch "$SLUICE_BRANCH" "$@"
	[ -n "$name" ] || [ -z "${SLUICE_NAME-}" ] || set -- --name "$SLUICE_NAME" "$@"
	[ -n "$paths" ] || for path in ${SLUICE_PATHS-}; do set -- --path "$path" "$@"; done
fi
case ${SLUICE_PRUNE:=false} in
true | false) ;;
*) fail "SLUICE_PRUNE is true or false, not $SLUICE_PRUNE" ;;
esac
# A last program that stops at its flags must not be found out by those before it.
case ${SLUICE_OUTPUT:=results} in
json | table | results) ;;
*) fail "--output is json, table or results, not $SLUICE_OUTPUT" ;;
esac

# The six are called by absolute path: under a git hook, an alias or git bisect run, git's own
# git-fetch comes first on PATH.
if [ -z "${SLUICE_BIN-}" ]; then
	SLUICE_BIN=$here
	[ -x "$SLUICE_BIN/git-fetch" ] || SLUICE_BIN=$here/../bin
fi
SLUICE_BIN=$(cd "$SLUICE_BIN" 2>/dev/null && pwd) || fail "the folder of the six programs is not there: set SLUICE_BIN"
[ -x "$SLUICE_BIN/git-fetch" ] || fail "git-fetch is not in $SLUICE_BIN: set SLUICE_BIN"

# One run id for all stages; a random one where the system gives it.
if [ -z "${SLUICE_RUN-}" ]; then
	read -r SLUICE_RUN 2>/dev/null </proc/sys/kernel/random/uuid || SLUICE_RUN=$$
fi
export SLUICE_RUN

# stage NAME [last] [FLAG...]: becomes that program, with those of the settings that it takes.
# The settings of single programs are split at blanks, as a user of them expects.
# shellcheck disable=SC2086
stage() {
	name=$1
	shift
	last=
	if [ "${1-}" = last ]; then
		last=yes
		shift
	fi
	case $name in
	git-fetch) set -- ${GIT_FETCH_FLAGS-} "$@" ;;
	scan-tags) set -- ${SCAN_TAGS_FLAGS-} "$@" ;;
	pick-tag) set -- ${PICK_TAG_FLAGS-} "$@" ;;
	bump-yaml) set -- ${BUMP_YAML_FLAGS-} "$@" ;;
	kapply) set -- ${KAPPLY_FLAGS-} "$@" ;;
	helm-reconcile) set -- ${HELM_RECONCILE_FLAGS-} "$@" ;;
	esac
	case $name in
	git-fetch | bump-yaml | helm-reconcile)
		[ -z "${SLUICE_SSH_KEY-}" ] || set -- --ssh-key "$SLUICE_SSH_KEY" "$@"
		[ -z "${SLUICE_KNOWN_HOSTS-}" ] || set -- --known-hosts "$SLUICE_KNOWN_HOSTS" "$@"
		[ -z "${SLUICE_TOKEN_FILE-}" ] || set -- --token-file "$SLUICE_TOKEN_FILE" "$@"
		;;
	esac
	case $name in
	git-fetch | helm-reconcile)
		[ -z "${SLUICE_MIRROR-}" ] || set -- --mirror "$SLUICE_MIRROR" "$@"
		;;
	esac
	case $name in
	kapply | helm-reconcile)
		[ -z "${SLUICE_INVENTORY-}" ] || set -- --inventory "$SLUICE_INVENTORY" "$@"
		[ "$SLUICE_PRUNE" != true ] || set -- --prune "$@"
		;;
	esac
	[ -z "${SLUICE_TIMEOUT-}" ] || set -- --timeout "$SLUICE_TIMEOUT" "$@"
	if [ -n "$last" ]; then
		[ -z "${SLUICE_RECORD-}" ] || set -- --record "$SLUICE_RECORD" "$@"
		set -- --output "$SLUICE_OUTPUT" "$@"
	fi
	exec "$SLUICE_BIN/$name" "$@"
}

# finish PID: waits for a pipe in the background, PID being its last program, and exits as that
# does. The shell would keep TERM to itself until the pipe has ended; so the pipe runs in the
# background, and each program of it is told.
finish() {
	# A shell that cannot trap signals (gosh) leaves that to whoever started it.
	{
		trap 'tell 143' TERM
		trap 'tell 129' HUP
		# At a terminal Ctrl-C reaches every program by itself.
		trap ':' INT
	} 2>/dev/null
	wait "$1"
	code=$?
	# A trap ends wait, not the program: wait again for what it says when it has stopped.
	while kill -0 "$1" 2>/dev/null; do
		wait "$1"
		code=$?
	done
	wait
	exit "${told:-$code}"
}

# tell CODE: TERM to every program of the pipe, and the code to exit with when they have stopped.
tell() {
	told=$1
	programs=
	read -r programs 2>/dev/null <"/proc/$$/task/$$/children"
	# shellcheck disable=SC2086
	kill -TERM ${programs:-$!} 2>/dev/null
}
