# run DIR NAME PROJECT SERVICE WORD…: a command in a new container of a service, made from the
# release's two files in DIR; its output comes as it is written. The container is gone afterwards,
# whatever ended the command.
#
#   o <text>   a line that it wrote, to its standard output or its standard error
#
# end ok rc=<the command's exit status>
# What compose says of its own work is not the command's.
export COMPOSE_PROGRESS=quiet
dk_name=$2
dk_run() {
	cd "$1" || return
	dk_project=$3
	shift 3
	{
		dk_rc=$({ { dk_compose --ansi never -p "$dk_project" --project-directory "$PWD" \
			-f docker-compose.yml -f deploy.yml run --rm --no-deps -T --name "$dk_name" "$@" \
			</dev/null 2>&1 3>&-; echo $? >&3; } | sed -u 's/^/o /' >&4; } 3>&1)
	} 4>&1
	return "${dk_rc:-1}"
}
until_hangup dk_run "$@"
dk_rc=$?
# compose removes it where it ended by itself; not where compose was ended, or the engine was busy.
timeout 30 docker rm -f "$dk_name" >/dev/null 2>&1
end ok rc=$dk_rc
