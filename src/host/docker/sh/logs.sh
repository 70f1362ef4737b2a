# logs TAIL SINCE FOLLOW FOLDER PROJECTS [PROJECT…] [SERVICE…]: what containers of the projects said.
# TAIL: lines of each container, or `all`. SINCE: seconds back, or `-`. FOLLOW: yes or no. PROJECTS:
# how many of the words that follow are projects; the rest are services, none = all. FOLDER: the app's
# record, for what was adopted and has no labels (see up.sh).
#
#   s <n> <project> <service> <container>   the n-th stream
#   l <n> <text>                            a line of it, with docker's time stamp in front
#   r <n>                                   from here on lines may repeat earlier ones of that stream
#   x <n>                                   it has ended
dk_tail=$1 dk_since=$2 dk_follow=$3 dk_folder=$4 dk_projects=$5
shift 5
[ "$dk_since" = - ] && dk_since= || dk_since=${dk_since}s

# The wanted containers, a line each: id, project, service, name. Nothing in them has blanks.
dk_list() {
	dk_all=
	[ "$dk_follow" = yes ] || dk_all=-a
	timeout 10 docker ps $dk_all --no-trunc --filter label=com.docker.compose.project --format \
		'{{.ID}} {{.Label "com.docker.compose.project"}} {{.Label "com.docker.compose.service"}} {{.Names}}' 2>/dev/null |
		{ cat; dk_list_adopted; } |
		while read -r dk_id dk_project dk_service dk_name; do
			dk_wanted "$dk_project" "$dk_service" "$@" && printf '%s\n' "$dk_id $dk_project $dk_service $dk_name"
		done
}
# The same of what was adopted, where it is what a slot holds.
dk_list_adopted() {
	dk_env=${dk_folder%/*}
	for dk_x in "$dk_folder"/slots/*; do
		dk_slot=${dk_x##*/} dk_held=
		{ read -r dk_y dk_held dk_y <"$dk_x"; } 2>/dev/null
		dk_x=$dk_folder/releases/$dk_held/$dk_slot/adopted
		[ -n "$dk_held" ] && [ -f "$dk_x" ] || continue
		while read -r dk_id dk_y dk_service dk_name; do
			printf '%s\n' "$dk_id ${dk_env##*/}-${dk_folder##*/}-$dk_slot $dk_service $dk_name"
		done <"$dk_x"
	done
}
dk_wanted() {
	dk_p=$1 dk_s=$2 dk_left=$dk_projects dk_ok=
	shift 2
	while [ "$dk_left" -gt 0 ]; do
		[ "$1" != "$dk_p" ] || dk_ok=1
		dk_left=$((dk_left - 1))
		shift
	done
	[ -n "$dk_ok" ] || return 1
	[ $# -gt 0 ] || return 0
	for dk_x; do [ "$dk_x" != "$dk_s" ] || return 0; done
	return 1
}
# One container: its lines, the standard error among them, in the order of writing.
dk_read() { # n id tail since [options...]
	dk_m=$1 dk_c=$2 dk_t=$3 dk_f=${4:+--since=$4}
	shift 4
	docker logs --timestamps --tail "$dk_t" $dk_f "$@" "$dk_c" 2>&1 </dev/null
}
dk_once() {
	dk_n=0
	dk_list "$@" | while read -r dk_id dk_rest; do
		printf 's %s %s\n' "$dk_n" "$dk_rest"
		dk_read "$dk_n" "$dk_id" "$dk_tail" "$dk_since" | sed "s/^/l $dk_n /"
		printf 'x %s\n' "$dk_n"
		dk_n=$((dk_n + 1))
	done
}
# `docker logs -f` ends when its container stops: what runs again, and what is new, is taken up.
dk_keep_up() {
	dk_n=0 dk_seen= dk_first=1
	while :; do
		for dk_id in $(dk_list "$@" | tr ' ' '|'); do
			dk_rest=${dk_id#*|}
			dk_id=${dk_id%%|*}
			case $dk_seen in *" $dk_id "*) continue ;; esac
			dk_seen="$dk_seen $dk_id "
			printf 's %s %s\n' "$dk_n" "$(printf %s "$dk_rest" | tr '|' ' ')"
			# A container that came meanwhile is shown from its beginning.
			if [ -n "$dk_first" ]; then
				dk_stream "$dk_n" "$dk_id" "$dk_tail" "$dk_since" &
			else
				dk_stream "$dk_n" "$dk_id" all '' &
			fi
			dk_n=$((dk_n + 1))
		done
		dk_first=
		sleep 2
	done
}
dk_stream() { # n id tail since
	dk_t=$3 dk_f=$4
	while :; do
		dk_read "$1" "$2" "$dk_t" "$dk_f" --follow | sed -u "s/^/l $1 /"
		dk_f=$(date +%s) dk_t=all
		# It restarts again and again, or stays down until somebody starts it, or is gone.
		sleep 1
		until dk_x=$(timeout 10 docker inspect --type container --format '{{.State.Status}}' "$2" 2>/dev/null) && [ "$dk_x" = running ]; do
			[ -n "$dk_x" ] || {
				printf 'x %s\n' "$1"
				return
			}
			sleep 1
		done
		printf 'r %s\n' "$1"
	done
}
dk_logs() {
	if [ "$dk_follow" = yes ]; then dk_keep_up "$@"; else dk_once "$@"; fi
}
until_hangup dk_logs "$@"
end ok rc=$?
