# take EXPECTED RUN FENCE TTL WHO POLITE KILL DISPLACE SIZE: another fence on a claim that somebody
# left. POLITE: yes = only when the lease is over. KILL: yes = end a step that still runs, whatever it
# is. DISPLACE: yes = also from another run that has begun something. Data: the manifest of RUN, where
# it is not there yet; it is there before the claim is.
expected=$1 run=$2 fence=$3 ttl=$4 who=$5 polite=$6 kill=$7 displace=$8 size=$9
{ cd "$dir"; } 2>/dev/null || end free
stage=
if [ "$size" -gt 0 ]; then
  stage=in.$fence.$$
  { mkdir "$stage" && take_data "$size" >"$stage/manifest"; } 2>/dev/null ||
    { rm -rf "$stage"; end error upload; }
fi
no() {
  [ -z "$stage" ] || rm -rf "$stage"
  end "$@"
}
may_take() {
  load || no free
  if [ "$c_fence" = "$fence" ]; then
    first "runs/$run/was.$fence" || line=claimed@0
    no ok was=$line again
  fi
  lease_left
  holder
  [ "$c_fence" = "$expected" ] || no held $holder left=$left
  [ "$polite" = no ] || [ "$left" -le 0 ] || no held $holder left=$left
  # Another run may only replace one that has not begun anything, unless a person says so.
  [ "$run" = "$c_run" ] || [ "$displace" = yes ] ||
    case $c_seq.$c_fence in 0.1-*) ;; *) no held $holder left=$left ;; esac
}
# Those that hold the lock on descriptor 9; one that waits for it shows no `lock:` line.
lock_holders() {
  for p in /proc/[0-9]*; do
    [ "$p" != /proc/$$ ] && [ "$p/fd/9" -ef lock ] || continue
    while read -r key _; do
      if [ "$key" = lock: ]; then
        printf '%s ' "${p#/proc/}"
        break
      fi
    done <"$p/fdinfo/9"
  done 2>/dev/null
}
# What runs: the step's name and how long it may still take.
busy() {
  for p in $(lock_holders); do printf 'pid %s\n' "$p"; done
  no busy step=$n_name ends=$n_left
}
running_step() {
  n_seq= n_name=- n_tied=no n_limit=0 n_up=0 n_dot=
  { read -r _ n_seq n_name n_tied n_limit n_up n_dot <"runs/$c_run/now"; } 2>/dev/null
  if [ "$n_dot" != . ] || [ "$n_seq" != "$c_seq" ]; then n_name=- n_tied=no n_limit=0 n_up=$up; fi
  n_left=$((n_up + n_limit - up))
}
end_holders() {
  kill -TERM $(lock_holders) 2>/dev/null
  ! lock 2 || return 0
  for _ in 1 2 3 4 5; do
    kill -KILL $(lock_holders) 2>/dev/null
    ! lock 1 || return 0
  done
  return 1
}
may_take
if ! lock 0; then
  running_step
  [ "$kill" = yes ] || [ "$n_tied" = yes ] || busy
  # Getting the lock is the proof, the killing is not.
  end_holders || busy
fi
may_take
was=$c_phase@$c_seq
[ -d "runs/$run" ] || mkdir -p "runs/$run" 2>/dev/null || no error write
if [ -n "$stage" ]; then
  sync "$stage/manifest" && mv -f "$stage/manifest" "runs/$run/manifest" &&
    sync runs "runs/$run" || no error write
fi
c_run=$run c_fence=$fence c_ttl=$ttl c_who=$who
{ printf '%s\n' "$was" >"runs/$run/was.$fence"; } 2>/dev/null
lease_set "$fence" "$ttl" && note "take $expected $fence $run $who was=$was up=$up" &&
  stage_claim 0 claimed && sync claim.new journal && mv -f claim.new claim && sync . ||
  no error write
no ok was=$was
