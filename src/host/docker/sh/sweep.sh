# sweep_logins ROOT: removes the logins of pulls that were killed, wherever a pull puts them: a name is
# deploy-login.<process of the pull>.<random>, and that process is gone. Those of other users stay.
sweep_logins() {
	for sweep_login in /dev/shm/deploy-login.* /run/deploy-login.* "$1"/deploy-login.*; do
		sweep_pid=${sweep_login##*/deploy-login.}
		sweep_pid=${sweep_pid%%.*}
		case $sweep_pid in '' | *[!0-9]*) continue ;; esac
		[ -e "/proc/$sweep_pid" ] || rm -rf "$sweep_login" 2>/dev/null
	done
}
