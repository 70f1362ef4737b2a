# facts: what Docker says of this host. Read-only. Two processes of the docker command run side by
# side with two more: each costs tens of milliseconds of CPU.
dk_engine='root {{.DockerRootDir}}
engine [{{json .ServerVersion}},{{json .MemTotal}},{{json .NCPU}},{{json .DockerRootDir}},{{json .ServerErrors}},[{{with .ClientInfo}}{{range .Plugins}}{{if eq .Name "compose"}}{{json .Version}},{{end}}{{end}}{{end}}""]]'
# Fields are JSON, so that no name or label can break a line. Of labels only ours and compose's:
# others may hold anything. `index` for what the engine leaves out: a container without a health
# check, or that was never started, has no Health, and a plain field would end the whole template.
dk_container='c [{{json .Id}},{{json .Name}},{{json .Config.Image}},{{json .Image}},{{json .State.Status}},{{with index .State "Health"}}{{json .Status}}{{else}}"none"{{end}},{{json .RestartCount}},{{json .State.ExitCode}},{{json .State.OOMKilled}},{{json .State.StartedAt}},{{json .Created}},{{json .HostConfig.RestartPolicy.Name}},{{json .HostConfig.Memory}},{{json .HostConfig.NanoCpus}},{{json .HostConfig.NetworkMode}},{{json (index .NetworkSettings "Ports")}},{"":""{{range $k, $v := .Config.Labels}}{{if or (eq (truncate $k 7) "deploy.") (eq (truncate $k 19) "com.docker.compose.")}},{{json $k}}:{{json $v}}{{end}}{{end}}}]'

# space WORD PATH: free blocks, their size, free inodes, all inodes.
dk_space() {
	dk_x=$(stat -f -c '%a %S %d %c' "$2" 2>/dev/null) && printf 'space %s %s\n' "$1" "$dk_x"
}
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
	dk_sock=${DOCKER_HOST:-unix:///var/run/docker.sock}
	dk_sock=${dk_sock#unix://}
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
printf 'clock %s\n' "$(date +%s)"
dk_space state "$dk_state"
if command -v docker >/dev/null; then
	dk_socket
	dk_ask_containers | {
		dk_ask_engine
		cat
	}
else
	echo 'docker missing'
fi
