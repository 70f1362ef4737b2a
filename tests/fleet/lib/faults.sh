# shellcheck shell=bash
# What can go wrong with a host, on purpose. `script/fleet reset` takes every one of these back.
# To add one: a function fault_NAME, a line in the help of script/fleet, and its way back in image/host-reset.

inside() { local name=$1; shift; dk exec -i "$(box "$name")" "$@"; }

# The host's end of its cable, on this machine's side: down is a partition, both ways and without any answer.
link_of() { # name up|down
  local index
  index=$(inside "$1" cat /sys/class/net/eth0/iflink 2>/dev/null </dev/null) || return 0
  as_root ip -o link | sed -n "s/^$index: \([^@:]*\).*/\1/p" | while read -r link; do as_root ip link set "$link" "$2"; done
}

fault_pause()   { dk pause "$(box "$1")" >/dev/null; }
fault_unpause() { dk unpause "$(box "$1")" >/dev/null; }
fault_cut()     { link_of "$1" down; }
fault_heal()    { link_of "$1" up; inside "$1" iptables -F INPUT; inside "$1" iptables -F OUTPUT; }
# Only between two hosts of the fleet; everyone else still reaches both.
fault_cut_from() {
  known_host "$2"
  inside "$1" iptables -I INPUT -s "$(address_of "$2")" -j DROP
  inside "$1" iptables -I OUTPUT -d "$(address_of "$2")" -j DROP
}
# Docker's daemon dies and stays dead; containers keep running until it comes back.
fault_kill_docker()  { inside "$1" sh -c 'touch /run/fleet/keep-dead-dockerd; kill -9 "$(cat /run/fleet/dockerd.pid)"'; }
fault_start_docker() { inside "$1" rm -f /run/fleet/keep-dead-dockerd; inside "$1" host-ready 20 >/dev/null; }
fault_kill_nginx()   { inside "$1" pkill -KILL -x nginx; }
fault_reboot()    { dk restart -t 15 "$(box "$1")" >/dev/null; inside "$1" host-ready 30 >/dev/null; }
fault_power_cut() { dk kill "$(box "$1")" >/dev/null; dk start "$(box "$1")" >/dev/null; inside "$1" host-ready 30 >/dev/null; }
# To the last byte: /var/lib/docker and /var/lib/deploy share this file system.
fault_fill_disk() {
  inside "$1" sh -c 'f=/var/lib/docker/.fill
    free=$(df --output=avail -B1 /var/lib/docker | tail -n 1)
    fallocate -l "$free" "$f" 2>/dev/null
    dd if=/dev/zero of="$f" oflag=append conv=notrunc bs=4k 2>/dev/null
    df -h /var/lib/docker | tail -n 1'
}
fault_free_disk() { inside "$1" rm -f /var/lib/docker/.fill; }
# A container that is not ours and holds a port.
fault_foreign() {
  local image=$REGISTRY/acme/web:2.0.0-7-1a2b3c4
  inside "$1" docker run -d --name "${3:-legacy-shop}" -p "$2:8080" "$image" >/dev/null
}
