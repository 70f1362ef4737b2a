# prepare BEFORE AFTER GENERATION: is the live state one of them, and does the program for `prepare`,
# where there is one, agree? Answers `ready`, `moved LIVE` or `refused` with `why` lines.
refuse() {
  printf 'refused\n'
  printf 'why %s\n' "$1"
  exit 0
}
does "$@" || refuse "the program for read does not answer: $complaint"
case $live in "$own1" | "$own2") ;; *) stop moved "$live" ;; esac
if has prepare "$@"; then
  run prepare "$@" || refuse "${complaint:-the program for prepare ended with $run_rc}"
fi
record_switch "$own3" "$sum_before" "$sum_after" prepared || refuse 'the record of the switch cannot be written'
echo ready
