# peek: the claim, its lease and who holds the lock; read-only, without the lock.
{ cd "$dir"; } 2>/dev/null && load || end free
lease_left
holder
now
for p in /proc/[0-9]*; do
  [ "$p/fd/9" -ef lock ] || continue
  while read -r key _; do
    if [ "$key" = lock: ]; then
      printf 'pid %s\n' "${p#/proc/}"
      break
    fi
  done <"$p/fdinfo/9"
done 2>/dev/null
! first "runs/$c_run/now" || printf 'now %s\n' "$line"
end ok $holder left=$left up=$up
