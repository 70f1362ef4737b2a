# Before watch.sh and activity.sh.
#
#   dk_exec_where SERVICE   the running containers of a service of $dk_project (`-`: of its only one)
#                           into dk_in; where there is none, dk_why says so: none, several (services),
#                           or blind (the engine does not say).
dk_exec_where() {
	dk_in= dk_why=blind
	dk_x=$(timeout 5 docker ps --no-trunc --filter "label=com.docker.compose.project=$dk_project" \
		--filter label=com.docker.compose.oneoff=False --format '{{.ID}} {{.Label "com.docker.compose.service"}}' 2>/dev/null) || return 0
	dk_why=none dk_only=
	while read -r dk_id dk_name; do
		[ -n "$dk_id" ] || continue
		case $1 in
		"$dk_name") ;;
		-)
			[ "${dk_only:-$dk_name}" = "$dk_name" ] || dk_why=several
			dk_only=$dk_name
			;;
		*) continue ;;
		esac
		dk_in="$dk_in $dk_id"
	done <<X
$dk_x
X
	[ "$dk_why" = none ] || dk_in=
	# What was adopted counts while the project has nothing of its own (see watch.sh).
	[ -z "$dk_in" ] && [ "$dk_why" = none ] || return 0
	for dk_x in ${dk_adopted-}; do
		case $1 in - | "${dk_x#*=}") dk_in="$dk_in ${dk_x%%=*}" ;; esac
	done
	[ "$1" != - ] || [ "${dk_in#* * }" = "$dk_in" ] || dk_in= dk_why=several
}
