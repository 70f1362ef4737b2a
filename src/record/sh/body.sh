# What every step's body may use. Parameters 1-5 are taken; the body's own follow from $1.
# Data of the step comes on standard input (`take_data N`, `put FILE N`, or any command).
ROOT=$1 STATE=$2 RUN=$3 FENCE=$4 SEQ=$5
shift 5

# take_data N: the next N bytes of the data. It is a file, so one read gets them all.
take_data() { [ "$1" -eq 0 ] || dd bs="$1" count=1 2>/dev/null; }

# put FILE [BYTES|line]: standard input (all, or the next BYTES), or the line $put_text, into FILE:
# temp, sync, rename, sync.
# The temporary file is hidden and ends in a tilde, which servers' include patterns leave out.
put() {
  put_dir=${1%/*}
  [ "$put_dir" != "$1" ] || put_dir=.
  put_tmp=$put_dir/.${1##*/}.$$~
  case ${2-} in
  '') cat ;;
  line) printf '%s\n' "$put_text" ;;
  *) take_data "$2" ;;
  esac >"$put_tmp" && sync "$put_tmp" && mv -f "$put_tmp" "$1" && sync "$put_dir" && return
  rm -f "$put_tmp"
  return 1
}
# put_line FILE WORDS…: a record of one line, ended by a dot.
put_line() {
  put_file=$1
  shift
  put_text="1 $* ."
  put "$put_file" line
}
# slot_set SLOT RELEASE: what was brought up there; written after `up`.
slot_set() { put_line "$STATE/slots/$1" "$2" "$RUN"; }
# switch_set GENERATION BEFORE AFTER PHASE: the traffic change under way.
switch_set() { put_line "$STATE/switch" "$RUN" "$FENCE" "$@"; }
# owing_set HOST GENERATION GROUP SINCE: that host missed a change. owing_clear HOST.
owing_set() { put_line "$STATE/owing/$1" "$2" "$3" "$RUN" "$4"; }
owing_clear() { rm -f "$STATE/owing/$1" && sync "$STATE/owing"; }

# lb_lock DRIVER [SECONDS]: what apps share on a load balancer, changed for milliseconds only.
# The order of locks: the app's, then this, then prune_lock.
lb_lock() {
  { command exec 8<>"$ROOT/lb.$1.lock"; } 2>/dev/null || return 1
  body_flock 8 "${2:-5}" -x
}
lb_unlock() { exec 8>&-; }
# prune_lock -s|-x SECONDS: pull shares it, prune has it alone (with 0 seconds: prune is optional).
prune_lock() {
  { command exec 7<>"$ROOT/prune.lock"; } 2>/dev/null || return 1
  body_flock 7 "$2" "$1"
}
prune_unlock() { exec 7>&-; }
# Tries, since not every flock can wait with a limit.
body_flock() {
  body_tries=$(($2 * 20))
  until flock "$3" -n "$1"; do
    [ "$body_tries" -gt 0 ] || return 1
    body_tries=$((body_tries - 1))
    sleep 0.05
  done
}
# leave COMMAND…: for whatever leaves a daemon behind by itself: it must not keep a lock. Not with
# `&`, whose subshell would keep it all the same.
leave() { "$@" 7>&- 8>&- 9>&-; }
