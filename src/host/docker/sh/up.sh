# After lib.sh, before replace.sh, stop.sh and revert.sh.
#
#   dk_up PROJECT DIR   new containers from the release's two files in DIR, with whatever ran in the
#                       project stopped first, each within its own stop_grace_period.
#
# Always new containers: what somebody changed by hand (`docker update`) does not show in the hash
# by which compose decides. The images are here already, so nothing is asked of a registry.
dk_up() {
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
