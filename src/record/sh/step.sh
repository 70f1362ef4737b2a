# step RUN FENCE SEQ NAME LIMIT FOLLOW TIED SIZE BODY-PARAMETERS…; $body is set above.
# The body reads the data on its standard input (that of a tied one touches no disk: it is a login),
# and prints into a file: with its output on the
# connection, a lost client would end it half-way.
run=$1 fence=$2 seq=$3 name=$4 limit=$5 follow=$6 tied=$7 size=$8
shift 8
{ cd "$dir"; } 2>/dev/null || end lost
out=runs/$run/out.$seq in=/dev/null
drop() { case $in in /dev/* | /proc/*) ;; *) rm -f "$in" ;; esac; }
refuse() {
  drop
  end "$@"
}
[ -d "runs/$run" ] || mkdir -p "runs/$run" 2>/dev/null || end error write
if [ "$size" -gt 0 ] && [ "$tied" = yes ]; then
  private_data "$size" "runs/$run" || refuse error upload
  in=/proc/self/fd/7
elif [ "$size" -gt 0 ]; then
  in=runs/$run/in.$seq.$$
  # It may hold what only the body is to know, and others read in this folder: it is never theirs.
  umask 077
  { take_data "$size" >"$in"; } 2>/dev/null || refuse error upload
  umask 007
fi

lock 2 || refuse busy
load || { gone; refuse lost $holder; }
holder
[ "$c_fence" = "$fence" ] || taken_at
[ "$c_fence" = "$fence" ] || refuse lost $holder
if [ "$seq" = "$c_seq" ]; then
  exec 9>&-
  [ ! -s "$out" ] || cat "$out"
  case $c_phase in done:*) refuse ok rc=${c_phase#done:} again ;; *) refuse unknown ;; esac
fi
[ "$seq" -gt "$c_seq" ] || refuse stale seq=$c_seq

now
{ true >"$out"; } 2>/dev/null || refuse error write
{ printf '1 %s %s %s %s %s .\n' "$seq" "$name" "$tied" "$limit" "$up" >"runs/$run/now"; } 2>/dev/null
note "begin $fence $seq $name up=$up" && stage_claim "$seq" begun &&
  sync claim.new journal && mv -f claim.new claim && sync . || refuse error write

# Takes the place of a subshell, so that a signal to it reaches `timeout`, which passes it on.
work() {
  exec timeout -k 10 "$limit" sh -c "$body" sh "$root" "$dir" "$run" "$fence" "$seq" "$@" 9<&9 <"$in"
}
# The follower reads one open file with the shell: whoever reads next goes on where it stopped.
follow() {
  stop=
  trap 'stop=1' TERM
  while [ -z "$stop" ] && kill -0 $$; do
    [ ! -s "$out" ] || cat <&3 || break
    sleep 0.4 >/dev/null 3<&- &
    [ -n "$stop" ] || wait $!
  done
}
follower=
if [ "$follow" = yes ]; then
  exec 3<"$out"
  follow 9>&- 2>/dev/null &
  follower=$!
fi
if [ "$tied" = yes ]; then
  until_hangup work "$@" >"$out" 2>&1 3<&-
else
  (work "$@") >"$out" 2>&1 3<&-
fi
rc=$?

saved=
now
note "done $fence $seq rc=$rc up=$up" && stage_claim "$seq" "done:$rc" &&
  sync claim.new journal && mv -f claim.new claim || saved=unsaved
lease_set "$fence" "$c_ttl"
drop
# From here on a client that does not read cannot keep the lock.
exec 9>&-
if [ -n "$follower" ]; then
  kill "$follower" 2>/dev/null
  wait "$follower"
  cat <&3
elif [ -s "$out" ]; then
  cat "$out"
fi
end ok rc=$rc $saved
