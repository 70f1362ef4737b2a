# Stands before every body that talks to Docker. POSIX sh; names that begin with `dk_` belong to it.
#
#   dk_compose ARGS…   docker compose, without the detour through the docker command where its
#                      plugin is found (two processes less).
#   dk_get [-i] PATH…  GET from the engine over its socket, one process for all; 1 = one failed.
#   dk_inspect BEFORE FIELDS ID…   containers as rows (rows.awk), over the socket.
#   $ROOT/cache.compose   which file the plugin is, and its version: asking it costs as much as a
#                      look. Written by steps, never by a look; a lost or torn one costs time only.
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
# Which file the plugin is, in one line.
dk_plugin_is() {
	stat -L -c '%n %i %s %Y %Z' "$dk_plugin" 2>/dev/null
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
	curl -q -s -f $dk_i --fail-early -m 5 --noproxy '*' --unix-socket "$dk_sock" "$@" 2>/dev/null
}
# dk_ids_of JSON: the ids in a list of containers, into dk_ids.
dk_ids_of() {
	dk_rest=$1 dk_ids=
	while :; do
		case $dk_rest in *'"Id":"'*) dk_rest=${dk_rest#*'"Id":"'} ;; *) return ;; esac
		dk_x=${dk_rest%%\"*}
		case $dk_x in *[!0-9a-f]*) ;; ????????????????????????????????????????????????????????????????) dk_ids="$dk_ids $dk_x" ;; esac
	done
}
dk_inspect() {
	dk_before=$1 dk_fields=$2
	shift 2
	for dk_x; do
		shift
		set -- "$@" "containers/$dk_x/json"
	done
	# The status of the left side of a pipe is lost: so the rows are counted.
	dk_x=$(dk_get "$@" | awk -v before="$dk_before" -v fields="$dk_fields" "$dk_rows") || return 1
	dk_n=0
	while IFS= read -r dk_line; do
		case $dk_line in c*) dk_n=$((dk_n + 1)) ;; esac
	done <<X
$dk_x
X
	[ "$dk_n" = $# ] && printf '%s\n' "$dk_x"
}
