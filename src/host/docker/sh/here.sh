# here TAG REF …: behind facts; pairs of the name that an image keeps here and the
# `repository@sha256:…` that it must stand for. Prints `images here` where the engine has all of
# them so. Anything else is no answer: the pull asks again.
dk_rc=$?
dk_here() {
	dk_short || return 1
	# Where images are removed at this moment, they are not here for long. A release of ours is in the
	# record already, so that whoever removes images after this question keeps its own.
	dk_lock=${ROOT:-/var/lib/deploy}/prune.lock
	if [ -e "$dk_lock" ]; then
		{ command exec 7<"$dk_lock"; } 2>/dev/null && flock -s -n 7 || return 1
	fi
	dk_refs=
	while [ $# -gt 1 ]; do
		dk_refs="$dk_refs $2"
		set -- "$@" "images/$1/json"
		shift 2
		# The questions gather behind the pairs.
		case $1 in images/*/json) break ;; esac
	done
	dk_x=$(dk_get "$@") || return 1
	for dk_ref in $dk_refs; do
		case $dk_x in *"\"$dk_ref\""*) ;; *) return 1 ;; esac
	done
	echo 'images here'
}
[ $# = 0 ] || dk_here "$@"
exit "$dk_rc"
