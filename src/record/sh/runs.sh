# runs LINES: what is remembered of finished runs and of attempts, the last LINES of each; without
# the lock.
#   h <entry>   a finished run      a <entry>   an attempt that changed nothing
#   c <claim>   the run that holds the host now, or was left there
{ cd "$dir"; } 2>/dev/null || end none
part() { # word, files...
  part_word=$1
  shift
  for part_file; do [ ! -f "$part_file" ] || cat "$part_file"; done | tail -n "$lines" |
    sed "s/^/$part_word /"
}
lines=$1
part h history
part a attempts.old attempts
! first claim || printf 'c %s\n' "$line"
end ok
