# facts [TAG REF]…: what Docker says of this host. Read-only. Pairs of the name that an image keeps here
# and the `repository@sha256:…` that it must stand for: `images here` where the engine has all of them so.
# Anything else is no answer: the pull asks again.
#
# `docker info` costs 100 ms of CPU; the short way (see lib.sh) asks for nothing like it.
dk_engine='root {{.DockerRootDir}}
engine [{{json .ServerVersion}},{{json .MemTotal}},{{json .NCPU}},{{json .DockerRootDir}},{{json .ServerErrors}},[{{with .ClientInfo}}{{range .Plugins}}{{if eq .Name "compose"}}{{json .Version}},{{end}}{{end}}{{end}}""]]'
# Fields are JSON, so that no name or label can break a line. Of labels only ours and compose's:
# others may hold anything. `index` for what the engine leaves out: a container without a health
# check, or that was never started, has no Health, and a plain field would end the whole template.
dk_container='c [{{json .Id}},{{json .Name}},{{json .Config.Image}},{{json .Image}},{{json .State.Status}},{{with index .State "Health"}}{{json .Status}}{{else}}"none"{{end}},{{json .RestartCount}},{{json .State.ExitCode}},{{json .State.OOMKilled}},{{json .State.StartedAt}},{{json .Created}},{{json .HostConfig.RestartPolicy.Name}},{{json .HostConfig.Memory}},{{json .HostConfig.NanoCpus}},{{json .HostConfig.NetworkMode}},{{json (index .NetworkSettings "Ports")}},{"":""{{range $k, $v := .Config.Labels}}{{if or (eq (truncate $k 7) "deploy.") (eq (truncate $k 19) "com.docker.compose.")}},{{json $k}}:{{json $v}}{{end}}{{end}}}]'

# The same fields for rows.awk.
dk_values='Id="" Name="" Config.Image="" Image="" State.Status="" State.Health.Status="none" RestartCount=0 State.ExitCode=0 State.OOMKilled=false State.StartedAt="" Created="" HostConfig.RestartPolicy.Name="" HostConfig.Memory=0 HostConfig.NanoCpus=0 HostConfig.NetworkMode="" NetworkSettings.Ports{}=null Config.Labels.*=-'

