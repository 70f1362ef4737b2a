# verify - WANTED GENERATION: does `read` say so, twice?
for _ in 1 2; do
  does "$@" || stop differs "the program for read does not answer: $complaint"
  [ "$live" = "$own2" ] || stop differs "it does $live"
done
printf 'converged %s\n' "$(date +%s.%N)"
