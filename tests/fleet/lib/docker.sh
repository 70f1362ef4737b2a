# shellcheck shell=bash
# Sees to it that this machine has a Docker daemon: installs it where it is absent, starts it where it is not running.
# Every wait has a limit. Needs apt (Debian or Ubuntu); elsewhere it says what to install.

FLEET_PACKAGES="docker.io mmdebstrap debian-archive-keyring iproute2 iptables openssh-client curl e2fsprogs procps"

daemon_answers() { timeout 5 docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || { [ "$(id -u)" != 0 ] && timeout 5 sudo -n docker version >/dev/null 2>&1; }; }

# A docker command alone may be just the client: what counts is dockerd and the tools that the set-up uses.
missing_tools() {
  local t
  for t in docker ip ss iptables ssh ssh-keygen curl flock mkfs.ext4 pgrep; do command -v "$t" >/dev/null || printf '%s ' "$t"; done
  daemon_answers || command -v dockerd >/dev/null || printf 'dockerd '
}

may_install() {
  [ "${CI:-}" = true ] || [ -n "${FLEET_YES:-}" ] || [ ! -t 0 ] && return 0
  local answer
  read -r -p "The fleet needs packages that are not installed ($1). Install them with apt-get? [y/N] " answer
  [[ $answer =~ ^[Yy] ]]
}

install_packages() { # why
  command -v apt-get >/dev/null || fail "missing: $1; this is not a machine with apt-get, so install these yourself, then start dockerd"
  may_install "$1" || fail "nothing installed; wanted: apt-get install $FLEET_PACKAGES"
  say "installing $FLEET_PACKAGES (missing: $1)"
  # Start nothing from the packages' own scripts: the daemon is started, and waited for, below.
  as_root env DEBIAN_FRONTEND=noninteractive sh -ec '
    limit=$1; shift
    timeout "$limit" apt-get -qq update || echo "apt-get update failed; trying with the lists at hand" >&2
    timeout "$limit" apt-get -qq install -y --no-install-recommends "$@" >/dev/null' sh 600 $FLEET_PACKAGES ||
    fail "apt-get could not install $FLEET_PACKAGES"
}

# What a killed dockerd leaves: pid files whose number may belong to somebody else by now, and a socket without a
# listener, which a new dockerd would take for a running containerd.
clear_leftovers() {
  local f pid sock=/run/containerd/containerd.sock
  for f in /var/run/docker.pid /run/docker/containerd/containerd.pid; do
    [ -s "$f" ] || continue
    pid=$(as_root cat "$f")
    if ! grep -qE 'dockerd|containerd' "/proc/$pid/comm" 2>/dev/null; then as_root rm -f "$f"; fi
  done
  if [ -S "$sock" ] && ! ss -xlH | grep -qF "$sock"; then as_root rm -f "$sock"; fi
}

start_daemon() {
  local log=$FLEET_CACHE/dockerd.log i
  if [ -d /run/systemd/system ]; then
    as_root systemctl start docker || say "systemctl start docker failed; starting dockerd directly"
  fi
  if ! daemon_answers; then
    clear_leftovers
    say "starting dockerd (log: $log)"
    as_root sh -c 'setsid dockerd >>"$1" 2>&1 </dev/null 8>&- &' sh "$log"
  fi
  for ((i = 0; i < 300; i++)); do
    daemon_answers && return
    ((i < 25)) || pgrep -x dockerd >/dev/null || break
    sleep 0.2
  done
  tail -n 20 "$log" >&2
  fail "dockerd does not answer; its log is $log"
}

ensure_docker() {
  local missing
  mkdir -p "$FLEET_CACHE"
  missing=$(missing_tools)
  [ -z "$missing" ] || install_packages "$missing"
  daemon_answers || start_daemon
}
