# drain SECONDS: what the program for `drain` prints, line by line: `{"open": N}`, at the end with
# `"idle": true`. Where there is none, nobody can say: the whole time is waited.
if ! has drain "$@"; then
  echo 'open -'
  sleep "$own1"
  stop 'left -'
fi
follow() { printf '%s\n' "$request" | "$@" 2>/dev/null || echo 'left -'; }
only drain follow "$@"
