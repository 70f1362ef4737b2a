# commit BEFORE AFTER HASH HTTP-BYTES SERVER-BYTES MODE BEFORE-SUM AFTER-SUM GENERATION SLOT OUT
# FLAGS TRAFFIC SPARE; the configuration comes as data.
# Answers `converged AT`, `differs SEEN`, `moved KEY`, or `refused` with `why` lines.
before=$1 after=$2 hash=$3 http=$4 server=$5 mode=$6 sums="$7 $8" generation=$9
shift 9
slot=$1 out=$2 flags=$3 traffic=$4 spare=$5
pick_client || stop differs "neither curl nor wget is there to read back what $called does"
lock 5 || stop differs 'nothing was done: another change on this load balancer holds its lock'
live_key
case $key in
"$after" | "$before") ;;
*) stop moved "$key" ;;
esac
at=
loaded=
{ read -r loaded <"$here/loaded"; } 2>/dev/null

# The flags, complete in a folder of their own, then the link to it by one rename.
put_state() {
  [ "$key" != "$after" ] || return 0
  [ -d "$here" ] || make_entry || return 1
  state=$here/state.$generation.$$
  # A number that came round again after a crash.
  [ ! -e "$state" ] || state=$state.again
  mkdir "$state" && printf '%s\n' "$traffic" >"$state/traffic" &&
    printf '%s\n' "$generation" >"$state/generation" || return 1
  IFS=,
  for flag in $flags; do : >"$state/$flag" || return 1; done
  unset IFS
  [ "$spare" = - ] || : >"$state/spare.$slot.$spare" || return 1
  sync "$state/traffic" "$state/generation" "$state" &&
    swap "$here/current" "${state##*/}" || return 1
  at=$(date +%s.%N)
  [ "$here/current" -ef "$state" ] || return 1
  key=$after
  # The rename becomes durable while the server is asked.
  sync "$here" 9>&- 8>&- &
}

# The flag of the spare, where the state stays: it is no part of the state, so it comes and goes alone.
put_spare() {
  spare_moved=
  set +f
  for spare_flag in "$here"/current/spare.*; do
    [ ! -e "$spare_flag" ] || [ "${spare_flag##*/}" = "spare.$slot.$spare" ] || {
      rm -f "$spare_flag" || return 1
      spare_moved=1
    }
  done
  set -f
  if [ "$spare" != - ] && [ ! -e "$here/current/spare.$slot.$spare" ]; then
    : >"$here/current/spare.$slot.$spare" || return 1
    spare_moved=1
  fi
  [ -z "$spare_moved" ] || sync "$here/current"
}

# The configuration: checked again (another app may have changed since), put in place, loaded.
put_conf() {
  old_live=$(readlink "$here/live")
  facts=$(survey)
  make_entry && make_conf "$hash" "$http" "$server" || stop differs "nothing was done: $here cannot be written"
  if ! try_conf "$hash" "$mode"; then
    printf 'refused\n'
    why "$said"
    exit 0
  fi
  # Nothing reads the flags of an entry that is not loaded: they must lie there when it is.
  if [ "$before" = - ]; then put_state || put_back 'the flags could not be written'; fi
  swap "$here/live" "conf.$hash" && make_stub && sync "$here" "$dir" || put_back "$here cannot be written"
  reload "$facts" || put_back "$called did not take the reload: $(log_words)"
  loaded=$hash
  printf '%s\n' "$hash" >"$here/loaded"
  [ "$at" = '' ] || at=$(date +%s.%N)
}
# What the server did not load must not lie there for its next start.
put_back() {
  if [ -n "$old_live" ]; then
    swap "$here/live" "$old_live"
  else
    rm -f "$here/live" "$dir/$entry.conf"
  fi
  [ "$before" != - ] || rm -rf "$here/current"
  sync "$here" "$dir"
  stop differs "$1"
}

if command -v switch_set >/dev/null 2>&1; then
  switch_set "$generation" $sums commit || stop differs 'nothing was done: the record of the switch cannot be written'
fi
# A way back where the change itself did not take: the flags were never touched, and what the server has
# loaded goes with them. To load the newer configuration now would fail as it did before.
if [ "$before" != - ] && [ "$key" = "$after" ] && [ -n "$loaded" ] && [ "$loaded" != "$hash" ] &&
  [ "$here/live" -ef "$here/conf.$loaded" ] && read_back "$loaded" "$slot" "$out"; then
  stop converged "$(date +%s.%N)"
fi
if ! [ "$here/live" -ef "$here/conf.$hash" ] || [ "$loaded" != "$hash" ]; then
  put_conf
fi
put_state && put_spare || stop differs "the flags of $here could not be written"
[ -n "$at" ] || at=$(date +%s.%N)
# What others may disturb is done; to ask the server takes as long as all the rest.
unlock
back=
if read_back "$hash" "$slot" "$out" "$spare" || { sleep 0.1; read_back "$hash" "$slot" "$out" "$spare"; }; then
  back=1
fi
wait
if [ -n "$back" ]; then
  printf 'converged %s\n' "$at"
  # Where nothing had to be prepared nobody else does it. Another app that checks a candidate just now
  # copies the folder: then it waits for the next change.
  ! lock 0 || { tidy; unlock; }
else
  printf 'differs %s answers: %s\n' "$called" "$seen"
fi
