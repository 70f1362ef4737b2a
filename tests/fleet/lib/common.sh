# shellcheck shell=bash
# Names, places and small helpers of the test fleet. Sourced by script/fleet and script/demo; runs nothing itself.
# To add a host kind: a line in fleet_hosts (name, last octet, role), and its daemons in image/host-init.

FLEET_NAME=${FLEET_NAME:-fleet}
FLEET_LABEL=deploy-fleet
REGISTRY=registry:5000
FLEET_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FLEET_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/deploy-fleet
FLEET_STATE=$FLEET_CACHE/$FLEET_NAME

# What is not given now is as it was when the fleet was raised, so that every later command means the same hosts.
remembered() { # variable default
  [ -n "${!1:-}" ] || printf -v "$1" %s "$(sed -n "s/^$1=//p" "$FLEET_STATE/settings" 2>/dev/null)"
  [ -n "${!1}" ] || printf -v "$1" %s "$2"
}
remembered FLEET_NET 10.213.0.0/24
remembered FLEET_WEBS 4
remembered FLEET_LBS 2
remembered FLEET_LB_ROLE nginx
remembered FLEET_DISK auto
remember_settings() {
  local name
  for name in FLEET_NET FLEET_WEBS FLEET_LBS FLEET_LB_ROLE FLEET_DISK; do printf '%s=%s\n' "$name" "${!name}"; done >"$FLEET_STATE/settings"
}

FLEET_PREFIX=${FLEET_NET%.*}                    # 10.213.0.0/24 -> 10.213.0
FLEET_BRIDGE=br-$(printf %s "$FLEET_NAME" | cut -c1-12)

say()  { [ -n "${QUIET:-}" ] || printf '%s\n' "$*" >&2; }
fail() { printf 'fleet: %s\n' "$*" >&2; exit 1; }

# Privileged commands: plain as root, by sudo otherwise.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
# The outer Docker: without sudo where the socket may be used.
dk() { if [ -w /var/run/docker.sock ] || [ "$(id -u)" = 0 ]; then docker "$@"; else sudo docker "$@"; fi; }

check_names() {
  [[ $FLEET_NAME =~ ^[a-z][a-z0-9-]{0,11}$ ]] || fail "FLEET_NAME '$FLEET_NAME': want at most 12 of a-z 0-9 -, starting with a letter"
  [[ $FLEET_NET =~ ^10\.[0-9]{1,3}\.[0-9]{1,3}\.0/24$ ]] || fail "FLEET_NET '$FLEET_NET': want 10.x.y.0/24"
  [[ $FLEET_WEBS =~ ^[0-9]+$ && $FLEET_WEBS -ge 1 && $FLEET_WEBS -le 200 ]] || fail "FLEET_WEBS '$FLEET_WEBS': want 1 to 200"
  [[ $FLEET_LB_ROLE =~ ^(nginx|haproxy)$ ]] || fail "FLEET_LB_ROLE '$FLEET_LB_ROLE': want nginx or haproxy"
  [[ $FLEET_DISK =~ ^(auto|tmpfs)$ ]] || fail "FLEET_DISK '$FLEET_DISK': want auto or tmpfs"
  [[ $FLEET_LBS =~ ^[0-9]+$ && $FLEET_LBS -ge 1 && $FLEET_LBS -le 9 ]] || fail "FLEET_LBS '$FLEET_LBS': want 1 to 9"
}

# The topology: one "name address role" per line. The dns host carries no sshd and is not for users.
fleet_hosts() {
  local i
  printf 'dns %s.3 dns\n' "$FLEET_PREFIX"
  printf 'registry %s.2 registry\n' "$FLEET_PREFIX"
  for ((i = 1; i <= FLEET_LBS; i++)); do printf 'lb%d %s.%d %s\n' "$i" "$FLEET_PREFIX" $((10 + i)) "$FLEET_LB_ROLE"; done
  for ((i = 1; i <= FLEET_WEBS; i++)); do printf 'web%d %s.%d app\n' "$i" "$FLEET_PREFIX" $((20 + i)); done
}
user_hosts() { fleet_hosts | awk '$1 != "dns"'; }
address_of() { fleet_hosts | awk -v n="$1" '$1 == n {print $2}'; }
role_of()    { fleet_hosts | awk -v n="$1" '$1 == n {print $3}'; }
box()        { printf '%s-%s' "$FLEET_NAME" "$1"; }
known_host() { [ -n "$(address_of "$1")" ] || fail "no host '$1' in fleet $FLEET_NAME (have: $(fleet_hosts | awk '{printf "%s ", $1}'))"; }

# Runs "$@ NAME" for every name on stdin at once; output of each goes to a log that is shown when it failed.
in_parallel() {
  local name bad=0 pids=() names=()
  mkdir -p "$FLEET_STATE/log"
  while read -r name; do
    "$@" "$name" >"$FLEET_STATE/log/$name" 2>&1 </dev/null &
    pids+=($!); names+=("$name")
  done
  for i in "${!pids[@]}"; do
    wait "${pids[$i]}" && continue
    bad=1; printf 'fleet: %s: failed:\n' "${names[$i]}" >&2; tail -n 15 "$FLEET_STATE/log/${names[$i]}" | sed 's/^/    /' >&2
  done
  return $bad
}

# Content hash of files and words, for cache keys.
hash_of() { { for f in "$@"; do if [ -f "$f" ]; then cat "$f"; else printf '%s\n' "$f"; fi; done; } | sha256sum | cut -c1-16; }

# A cached file of the fleet: "cached NAME-HASH MAKE…" prints its path and calls MAKE PATH only where it is missing.
cached() {
  local path=$FLEET_CACHE/cache/$1; shift
  if [ ! -e "$path" ]; then
    mkdir -p "$FLEET_CACHE/cache"
    local part; part=$(mktemp "$path.XXXXXX")
    "$@" "$part" >&2 || { rm -f "$part"; return 1; }
    mv "$part" "$path"
  fi
  printf '%s\n' "$path"
}

now_ms() { local t=${EPOCHREALTIME/[.,]/}; printf '%s' $((t / 1000)); }
since()  { local d=$(($(now_ms) - $1)); printf '%d.%02d s' $((d / 1000)) $((d % 1000 / 10)); }

# One writer per fleet: up, down, reset and faults exclude each other.
exclusive() {
  mkdir -p "$FLEET_STATE"; chmod 700 "$FLEET_STATE"
  exec 8>"$FLEET_STATE/change.lock"
  flock -w "${1:-120}" 8 || fail "another script/fleet changes fleet $FLEET_NAME since more than ${1:-120} s"
}
