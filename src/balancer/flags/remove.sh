# remove: takes the entry out of the server's configuration, reloads, deletes its files.
# Answers like commit.
if [ ! -e "$dir/$entry.conf" ] && [ ! -d "$here" ]; then
  stop converged "$(date +%s.%N)"
fi
lock 5 || stop differs 'nothing was done: another change on this load balancer holds its lock'
# never_loaded: neither files nor server know of it. So lies what a first change left that did not take,
# and to reload for it would fail as that did.
never_loaded() {
  for part in "$dir/$entry.conf" "$here/live" "$here/current" "$here/loaded"; do
    [ ! -e "$part" ] && [ ! -L "$part" ] || return 1
  done
  pick_client || return 1
  told=
  heard "$(ask 1 "/.deploy/$entry/state")" hear_entry
  # No answer at all is no word of its not being there.
  [ -n "$heard_any" ] && [ -z "$told" ]
}
hear_entry() {
  case $2 in conf=*) told=1 ;; esac
}
if never_loaded; then
  rm -rf "$here"
  sync "$dir"
  # A reload that came late may have it all the same. Whether this one takes decides nothing.
  reload "$(survey)" || :
  stop converged "$(date +%s.%N)"
fi
facts=$(survey)
live=$(readlink "$here/live")
# The flags stay where they are until nothing reads them.
back() {
  [ -z "$live" ] || swap "$here/live" "$live"
  make_stub
}
rm -f "$here/live" "$dir/$entry.conf"
if ! said=$(check_by 2>&1); then
  back
  printf 'refused\n'
  why "$said"
  exit 0
fi
if find_master "$facts" && ! reload "$facts"; then
  back
  stop differs "$called did not take the reload: $(log_words)"
fi
rm -rf "$here"
sync "$dir"
printf 'converged %s\n' "$(date +%s.%N)"
