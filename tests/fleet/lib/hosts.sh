# shellcheck shell=bash
# Raising, checking, resetting and removing the fleet's hosts. Everything is labelled, and cleared away by its label.

# What --privileged gives, except CAP_SYS_RESOURCE: some virtual machines lack it, and --privileged then fails.
HOST_FLAGS=(--init --cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined --security-opt apparmor=unconfined
  --security-opt systempaths=unconfined --device-cgroup-rule 'b *:* rwm' --device-cgroup-rule 'c *:* rwm' --cgroupns private)

labelled() { dk ps -aq --filter "label=$FLEET_LABEL=$FLEET_NAME"; }

# The names of all hosts for the dns host, as "address name name…;address …".
name_list() { fleet_hosts | awk '{printf "%s%s %s %s.svc %s.mgt", sep, $2, $1, $1, $1; sep=";"}'; }

host_config() { # name: what the container is made of; another hash means that it has to be made anew
  hash_of "$(host_tag)" "$1" "$(address_of "$1")" "$(role_of "$1")" "$(cat "$FLEET_STATE/id_ed25519.pub")" "$(name_list)" "$FLEET_DISK"
}

# Each host's /var/lib/docker and /var/lib/deploy share one small file system of their own, so that a full disk is a
# real one, and nothing is overlay on overlay. ext4 in a file where loop devices exist, else memory.
disk_up() { # name
  local dir=$FLEET_STATE/disk/$1 size=${FLEET_DISK_SIZE:-1G}
  disk_down "$1"
  mkdir -p "$dir"
  if [ "$FLEET_DISK" != tmpfs ] && truncate -s "$size" "$dir.img" && mkfs.ext4 -qF "$dir.img" && as_root mount -o loop "$dir.img" "$dir" 2>/dev/null; then :
  else
    rm -f "$dir.img"
    as_root mount -t tmpfs -o "size=$size,mode=755" "$FLEET_LABEL" "$dir"
  fi
  as_root mkdir -p "$dir/docker" "$dir/deploy" "$dir/registry"
}
disk_down() { # name
  local dir=$FLEET_STATE/disk/$1
  while mountpoint -q "$dir"; do as_root umount "$dir" 2>/dev/null || as_root umount -l "$dir"; done
  rm -f "$dir.img"
}

host_create() { # name
  local name=$1 mounts=()
  dk rm -vf "$(box "$name")" >/dev/null 2>&1
  if [ "$name" != dns ]; then
    disk_up "$name"
    mounts=(-v "$FLEET_STATE/disk/$name/docker:/var/lib/docker" -v "$FLEET_STATE/disk/$name/deploy:/var/lib/deploy"
      -v "$FLEET_STATE/disk/$name/registry:/var/lib/docker-registry")
  fi
  dk run -d "${HOST_FLAGS[@]}" "${mounts[@]}" --network "$FLEET_NAME" --ip "$(address_of "$name")" \
    --name "$(box "$name")" --hostname "$name" --label "$FLEET_LABEL=$FLEET_NAME" --label "$FLEET_LABEL.config=$(host_config "$name")" \
    -e FLEET_ROLE="$(role_of "$name")" -e FLEET_DNS="$FLEET_PREFIX.3" -e FLEET_REGISTRY="$FLEET_PREFIX.2:5000" \
    -e FLEET_KEY="$(cat "$FLEET_STATE/id_ed25519.pub")" -e FLEET_NAMES="$(name_list)" "$(host_tag)"
}

networks_in_use() { dk network ls -q | xargs docker network inspect -f '{{.Name}} {{range .IPAM.Config}}{{.Subnet}}{{end}}' | grep / | tr '\n' ' '; }

network_up() {
  # While the bridge is down, nothing for the fleet may leave by the default route.
  as_root ip route replace blackhole "$FLEET_NET" metric 9999
  [ "$(dk network inspect -f '{{(index .IPAM.Config 0).Subnet}}' "$FLEET_NAME" 2>/dev/null)" = "$FLEET_NET" ] && return
  [ -z "$(labelled)" ] || dk rm -vf $(labelled) >/dev/null
  dk network rm "$FLEET_NAME" >/dev/null 2>&1
  dk network create --internal --subnet "$FLEET_NET" --gateway "$FLEET_PREFIX.1" --label "$FLEET_LABEL=$FLEET_NAME" \
    -o com.docker.network.bridge.name="$FLEET_BRIDGE" "$FLEET_NAME" >/dev/null || fail "could not create network $FLEET_NAME ($FLEET_NET); in use: $(networks_in_use); choose another FLEET_NET"
}

