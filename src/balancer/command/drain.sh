# drain SECONDS: what the program for `drain` prints, line by line: `{"open": N}`, at the end with
# `"idle": true`. Where there is none, nobody can say: the whole time is waited.
if ! has drain "$@"; then
  echo 'open -'
  sleep "$own1"
  stop 'left -'
fi
while [ "${1%:*}" != drain ]; do
  skip=$((${1##*:} + 1))
  shift "$skip"
done
count=${1##*:}
shift
total=$# n=0
while [ "$n" -lt "$total" ]; do
  [ "$n" -ge "$count" ] || set -- "$@" "$1"
  shift
  n=$((n + 1))
done
printf '%s\n' "$request" | "$@" 2>/dev/null || echo 'left -'
