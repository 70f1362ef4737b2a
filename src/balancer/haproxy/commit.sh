# commit BEFORE AFTER HASH CONF-BYTES RULES-BYTES BEFORE-SUM AFTER-SUM GENERATION READY RESTING
# AWAITED; backends, rules and the value come as data.
# Answers `converged AT`, `differs SEEN`, `moved KEY`, or `refused` with `why` lines.
before=$1 after=$2 hash=$3 conf_bytes=$4 rules_bytes=$5 sums="$6 $7" generation=$8 ready=$9
shift 9
resting=$1 awaited=$2
pick_client || stop differs 'neither curl nor wget is there to read back what HAProxy does'
pick_ctl || stop differs 'neither socat nor perl nor python3 is there to speak to HAProxy'
lock 5 || stop differs 'nothing was done: another change on this load balancer holds its lock'
ask_server
# The running server decides what is live; where none runs, what it would start with.
live=$runs
[ "$live" != '?' ] || live=$(map_word "$dir/apps.map" "$entry")
case $live in "$before" | "$after") ;; *) stop moved "$live" ;; esac
record_switch "$generation" $sums commit || stop differs 'nothing was done: the record of the switch cannot be written'

made=$here/making.$$
mkdir -p "$made" && cat >"$made/all" && head -c "$conf_bytes" "$made/all" >"$made/conf" &&
  tail -c "+$((conf_bytes + 1))" "$made/all" | head -c "$rules_bytes" >"$made/rules" &&
  tail -c "+$((conf_bytes + rules_bytes + 1))" "$made/all" | write "$here/traffic.$generation" ||
  stop differs "nothing was done: $here cannot be written"
trap 'rm -rf "$made"' EXIT

# Backends: checked again (another app may have changed since), put in place, loaded. Before the
# word changes, so that it never names what is not there.
if ! cmp -s "$made/conf" "$dir/$entry.cfg"; then
  if [ "$loaded" != "$hash" ]; then
    find_master
    if [ -n "$worker" ]; then
      [ -n "$master" ] || stop differs 'nothing was done: HAProxy runs without a master process'
    fi
    if ! try_conf "$made/conf"; then
      printf 'refused\n'
      why "$said"
      exit 0
    fi
  fi
  if [ -e "$dir/$entry.cfg" ]; then cp "$dir/$entry.cfg" "$made/old"; fi
  write "$dir/$entry.cfg" <"$made/conf" || stop differs "nothing was done: $dir cannot be written"
fi
if [ -n "$worker" ] && [ "$loaded" != "$hash" ]; then
  find_master
  old_worker=$worker
  if ! reload "$hash"; then
    # What did not load must not lie there for its next start.
    if [ -e "$made/old" ]; then write "$dir/$entry.cfg" <"$made/old"; else rm -f "$dir/$entry.cfg"; fi
    stop differs 'HAProxy did not take the reload: see its log'
  fi
fi

# The files: rules first, which hold for their generation only; then the word.
put_files() {
  [ -e "$dir/rules.map" ] || : >"$dir/rules.map"
  # Most apps have no rules: nothing to do then.
  if [ -s "$made/rules" ] || grep -qF -e "$rules_mark\\n(" "$dir/rules.map"; then put_rules || return 1; fi
  if [ "$host" != - ] && [ "$host_known" != "$entry" ]; then
    awk -v e="$entry" '$2 == e { print $1 }' "$dir/hosts.map" 2>/dev/null | while read -r old; do
      [ "$old" = "$host" ] || map_put "$dir/hosts.map" "$old" ''
    done
    map_put "$dir/hosts.map" "$host" "$entry" || return 1
  fi
  map_put "$dir/apps.map" "$entry" "$after"
}
put_rules() {
  file_key=$(map_word "$dir/apps.map" "$entry")
  file_generation=${file_key%:*}
  file_generation=$(printf '%s' "${file_generation##*:}" | sed -e 's/[-]/\\x2d/g' -e 's/[.]/\\x2e/g')
  {
    MARK="$rules_mark\\n(" KEEP=":$file_generation:" NEW=$made/rules awk '
      BEGIN { while ((getline line <ENVIRON["NEW"]) > 0) new[line] = 1 }
      (index($0, ENVIRON["MARK"]) && !index($0, ENVIRON["KEEP"])) || ($0 in new) { next }
      { print }' "$dir/rules.map"
    cat "$made/rules"
  } | write "$dir/rules.map"
}
host_known=$(map_word "$dir/hosts.map" "$host")
put_files || stop differs "the files of $dir could not be written"
if [ -z "$worker" ] || [ "$runs" = '?' ]; then
  sync "$dir"
  stop differs "HAProxy does not answer at $sock, or does not use $dir/apps.map: it was written, and nothing else was done"
