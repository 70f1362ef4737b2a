# Common to the drains; `common.sh` stands before it.

# wait_idle SECONDS COUNT: calls COUNT, which puts the number of open requests into open (`-`: it
# cannot be counted now), until it was 0 twice or the time is over. Prints `open N` on each change, at the end
# `idle` or `left N`, and ends the body.
wait_idle() {
  idle_last= idle_zeros=0
  uptime_now
  idle_end=$((now + $1 * 100))
  while :; do
    "$2"
    if [ "$open" != "$idle_last" ]; then
      printf 'open %s\n' "$open"
      idle_last=$open
    fi
    uptime_now
    if [ "$open" = 0 ]; then
      idle_zeros=$((idle_zeros + 1))
      [ "$idle_zeros" -lt 2 ] || stop idle
    else
      idle_zeros=0
      [ "$now" -lt "$idle_end" ] || stop "left $open"
    fi
    sleep 0.05
  done
}
# uptime_now: 100ths of a second since boot into now: a clock that nobody sets.
uptime_now() {
  read -r up _ </proc/uptime
  now=${up%.*}${up#*.}
}
