# Common to the bodies of all drivers. POSIX sh; runs before the driver's `lib.sh` and the verb's text.
# Parameters 1-7: driver, folder of ours, entry, program, its configuration or `-`, probe address,
# Host header or `-`. The verb's own parameters follow as $1…

# The server's workers run as another user: what they look at must be readable to all.
umask 022
set -f
LC_ALL=C
export LC_ALL
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
driver=$1 dir=$2 entry=$3 bin=$4 conf=$5 probe=$6 host=$7
shift 7
here=$dir/$entry

# stop WORDS: the answer, and the end of the body.
stop() {
  printf '%s\n' "$*"
  exit 0
}

# pick_client: what can ask nginx, into client; 1 = nothing can.
pick_client() {
  if command -v curl >/dev/null 2>&1; then
    client=curl
  elif command -v wget >/dev/null 2>&1; then
    client=wget
  elif command -v busybox >/dev/null 2>&1 && busybox wget --help >/dev/null 2>&1; then
    client='busybox wget'
  else
    client=
    return 1
  fi
}

# ask TIMES PATH: the state as the server tells it, headers and body, each over a connection of its
# own. Only inside $(…): it ends the shell that it runs in.
ask() {
  ask_left=$1 ask_path=$2 ask_at=$probe$2
  set --
  if [ "$client" = curl ]; then
    [ "$host" = - ] || case $probe in
    https://*)
      # The name goes into the handshake too, the connection to this very host.
      ask_peer=${probe#https://}
      ask_peer=${ask_peer%%/*}
      ask_at=https://$host$ask_path
      case $ask_peer in *:*[!0-9]* | *[!:0-9]) ask_peer=$ask_peer:443 ;; esac
      set -- --connect-to "::$ask_peer"
      ;;
    *) set -- -H "Host: $host" ;;
    esac
    while [ "$ask_left" -gt 0 ]; do
      set -- "$@" "$ask_at"
      ask_left=$((ask_left - 1))
    done
    exec curl -q -gsSik --http1.1 --noproxy '*' --fail-early -m 1 -H 'Connection: close' "$@" 2>&1
  fi
  [ "$host" = - ] || set -- --header "Host: $host"
  while [ "$ask_left" -gt 0 ]; do
    $client -q -S -O - -T 1 -t 1 --header 'Connection: close' "$@" "$ask_at" 2>&1
    ask_left=$((ask_left - 1))
  done
}

# heard TEXT CALL: calls CALL with status, our header and body of each answer (the first two
# with the carriage return that HTTP puts there).
heard() {
  heard_status= heard_state= heard_any=
  while IFS= read -r heard_line; do
    case $heard_line in
    HTTP/* | '  HTTP/'*)
      [ -z "$heard_status" ] || "$2" "$heard_status" "$heard_state" -
      heard_status=${heard_line#*HTTP/} heard_state= heard_any=1
      ;;
    [Xx]-[Dd]eploy:* | '  '[Xx]-[Dd]eploy:*) heard_state=${heard_line#*: } ;;
    '{'*'}')
      [ -z "$heard_state" ] || "$2" "$heard_status" "$heard_state" "$heard_line"
      heard_status= heard_state=
      ;;
    curl:* | wget:*) "$2" "$heard_line" '' - ;;
    esac
  done <<ANSWERS
$1
ANSWERS
  [ -z "$heard_status" ] || "$2" "$heard_status" "$heard_state" -
}

# stat_of PID: parent and start (100ths of a second since boot) into parent, start.
stat_of() {
  stat_line= parent= start=
  [ -n "$1" ] || return 1
  { read -r stat_line <"/proc/$1/stat"; } 2>/dev/null || return 1
  stat_pick ${stat_line##*) }
}
stat_pick() {
  parent=$2
  shift 19
  start=$1
}

# lock SECONDS: what apps share on this host, for one change. The record's own where it is there.
lock() {
  if command -v lb_lock >/dev/null 2>&1; then
    lb_lock "$driver" "$1"
    return
  fi
  { command exec 8<>"${ROOT:-/var/lib/deploy}/lb.$driver.lock"; } 2>/dev/null || return 1
  lock_tries=$(($1 * 20))
  until flock -x -n 8; do
    [ "$lock_tries" -gt 0 ] || return 1
    lock_tries=$((lock_tries - 1))
    sleep 0.05
  done
}
unlock() { exec 8>&-; }
# swap LINK TARGET: a link exchanged by rename.
swap() {
  ln -sfn "$2" "$1.new" && mv -fT "$1.new" "$1"
}


# write FILE: standard input into FILE, whole or not at all; 1 = it could not be written.
write() {
  cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && return
  rm -f "$1.new"
  return 1
}
# record_switch GENERATION BEFORE-SUM AFTER-SUM PHASE: in the host's record, where there is one.
record_switch() {
  ! command -v switch_set >/dev/null 2>&1 || switch_set "$@"
}
