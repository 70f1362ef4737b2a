# pull SIZE REF TAG LOGIN …: SIZE bytes of data are a configuration of Docker for the images whose LOGIN
# is `login` (`-`: the host's own). Each image is `repository:tag@sha256:…`, and the name it keeps here
# (`-`: none). Prints `p <n> <text>` for the n-th pair: docker's own lines, then `present`, `pulled` or
# `failed <rc>`; where one failed, `free <blocks> <their size> <inodes> <all inodes> <where>`. An
# image pulled by digest has no tag and counts as dangling: so it gets one. The tagging is also the
# question whether it is here, which saves a process.
prune_lock -s 60 || {
	echo 'another process removes images since more than 60 s'
	exit 75
}
# dk_login SIZE: the configuration into $dk_own, a directory of this login's alone: in memory where
# there is such a place. It goes with this script; what a KILL leaves goes with the next.
dk_login() {
	dk_own=
	for dk_x in /dev/shm /run "$ROOT"; do
		dk_own=$(mktemp -d "$dk_x/deploy-login.$$.XXXXXX" 2>/dev/null) && break
	done
	[ -n "$dk_own" ] || return 1
	trap 'rm -rf "$dk_own"' EXIT
	trap 'rm -rf "$dk_own"; exit 143' HUP INT TERM
	(umask 077 && take_data "$1" >"$dk_own/config.json") || return 1
	# Another configuration is another choice of engine.
	dk_x=${DOCKER_CONFIG:-${HOME-}/.docker}/config.json
	if [ -z "${DOCKER_HOST-}" ] && grep -q '"currentContext"' "$dk_x" 2>/dev/null; then
		DOCKER_HOST=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) && export DOCKER_HOST
	fi
	return 0
}
dk_size=$1 dk_own=
shift
sweep_logins "$ROOT"
[ "$dk_size" = 0 ] || dk_login "$dk_size" || {
	echo 'there is no place for a login that nobody else can read'
	exit 73
}
dk_keep() {
	case $2 in
	-) docker image inspect --format x "$1" ;;
	*) docker tag "$1" "$2" ;;
	esac >/dev/null 2>&1
}
dk_pull() {
	if dk_keep "$2" "$3"; then
		printf 'p %s present\n' "$1"
		return
	fi
	# The status of the left side of a pipe is lost: it travels as the last line.
	{
		case $4 in
		# Where it is refused, or cannot be read there, what the host has itself may do.
		login) DOCKER_CONFIG=$dk_own docker pull "$2" 2>&1 || docker pull "$2" 2>&1 ;;
		*) docker pull "$2" 2>&1 ;;
		esac
		printf 'rc %s\n' "$?"
	} | {
		dk_rc=1 dk_last=
		while IFS= read -r dk_line; do
			[ -z "$dk_last" ] || printf 'p %s %s\n' "$1" "$dk_last"
			dk_last=$dk_line
		done
		case $dk_last in 'rc '*) dk_rc=${dk_last#rc } ;; esac
		if [ "$dk_rc" = 0 ]; then
			dk_keep "$2" "$3"
			dk_rc=$?
		fi
		if [ "$dk_rc" = 0 ]; then printf 'p %s pulled\n' "$1"; else printf 'p %s failed %s\n' "$1" "$dk_rc"; fi
		exit "$dk_rc"
	}
}
dk_n=0 dk_jobs=
while [ $# -gt 2 ]; do
	dk_pull "$dk_n" "$1" "$2" "$3" &
	dk_jobs="$dk_jobs $!"
	dk_n=$((dk_n + 1))
	shift 3
done
dk_bad=0
for dk_job in $dk_jobs; do wait "$dk_job" || dk_bad=1; done
# Nobody needs it any more, and what comes may hang.
[ -z "$dk_own" ] || rm -rf "$dk_own"
# A full disk is the first thing that a person asks about.
if [ "$dk_bad" != 0 ] && dk_root=$(timeout 10 docker info --format '{{.DockerRootDir}}' 2>/dev/null) && [ -n "$dk_root" ]; then
	printf 'free %s %s\n' "$(stat -f -c '%a %S %d %c' "$dk_root" 2>/dev/null)" "$dk_root"
fi
exit "$dk_bad"
