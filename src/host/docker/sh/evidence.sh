# evidence PROJECT: what is left of the project's containers, kept in $STATE/runs/$RUN/evidence and
# printed. Writing is best effort (the disk may be what failed); printing is not.
#
#   c [JSON]          a container (see dk_fields)
#   l <n> <text>      from the end of the log of the n-th container, with docker's time stamps
#   e [JSON]          what the engine saw: id, action, exit code
#   free <bytes>      memory that is available
#   space <blocks> <size>   free space where the engine keeps its data
#   kept <path>       where it was kept
dk_fields='c [{{json .Id}},{{json .Name}},{{json (index .Config.Labels "com.docker.compose.service")}},{{json .State.Status}},{{json .State.ExitCode}},{{json .State.OOMKilled}},{{json .RestartCount}},{{json .State.Error}},{{json .State.StartedAt}},{{json .State.FinishedAt}},{{with index .State "Health"}}{{json .Status}},{{json (index . "Log")}}{{else}}"none",null{{end}},{{json .Config.Image}},{{json .HostConfig.Memory}}]'
dk_dir=$STATE/runs/$RUN/evidence
# For the group that may use Docker, which could read the logs anyway, and nobody else.
umask 027
# Whether it can be kept, and what is shown, do not depend on each other.
{ mkdir -p "$dk_dir"; } 2>/dev/null || dk_dir=
dk_say() {
	printf '%s\n' "$2"
	[ -z "$dk_dir" ] || printf '%s\n' "$2" 2>/dev/null >"$dk_dir/$1"
}
dk_ids=$(timeout 10 docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$1" 2>/dev/null)
[ -z "$dk_ids" ] || dk_say containers "$(timeout 10 docker inspect --type container --format "$dk_fields" $dk_ids 2>/dev/null)"
# Not `--until 0s`: docker cuts that to whole seconds, and the end that is looked for is often younger.
dk_now=$(date +%s.%N)
case $dk_now in *[!0-9.]*) dk_now=$(($(date +%s) + 1)) ;; esac
dk_say events "$(timeout 10 docker events --since 24h --until "$dk_now" --filter type=container \
	--filter "label=com.docker.compose.project=$1" --filter event=die --filter event=oom \
	--filter event=kill --filter event=start --filter event=restart \
	--format 'e [{{json .Actor.ID}},{{json .Action}},{{json (index .Actor.Attributes "exitCode")}},{{json .Time}}]' 2>/dev/null |
	tail -n 100)"
dk_n=0 dk_count=0
for dk_id in $dk_ids; do dk_count=$((dk_count + 1)); done
dk_show=$((150 / (dk_count > 3 ? dk_count : 3)))
for dk_id in $dk_ids; do
	# Bounded three times: lines, bytes, and what is printed of them.
	dk_log=$(timeout 10 docker logs --timestamps --tail 200 "$dk_id" 2>&1 | tail -c 65536)
	[ -z "$dk_dir" ] || printf '%s\n' "$dk_log" 2>/dev/null >"$dk_dir/log.$dk_id"
	printf '%s\n' "$dk_log" | tail -n "$dk_show" | cut -b 1-2000 | sed "s/^/l $dk_n /"
	dk_n=$((dk_n + 1))
done
while read -r dk_key dk_x dk_unit; do
	[ "$dk_key" != MemAvailable: ] || printf 'free %s\n' "$((dk_x * 1024))"
done </proc/meminfo
dk_root=$(timeout 10 docker info --format '{{.DockerRootDir}}' 2>/dev/null)
stat -f -c 'space %a %S' "${dk_root:-/var/lib/docker}" 2>/dev/null || stat -f -c 'space %a %S' "$STATE"
if [ -n "$dk_dir" ]; then
	{ cat /proc/meminfo && df -P && df -Pi; } >"$dk_dir/host" 2>/dev/null
	printf 'kept %s\n' "$dk_dir"
fi
exit 0
