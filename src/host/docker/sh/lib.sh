# Stands before every body that talks to Docker. POSIX sh; names that begin with `dk_` belong to it.
#
#   dk_compose ARGS…   docker compose, without the detour through the docker command where its
#                      plugin is found (two processes less).
#   dk_get [-i] PATH…  GET from the engine over its socket, one process for all. Only inside $(…) or a
#                      pipe: it ends the shell that it runs in.
#   dk_all BEFORE FIELDS LIST [GUESS…]   the containers that GET LIST tells of, as rows (rows.awk) into
#                      dk_found, their ids into dk_ids, their names into dk_names: over the socket,
#                      by one process where GUESS… (ids or names) are just these. 1 = not known.
#                      With paths of images in dk_more it asks for these too, and dk_head has the word
#                      `here` where each is an image that is called as dk_refs says, one for one.
#   dk_these ID…       the rows of these, with BEFORE and FIELDS of the last dk_all. 1 = not known.
#   $ROOT/cache.compose   which file the plugin is, and its version: asking it costs as much as a
#                      look. Written by steps, never by a look; a lost or torn one costs time only.
#   $ROOT/cache.containers   names of the containers that were here last, as a guess for dk_all.
#                      Written by claims and their ends; a wrong one costs a process, nothing else.
#
# What a login shell exports must not change what a step does. Where the engine's own user keeps
# it (a socket of rootless Docker, its credentials) stays.
unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES COMPOSE_ENV_FILES COMPOSE_DISABLE_ENV_FILE \
	COMPOSE_PATH_SEPARATOR COMPOSE_PARALLEL_LIMIT COMPOSE_IGNORE_ORPHANS COMPOSE_REMOVE_ORPHANS \
	COMPOSE_CONVERT_WINDOWS_PATHS COMPOSE_COMPATIBILITY COMPOSE_EXPERIMENTAL COMPOSE_PROGRESS \
	COMPOSE_ANSI COMPOSE_STATUS_STDOUT COMPOSE_MENU COMPOSE_BAKE COMPOSE_HTTP_TIMEOUT \
	DOCKER_API_VERSION DOCKER_DEFAULT_PLATFORM DOCKER_CONTENT_TRUST DOCKER_CONTEXT DOCKER_DEBUG \
	DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_HIDE_LEGACY_COMMANDS DOCKER_CUSTOM_HEADERS
case ${DOCKER_HOST-} in unix://*) ;; *) unset DOCKER_HOST ;; esac
LC_ALL=C
export LC_ALL

# dk_plugin: where compose's plugin is, in the order of the docker command; empty where unknown.
dk_plugin=
for dk_dir in "${DOCKER_CONFIG:-${HOME-}/.docker}" /usr/local/lib/docker /usr/local/libexec/docker \
	/usr/lib/docker /usr/libexec/docker; do
	if [ -x "$dk_dir/cli-plugins/docker-compose" ]; then
		dk_plugin=$dk_dir/cli-plugins/docker-compose
		break
	fi
done
dk_compose() {
	if [ -n "$dk_plugin" ]; then "$dk_plugin" "$@"; else docker compose "$@"; fi
}
# Which file the plugin is, in one line. Only inside $(…), as dk_get.
dk_plugin_is() {
	exec stat -L -c '%n %i %s %Y %Z' "$dk_plugin" 2>/dev/null
}

# A process of the docker command costs 20 to 40 ms of CPU: so the engine is asked over its socket by
# curl where that is sure to be the same engine. What goes wrong on this short way is told by the
# long one, the docker command.
dk_sock=${DOCKER_HOST:-unix:///var/run/docker.sock}
dk_sock=${dk_sock#unix://}
dk_short() {
	[ -w "$dk_sock" ] && command -v curl >/dev/null || return 1
	# Another context may mean another engine.
	dk_x=${DOCKER_CONFIG:-${HOME-}/.docker}/config.json
	[ ! -e "$dk_x" ] || ! grep -q '"currentContext"' "$dk_x"
}
dk_get() {
	dk_i=
	[ "$1" != -i ] || { dk_i=-i; shift; }
	for dk_x; do
		shift
		set -- "$@" "http://docker/$dk_x"
	done
	exec curl -q -s -f $dk_i --fail-early -m 5 --noproxy '*' --unix-socket "$dk_sock" "$@" 2>/dev/null
}
dk_more=
# dk_rows_of PATH…: the answers through rows.awk: its head into dk_head, dk_ids, dk_names, the rows
# into dk_found.
dk_rows_of() {
	dk_x=$(dk_get -i "$@" $dk_more | awk -v head=1 -v before="$dk_before" -v fields="$dk_wanted" -v refs="${dk_more:+$dk_refs}" "$dk_rows")
	dk_more=
	# The shell splits in one go; to cut lines off such a text takes it a multiple of that.
	set -f
	IFS='
'
	set -- $dk_x
	[ $# -ge 3 ] || set -- none ids names
	dk_head=$1 dk_ids=${2#ids} dk_names=${3#names}
	shift 3
	dk_found=$*
	unset IFS
	set +f
}
dk_all() {
	dk_before=$1 dk_wanted=$2 dk_list=$3
	shift 3
	for dk_x; do
		shift
		set -- "$@" "containers/$dk_x/json"
	done
	dk_rows_of "$dk_list" "$@"
	case $dk_head in
	all' '*) ;;
	part' '*)
		dk_first=$dk_head
		dk_these $dk_ids || return 1
		dk_head=$dk_first
		;;
	*) return 1 ;;
	esac
}
dk_these() {
	dk_want=$* dk_found=
	[ $# -gt 0 ] || return 0
	for dk_x; do
		shift
		set -- "$@" "containers/$dk_x/json"
	done
	dk_rows_of "$@"
	dk_ids=$dk_want
	# The status of the left side of a pipe is lost: so the rows are counted.
	case $dk_head in "none $# "*) ;; *) return 1 ;; esac
}
