# commit BEFORE AFTER GENERATION: sets, then reads until it is seen twice in a row.
# Answers `converged AT`, `differs SEEN`, `moved LIVE`, or `refused` with `why` lines.
lock 5 || stop differs 'nothing was done: another change on this load balancer holds its lock'
if does "$@"; then
  case $live in "$own1" | "$own2") ;; *) stop moved "$live" ;; esac
fi
record_switch "$own3" "$sum_before" "$sum_after" commit || stop differs 'nothing was done: the record of the switch cannot be written'
run set "$@"
rc=$?
# What others may disturb is done.
unlock
case $rc in
0 | 75) ;;
3)
  does "$@"
  stop moved "$live"
  ;;
4)
  printf 'refused\n'
  printf 'why %s\n' "${complaint:-the program for set refused it}"
  exit 0
  ;;
*) stop differs "the program for set ended with $rc: $complaint" ;;
esac
at=$(date +%s.%N)
# What is told to a cloud takes effect later, and is told by one of several who may not agree yet.
good=0 tries=50
while [ "$tries" -gt 0 ]; do
  tries=$((tries - 1))
  if does "$@" && [ "$live" = "$own2" ]; then
    good=$((good + 1))
    [ "$good" -lt 2 ] || stop converged "$at"
  else
    good=0
    at=
    sleep 0.1
  fi
  [ -n "$at" ] || at=$(date +%s.%N)
done
if [ "$live" = '?' ]; then
  stop differs "the program for read does not answer: $complaint"
fi
stop differs "it does $live"