# Hosts that are missing, stopped, paused or made of something else; and containers that no longer belong.
hosts_to_make() {
  local have name
  have=$(dk ps --filter "label=$FLEET_LABEL=$FLEET_NAME" --filter status=running --format "{{.Names}} {{.Label \"$FLEET_LABEL.config\"}}")
  fleet_hosts | while read -r name _; do
    grep -qxF "$(box "$name") $(host_config "$name")" <<<"$have" || echo "$name"
  done
}
remove_strangers() {
  local name
  dk ps -a --filter "label=$FLEET_LABEL=$FLEET_NAME" --format '{{.Names}}' | while read -r name; do
    [ -n "$(address_of "${name#"$FLEET_NAME"-}")" ] && continue
    dk rm -vf "$name" >/dev/null </dev/null; disk_down "${name#"$FLEET_NAME"-}"
  done
}

host_ready() { timeout 45 docker exec "$(box "$1")" host-ready "${READY_WITHIN:-30}"; }
host_reset() { timeout 30 docker exec "$(box "$1")" host-reset ${RESET_ARGS:-}; }

write_client_files() {
  local name address
  fleet_hosts >"$FLEET_STATE/hosts"
  user_hosts | while read -r name address _; do
    printf '%s,%s.mgt,%s.svc,%s %s\n' "$name" "$name" "$name" "$address" "$(cut -d' ' -f1,2 "$FLEET_STATE/log/$name")"
  done >"$FLEET_STATE/known_hosts.new" && mv "$FLEET_STATE/known_hosts.new" "$FLEET_STATE/known_hosts"
  {
    user_hosts | while read -r name address _; do
      printf 'Host %s %s.mgt %s.svc %s\n  HostName %s\n  HostKeyAlias %s\n' "$name" "$name" "$name" "$address" "$address" "$name"
    done
    printf 'Host *\n  User deploy\n  IdentityFile "%s"\n  IdentitiesOnly yes\n  UserKnownHostsFile "%s"\n' "$FLEET_STATE/id_ed25519" "$FLEET_STATE/known_hosts"
    printf '  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  BatchMode yes\n  ConnectTimeout 5\n  LogLevel ERROR\n'
    printf '  # The default exchange costs most of a connection on a small machine.\n  KexAlgorithms curve25519-sha256\n'
  } >"$FLEET_STATE/ssh_config.new" && mv "$FLEET_STATE/ssh_config.new" "$FLEET_STATE/ssh_config"
}

fleet_up() {
  local t0 make; t0=$(now_ms)
  ensure_docker
  exclusive
  [ -f "$FLEET_STATE/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C "fleet $FLEET_NAME" -f "$FLEET_STATE/id_ed25519"
  ensure_host_image
  network_up
  remove_strangers
  make=$(hosts_to_make)
  [ -z "$make" ] || in_parallel host_create <<<"$make" || fail "could not start all hosts"
  if ! fleet_hosts | awk '{print $1}' | in_parallel host_ready; then fail "not all hosts came up; try: script/fleet down; script/fleet up"; fi
  write_client_files
  remember_settings
  push_apps
  if [ -n "$make" ]; then say "fleet $FLEET_NAME up in $(since "$t0"): $(user_hosts | awk '{printf "%s ", $1}')"
  else say "fleet $FLEET_NAME was up ($(since "$t0"))"; fi
}

fleet_down() {
  local ids
  daemon_answers || { say "no Docker daemon runs here"; return; }
  exclusive
  ids=$(labelled)
  # shellcheck disable=SC2086
  [ -z "$ids" ] || dk rm -vf $ids >/dev/null
  for dir in "$FLEET_STATE"/disk/*/; do [ -d "$dir" ] && disk_down "$(basename "$dir")"; done
  dk network ls -q --filter "label=$FLEET_LABEL=$FLEET_NAME" | xargs -r docker network rm >/dev/null
  rm -rf "$FLEET_STATE/disk" "$FLEET_STATE/ssh_config" "$FLEET_STATE/hosts" "$FLEET_STATE/settings"
  say "fleet $FLEET_NAME is down"       # the blackhole route stays on purpose
}

# Back to how the hosts came up. What cannot be repaired is made anew.
fleet_reset() {
  local t0 make; t0=$(now_ms)
  exclusive
  dk ps -q --filter "label=$FLEET_LABEL=$FLEET_NAME" --filter status=paused | xargs -r docker unpause >/dev/null
  user_hosts | while read -r name _; do link_of "$name" up; done
  make=$(hosts_to_make)
  [ -z "$make" ] || in_parallel host_create <<<"$make"
  user_hosts | awk '{print $1}' | RESET_ARGS="$*" in_parallel host_reset || fail "reset failed; try: script/fleet down; script/fleet up"
  [ -z "$make" ] || write_client_files
  say "fleet $FLEET_NAME reset in $(since "$t0")"
}

fleet_status() {
  local name address role
  printf '%-10s %-14s %-9s %-10s %s\n' HOST ADDRESS ROLE STATE RUNS
  fleet_hosts | while read -r name address role; do
    printf '%-10s %-14s %-9s %-10s %s\n' "$name" "$address" "$role" \
      "$(dk inspect -f '{{.State.Status}}' "$(box "$name")" 2>/dev/null </dev/null || echo absent)" \
      "$([ "$role" = app ] && timeout 5 docker exec "$(box "$name")" docker ps --format '{{.Names}}' 2>/dev/null </dev/null | tr '\n' ' ')"
  done
  printf 'ssh: ssh -F %s/ssh_config web1\n' "$FLEET_STATE"
}
