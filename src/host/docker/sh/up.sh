# After lib.sh, before replace.sh, stop.sh and revert.sh.
#
#   dk_up PROJECT DIR   new containers from the release's two files in DIR, with whatever ran in the
#                       project stopped first, each within its own stop_grace_period.
#
#   dk_put_by SLOT      what was adopted in the slot is stopped; it stays, and no reboot brings it back.
#                       ($STATE/adopted.SLOT: something was.)
#
# What somebody started by hand and was adopted has no files but releases/ID/SLOT/adopted: a line for
# each container: its id, the restart policy that it had, its service and its name. Such a container
# is never removed, for nobody could make it again: it makes room for what comes, and is started again
# where that is taken back.
#
# Always new containers: what somebody changed by hand (`docker update`) does not show in the hash
# by which compose decides. The images are here already, so nothing is asked of a registry.
dk_up() {
	if [ -f "$2/adopted" ]; then
		dk_down "$1" && dk_adopted "$2/adopted" "${3-}" && : >"$STATE/adopted.${2##*/}"
		return
	fi
	dk_put_by "${2##*/}" || return
	# Without files in it, so that no `.env` but the release's own is read.
	cd "$2" || return
	dk_compose --ansi never -p "$1" --project-directory "$2" -f docker-compose.yml -f deploy.yml \
		up -d --no-build --pull missing --quiet-pull --force-recreate --remove-orphans
}
# The containers, and the networks that compose made; volumes stay.
dk_down() {
	cd / || return
	dk_compose --ansi never -p "$1" down --remove-orphans
}
# dk_adopted FILE AGAIN: they run as they did; with AGAIN those that run are started anew.
dk_adopted() {
	while read -r dk_id dk_policy dk_x; do
		dk_x=$(docker container inspect -f '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' "$dk_id") || return
		# A stop that was not finished may have left one that runs without its policy.
		[ "${dk_x#* }" = "${dk_policy%%:*}" ] || docker update --restart="$dk_policy" "$dk_id" >/dev/null || return
		[ -n "$2" ] || [ "${dk_x%% *}" != true ] || continue
		docker restart "$dk_id" >/dev/null || return
	done <"$1"
}
# Only what was adopted indeed, not what an adoption that was taken back has left in the record.
dk_put_by() {
	[ -e "$STATE/adopted.$1" ] || return 0
	for dk_x in "$STATE"/releases/*/"$1"/adopted; do
		[ ! -f "$dk_x" ] || dk_put_all_by "$dk_x" || return
	done
}
dk_put_all_by() {
	# One that is gone holds nothing; an engine that does not answer fails what comes next.
	while read -r dk_id dk_policy dk_x; do
		docker container inspect -f . "$dk_id" >/dev/null 2>&1 || continue
		docker update --restart=no "$dk_id" >/dev/null && docker stop "$dk_id" >/dev/null || return
	done <"$1"
}
