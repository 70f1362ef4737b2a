# run RUN: all that the host remembers of one run; without the lock.
#   h <entry>      its line of the history (or of the attempts)
#   m <manifest>   what it wanted        r <report>   how it went, step by step
#   c <claim>      it holds the host     n <words>    the step that runs, or ran last
#   e <line>       evidence of a failed candidate, as it was printed when it was kept
{ cd "$dir"; } 2>/dev/null || end none
run=$1
for f in history attempts.old attempts; do
  [ ! -f "$f" ] || grep -F "\"run\":\"$run\"" "$f" | sed 's/^/h /'
done
if first claim; then
  case $line in "1 $run "*) printf 'c %s\n' "$line" ;; esac
fi
[ -d "runs/$run" ] || end ok
cd "runs/$run" || end error read
for f in manifest:m report:r now:n; do
  [ ! -f "${f%:*}" ] || sed "s/^/${f#*:} /" "${f%:*}"
done
if [ -d evidence ]; then
  cd evidence || end error read
  for f in containers events; do [ ! -f "$f" ] || sed 's/^/e /' "$f"; done
  # Logs are named by container: they are told apart by the order in `containers`.
  n=0
  sed -n 's/^c \["\([0-9a-f]*\)".*/\1/p' containers 2>/dev/null | while read -r id; do
    [ ! -f "log.$id" ] || tail -n 200 "log.$id" | cut -b 1-2000 | sed "s/^/e l $n /"
    n=$((n + 1))
  done
fi
end ok
