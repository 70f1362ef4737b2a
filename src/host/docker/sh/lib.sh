# Stands before every body that talks to Docker. POSIX sh; names that begin with `dk_` belong to it.
#
#   dk_compose ARGS…   docker compose, without the detour through the docker command where its
#                      plugin is found (two processes less).
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