# space WORD PATH: free blocks, their size, free inodes, all inodes. What the record has asked is not
# asked again.
dk_space() {
	if [ "$1 $2" = 'docker /var/lib/docker' ] && [ -n "${docker_space-}" ]; then
		printf 'space docker %s\n' "$docker_space"
		return
	fi
	dk_x=$(stat -f -c '%a %S %d %c' "$2" 2>/dev/null) && printf 'space %s %s\n' "$1" "$dk_x"
}
# dk_images_too TAG REF…: asks for them in the same go.
dk_images_too() {
	# Where images are removed at this moment, they are not here for long. A release of ours is in the
	# record already, so that whoever removes images after this question keeps its own.
	dk_lock=${ROOT:-/var/lib/deploy}/prune.lock
	if [ -e "$dk_lock" ]; then
		{ command exec 7<"$dk_lock"; } 2>/dev/null && flock -s -n 7 || return
	fi
	dk_more= dk_refs=
	while [ $# -gt 1 ]; do
		case $1$2 in *[!A-Za-z0-9._/:@-]*) dk_more= && return ;; esac
		dk_more="$dk_more images/$1/json" dk_refs="$dk_refs $2"
		shift 2
	done
}
# The short way; 1 = it cannot be gone.
dk_ask_socket() {
	[ -n "$dk_plugin" ] && dk_short || return 1
	dk_more=
	[ $# = 0 ] || dk_images_too "$@"
	dk_guess=
	{ IFS= read -r dk_guess <"${ROOT:-/var/lib/deploy}/cache.containers"; } 2>/dev/null
	case $dk_guess in
	*[!A-Za-z0-9_.\ -]*) dk_guess= ;;
	*' .') dk_guess=${dk_guess% .} ;;
	*) dk_guess= ;;
	esac
	# Which engine it is stands in the head of its answer; GET /version would start two processes.
	dk_all ResolvConfPath "$dk_values" 'containers/json?all=1' $dk_guess || return 1
	dk_version=${dk_head##* }
	case $dk_head in *' here '*) echo 'images here' ;; esac
	[ "$dk_version" != - ] || return 1
	# The data directory stands before `/containers/` in paths of containers; else it costs a question.
	dk_root=${dk_found#'before "'}
	dk_root=${dk_root%%/containers/*}
	case $dk_root in
	/*[!A-Za-z0-9._/-]*) dk_root= ;;
	/*) ;;
	*) dk_root= ;;
	esac
	if [ -z "$dk_root" ]; then
		dk_root=$(dk_get info | grep -o '"DockerRootDir":"[^"\\]*"' | cut -d '"' -f 4)
		[ -n "$dk_root" ] || return 1
	fi
	dk_compose_version || return 1
	read -r dk_x dk_memory dk_x </proc/meminfo
	{ read -r dk_cpus </sys/devices/system/cpu/online; } 2>/dev/null || dk_cpus=
	printf 'version %s\nroot %s\ncompose %s\nmemory %s\ncpus %s\n' \
		"$dk_version" "$dk_root" "$dk_compose" "$dk_memory" "${dk_cpus:-0-$(($(nproc) - 1))}"
	dk_space docker "$dk_root"
	printf '%s\ncontainers ok\n' "$dk_found"
	# For the next looks. No look writes it, but the scripts that are about to write anyway.
	[ -z "${may_write-}" ] || [ "${dk_names# }" = "$dk_guess" ] ||
		{ printf '%s .\n' "${dk_names# }" >"$ROOT/cache.containers"; } 2>/dev/null
	return 0
}
# dk_compose_version: into dk_compose.
dk_compose_version() {
	dk_is=$(dk_plugin_is) || return
	dk_known=
	{ IFS= read -r dk_known <"${ROOT:-/var/lib/deploy}/cache.compose"; } 2>/dev/null
	case $dk_known in
	"$dk_is "*" .")
		dk_compose=${dk_known#"$dk_is "}
		dk_compose=${dk_compose% .}
		;;
	*) dk_compose=$(timeout 10 "$dk_plugin" version --short 2>/dev/null) ;;
	esac
}
# The long way: version, compose, data directory in one call.
dk_ask_engine() {
	dk_root=
	dk_x=$(timeout 10 docker info --format "$dk_engine" 2>&1)
	printf 'asked %s\n' "$?"
	while IFS= read -r dk_line; do
		case $dk_line in
		'root '*) dk_root=${dk_line#root } ;;
		'engine ['*) printf '%s\n' "$dk_line" ;;
		*) printf 'note %s\n' "$dk_line" ;;
		esac
	done <<X
$dk_x
X
	[ -z "$dk_root" ] || dk_space docker "$dk_root"
}
# A container may go between the two questions: then both are asked again.
dk_ask_containers() {
	for dk_try in 1 2 3; do
		dk_ids=$(timeout 10 docker ps -aq --no-trunc 2>/dev/null) || break
		dk_x=
		[ -z "$dk_ids" ] || dk_x=$(timeout 10 docker inspect --type container --format "$dk_container" $dk_ids 2>/dev/null) || continue
		printf '%s\ncontainers ok\n' "$dk_x"
		return
	done
	echo 'containers failed'
}
dk_socket() {
	if [ ! -S "$dk_sock" ]; then
		echo 'socket absent'
	elif [ ! -w "$dk_sock" ]; then
		echo 'socket denied'
	fi
}
# The nearest directory that exists: before the first claim there is none of ours.
dk_state=${STATE:-/var/lib/deploy}
while [ ! -d "$dk_state" ]; do
	dk_state=${dk_state%/*}
	dk_state=${dk_state:-/}
done
# What the record has just asked is not asked again.
printf 'clock %s\n' "${wall:-$(date +%s)}"
if [ -n "${state_space-}" ]; then printf 'space state %s\n' "$state_space"; else dk_space state "$dk_state"; fi
if ! command -v docker >/dev/null; then
	echo 'docker missing'
elif ! dk_ask_socket "$@"; then
	dk_socket
	dk_ask_containers | {
		dk_ask_engine
		cat
	}
fi
