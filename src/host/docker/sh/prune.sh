# used                   releases that containers were made from, running or not; 1 = not known
# remove TAG BY REF      an image by the name that it keeps here and by digest (`-`: not by that one);
#                        REF is the image by digest. Prints `removed`, `absent`, `kept`, `left <why>`
# Never by force: the engine refuses where a container uses the image.
dk_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }
dk_rmi() {
	if dk_x=$(timeout 60 docker rmi "$1" 2>&1); then
		[ "$dk_end" != absent ] || dk_end=removed
	else
		dk_end="left ${dk_x##*
}"
	fi
}
case $1 in
used) timeout 20 docker ps -a --filter label=deploy.release --format '{{.Label "deploy.release"}}' ;;
remove)
	dk_end=absent dk_is=$(dk_id "$4")
	# Whoever gave the name to something else meant it.
	if [ "$2" != - ] && [ -n "$dk_is" ] && [ "$(dk_id "$2")" = "$dk_is" ]; then
		if [ "$3" != - ]; then
			dk_rmi "$2"
		else
			# With its last name the engine would remove the image itself.
			dk_n=$(docker image inspect --format '{{len .RepoTags}}' "$2" 2>/dev/null)
			if [ "${dk_n:-0}" -gt 1 ]; then dk_rmi "$2"; else dk_end=kept; fi
		fi
	fi
	# By its digest the next prune finds it, so that name goes last.
	case $dk_end in
	left*) ;;
	*) [ "$3" = - ] || [ -z "$(dk_id "$3")" ] || dk_rmi "$3" ;;
	esac
	printf '%s\n' "$dk_end"
	;;
esac
