# drain SECONDS BACKEND/SERVER ADDRESS PORT…: waits until these members have no sessions, in the
# worker that runs and in older ones that still finish.
limit=$1
shift
names= ports=
while [ $# -gt 2 ]; do
  names="$names $1" ports="$ports $3"
  shift 3
done
if ! pick_ctl; then
  echo 'open -'
  stop 'left -'
fi

# older: workers of before a reload that still finish.
older() {
  older=
  [ -n "$master" ] || return
  set +f
  for process in /proc/[0-9]*; do
    process=${process#/proc/}
    stat_of "$process" && [ "$parent" = "$master" ] && [ "$process" != "$worker" ] && older="$older $process"
  done
  set -f
}
# Connections of older workers to these members: theirs are the sockets, the kernel's table has the ports.
count_older() {
  for process in $older; do
    # shellcheck disable=SC2012
    ls -l "/proc/$process/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\].*/inode \1/p'
  done | {
    cat
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
  } | PORTS="$ports" awk '
    BEGIN { n = split(ENVIRON["PORTS"], p, " "); for (i = 1; i <= n; i++) want[sprintf("%04X", p[i])] = 1 }
    $1 == "inode" { ours[$2] = 1; next }
    ($4 == "01" || $4 == "02") && ($10 in ours) { split($3, peer, ":"); if (peer[2] in want) c++ }
    END { print c + 0 }'
}
count() {
  ask_text=$(ctl 'show info; show stat')
  open=$(printf '%s\n' "$ask_text" | NAMES="$names " awk -F, '
    /^Pid:/ { sub(/^Pid: */, ""); pid = $0 }
    index(ENVIRON["NAMES"], " " $1 "/" $2 " ") { n += $3 + $5; }
    END { if (pid == "") print "-"; else print n + 0, pid }')
  [ "$open" != - ] || return
  worker=${open#* } open=${open% *}
  find_master
  older
  [ -z "$older" ] || open=$((open + $(count_older)))
}
wait_idle "$limit" count