fi

# Members come back before the word changes, those that go leave after it.
there=$(states)
wrong=$(printf '%s\n' "$there" | misplaced "$ready" "$resting")
batch=
for one in $wrong; do
  case $one in *=in) batch="${batch}set server ${one%=in} state ready;" ;; esac
done
if [ -n "$batch" ]; then
  ctl "$batch" >/dev/null
  there=$(states)
fi
# HAProxy's own word on the members that will get requests: one at least must be up.
up_tries=40
while :; do
  up=$(printf '%s\n' "$there" | AWAITED=" $awaited " awk 'index(ENVIRON["AWAITED"], " " $1 " ") { if ($3 == 2 || $3 == 1) up++; else down++ } END { print up + 0, down + 0 }')
  [ "${up#* }" != 0 ] || break
  up_tries=$((up_tries - 1))
  [ "$up_tries" -gt 0 ] || break
  sleep 0.05
  there=$(states)
done
if [ -n "$awaited" ] && [ "${up% *}" = 0 ]; then
  if [ "$live" = - ]; then map_put "$dir/apps.map" "$entry" ''; else map_put "$dir/apps.map" "$entry" "$live"; fi
  sync "$dir"
  stop differs "HAProxy holds every member that would get requests for down: $awaited"
fi

if [ -s "$made/rules" ]; then
  ctl "show map $dir/rules.map" | sed -n 's/^0x[0-9a-f]* //p' >"$made/there"
  missing=$(THERE=$made/there awk 'BEGIN { while ((getline l <ENVIRON["THERE"]) > 0) there[l] = 1 } !($0 in there)' "$made/rules")
  [ -z "$missing" ] || ctl "add map $dir/rules.map <<
$missing" >/dev/null
fi
# A server that was just loaded may know the word from the file.
[ -z "${old_worker-}" ] || ask_server
verb=set
[ "$runs" != - ] || verb=add
batch="$verb map $dir/apps.map $entry $after"
if [ "$host" != - ] && { [ "$host_known" != "$entry" ] || [ "$live" = - ]; }; then
  known=$(ctl "show map $dir/hosts.map" | ENTRY=$entry awk '$3 == ENVIRON["ENTRY"] { print $2 }')
  for old in $known; do
    [ "$old" = "$host" ] || batch="$batch;del map $dir/hosts.map $old"
  done
  case "
$known
" in *"
$host
"*) ;; *) batch="$batch;add map $dir/hosts.map $host $entry" ;; esac
fi
[ "$runs" = "$after" ] && [ "$verb" = set ] && case $batch in *';'*) false ;; esac || ctl "$batch" >/dev/null
at=$(date +%s.%N)
batch=
for one in $wrong; do
  case $one in *=drain | *=maint) batch="${batch}set server ${one%=*} state ${one##*=};" ;; esac
done
[ -z "$batch" ] || ctl "$batch" >/dev/null

# What others may disturb is done; to ask the server takes as long as all the rest.
unlock
sync "$dir" 9>&- &
back=
if read_back "$after" || { sleep 0.1; read_back "$after"; }; then back=1; fi
wrong=$(states | misplaced "$ready" "$resting")
[ -z "$wrong" ] || { back= seen="members are not as wished: $(printf '%s' "$wrong" | tr '\n' ' ')"; }
# Rules and values of earlier generations are nobody's any more.
old=$(ctl "show map $dir/rules.map" | own_rules | NEW=$made/rules MAP=$dir/rules.map awk '
  BEGIN { while ((getline line <ENVIRON["NEW"]) > 0) new[line] = 1 }
  { id = $1; sub(/^[^ ]* /, ""); if (!($0 in new)) printf "del map %s #%s;", ENVIRON["MAP"], id }')
[ -n "$back" ] && [ -n "$old" ] && ctl "$old" >/dev/null
keep_before=${before%:*}
set +f
for old in "$here"/traffic.*; do
  case $old in "$here/traffic.$generation" | "$here/traffic.${keep_before##*:}") ;; *) rm -f "$old" ;; esac
done
set -f
wait
if [ -n "$back" ]; then
  printf 'converged %s\n' "$at"
else
  printf 'differs HAProxy answers: %s\n' "$seen"
fi
