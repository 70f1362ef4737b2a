# release FENCE OUTCOME ENTRY KEEP-RUNS KEEP-LINES SERVED LOOK REPORT-SIZE FACTS-PARAMETERS…: how the
# run ended, then the claim goes. LOOK yes: what a look shows is told as well, without the lock.
# Data: the run's report, for people.
# SERVED: the release that served and passed its bake, or `-`. ENTRY `-`: the run never began; the
# claim goes without a word in the history.
# What goes wrong before `mv claim last` is told and does not stop it: it needs no space.
fence=$1 outcome=$2 entry=$3 keep_runs=$4 keep_lines=$5 served=$6 look=$7 report=$8
shift 8
{ cd "$dir"; } 2>/dev/null || end ok again
lock 5 || end busy
load || end ok again
holder
[ "$c_fence" = "$fence" ] || end lost $holder
now
told=
# What is to take the place of history and promoted is made in the run's folder, under the same
# names: so one process syncs all of it, and one moves it.
made=runs/$c_run
# A run's folder that somebody removed is made again; where it cannot be, the claim goes all the same.
[ "$entry" = - ] || [ -d "$made" ] || mkdir -p "$made" 2>/dev/null
tell() {
  # Not by `:`: where the redirection of a special builtin fails, the shell ends.
  { [ ! -e history ] || tail -n "$keep_lines" history; } >"$made/history" &&
    printf '%s\n' "$entry" >>"$made/history"
} 2>/dev/null
# The last 20 releases that served, oldest first, each once.
promote() {
  moved=$made/history
  [ "$served" != - ] || return 0
  first promoted || line=
  keep=$served kept=1
  line=${line#1 } line=${line% .}
  while [ -n "$line" ] && [ "$kept" -lt 20 ]; do
    id=${line##* }
    case $line in *' '*) line=${line% *} ;; *) line= ;; esac
    [ "$id" = "$served" ] || keep="$id $keep" kept=$((kept + 1))
  done
  moved="$made/promoted $moved"
  { printf '1 %s .\n' "$keep" >"$made/promoted"; } 2>/dev/null
}
# A report that did not arrive whole, or has no space, is left out: nothing rests on it, and whoever
# reads one that a power cut has left in part takes it for none.
if [ "$report" -gt 0 ]; then
  take_data "$report" >"runs/$c_run/report" || rm -f "runs/$c_run/report"
fi 2>/dev/null
if [ "$entry" = - ]; then
  note "unclaim $fence $c_run up=$up"
elif tell && promote && note "end $fence $c_run $outcome up=$up" &&
  { printf '1 %s .\n' "$outcome" >"$made/outcome"; } 2>/dev/null &&
  sync $moved journal "$made/outcome" && mv -f $moved .; then :; else
  told=untold
  # What served is a way back: it is kept even where there is no space for the words on it.
  if [ "$served" != - ]; then
    promote && sync "$made/promoted" && mv -f "$made/promoted" .
  fi
fi 2>/dev/null
# `last` is of a run that began.
if [ "$entry" = - ]; then rm -f claim; else mv -f claim last; fi && sync . || end error write
rm -rf lease.* "in.$fence".* claim.new history.new promoted.new "$made/history" "$made/promoted" "runs/$c_run/now" "runs/$c_run"/in.*
# Uploads of claims that were killed; younger ones may still be under way.
for f in in.*; do
  [ ! -d "$f" ] || find "$f" -maxdepth 0 -mmin +60 -exec rm -rf {} +
done
# Secrets of releases that no slot holds are not kept.
for f in releases/*/*/secrets; do
  [ -d "$f" ] || continue
  id=${f#releases/} id=${id%%/*} slot=${f%/secrets} slot=${slot##*/}
  [ ! -e "slots/$slot" ] || first "slots/$slot" || continue
  [ -e "slots/$slot" ] || line=
  case $line in "1 $id "*) ;; *) rm -rf "$f" 2>/dev/null ;; esac
done
# Bounded: whole runs, oldest first, and the older part of the journal. Some at a time, for it takes
# processes only to see how many there are.
many() { [ $# -gt $((keep_runs + 10)) ]; }
if many runs/*; then
  ls -t runs | tail -n +$((keep_runs + 1)) | while read -r old; do
    [ "$old" = "$c_run" ] || rm -rf "runs/$old"
  done
  if [ "$(wc -c <journal)" -gt 400000 ]; then
    tail -n 2000 journal >journal.new && sync journal.new && mv -f journal.new journal
  fi 2>/dev/null
fi
[ "$look" = yes ] || end ok $told
exec 9>&-
show_record
echo facts
may_write=yes
facts "$@" </dev/null
end ok rc=$? $told
