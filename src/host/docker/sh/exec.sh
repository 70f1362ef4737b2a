# exec CONTAINER WORD…: a command in a running container; its output comes as it is written.
#
#   o <text>   a line that it wrote, to its standard output or its standard error
#
# end ok rc=<the command's exit status>
dk_exec() {
	{
		dk_rc=$({ { docker exec "$@" </dev/null 2>&1 3>&-; echo $? >&3; } | sed -u 's/^/o /' >&4; } 3>&1)
	} 4>&1
	return "${dk_rc:-1}"
}
until_hangup dk_exec "$@"
end ok rc=$?
