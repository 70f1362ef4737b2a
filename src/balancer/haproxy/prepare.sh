# prepare BEFORE AFTER HASH CONF-BYTES RULES-BYTES BEFORE-SUM AFTER-SUM GENERATION …; backends, rules
# and the value come as data. Answers `ready`, `moved KEY` or `refused` with `why` lines.
before=$1 after=$2 hash=$3 bytes=$4
refuse() {
  printf 'refused\n'
  printf 'why %s\n' "$1"
  exit 0
}
command -v "$bin" >/dev/null 2>&1 || refuse "$bin is not there"
pick_client || refuse 'neither curl nor wget is there to read back what HAProxy does'
pick_ctl || refuse 'neither socat nor perl nor python3 is there to speak to HAProxy'
lock 5 || refuse 'another change on this load balancer holds its lock'
ask_server
[ -n "$worker" ] || refuse "HAProxy does not answer at $sock"
[ "$runs" != '?' ] || refuse "HAProxy does not use $dir/apps.map"
case $runs in "$before" | "$after") ;; *) stop moved "$runs" ;; esac
owner=$(map_word "$dir/hosts.map" "$host")
case $owner in - | "$entry") ;; *) refuse "$host belongs to $owner, as $dir/hosts.map says" ;; esac
# What earlier changes left.
set +f
for old in "$here"/traffic.* "$here"/making.*; do
  case $old in *.new | "$here"/making.*) rm -rf "$old" ;; esac
done
set -f
if [ "$loaded" != "$hash" ]; then
  find_master || refuse 'HAProxy runs without a master process (-W or -Ws): it cannot be reloaded without a gap'
  loads_us "$(conf_files)" || refuse "HAProxy is started without -f $dir"
  candidate=$(mktemp "${TMPDIR:-/tmp}/deploy-haproxy.XXXXXX") && head -c "$bytes" >"$candidate" || refuse 'the candidate could not be written'
  if ! try_conf "$candidate"; then
    rm -f "$candidate"
    printf 'refused\n'
    why "$said"
    exit 0
  fi
  rm -f "$candidate"
fi
record_switch "$8" "$6" "$7" prepared || refuse 'the record of the switch cannot be written'
echo ready
