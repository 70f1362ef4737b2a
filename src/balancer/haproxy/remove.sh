# remove: takes the app's word and host out of the running server and of the files, then its
# backends by a reload. Answers like commit.
if [ ! -e "$dir/$entry.cfg" ] && [ "$(map_word "$dir/apps.map" "$entry")" = - ]; then
  stop converged "$(date +%s.%N)"
fi
pick_ctl || stop differs 'neither socat nor perl nor python3 is there to speak to HAProxy'
lock 5 || stop differs 'nothing was done: another change on this load balancer holds its lock'
ask_server
find_master
map_put "$dir/apps.map" "$entry" '' || stop differs "$dir cannot be written"
batch="del map $dir/apps.map $entry"
for old in $(awk -v e="$entry" '$2 == e { print $1 }' "$dir/hosts.map" 2>/dev/null); do
  map_put "$dir/hosts.map" "$old" ''
  batch="$batch;del map $dir/hosts.map $old"
done
if [ -e "$dir/rules.map" ]; then
  MARK="$rules_mark\\n(" awk '!index($0, ENVIRON["MARK"])' "$dir/rules.map" | write "$dir/rules.map"
fi
[ -z "$worker" ] || ctl "$batch" >/dev/null
mv -f "$dir/$entry.cfg" "$dir/$entry.gone" 2>/dev/null
if [ -n "$master" ]; then
  if ! try_conf -; then
    mv -f "$dir/$entry.gone" "$dir/$entry.cfg"
    printf 'refused\n'
    why "$said"
    exit 0
  fi
  old_worker=$worker
  reload '' || stop differs 'its word is gone, but HAProxy did not take the reload: see its log'
fi
rm -rf "$here" "$dir/$entry.gone"
sync "$dir"
ask_server
case $runs in
- | '?') stop converged "$(date +%s.%N)" ;;
*) stop differs "HAProxy says $runs" ;;
esac
