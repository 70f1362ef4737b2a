# look: what lies there, what the server does, what is wrong. One fact a line: a word, then its value.
if ! command -v "$bin" >/dev/null 2>&1; then
  stop problem absent "$bin"
fi
key=$(map_word "$dir/apps.map" "$entry")
printf 'key %s\n' "$key"
value_of() { # WORD: the value whose word this is, its JSON
  generation=${1%:*}
  generation=${generation##*:}
  value=
  { IFS= read -r value <"$here/traffic.$generation"; } 2>/dev/null
}
if [ "$key" != - ]; then
  value_of "$key"
  [ -z "$value" ] || printf 'traffic %s\n' "$value"
  printf 'conf %s\n' "$(cksum <"$dir/$entry.cfg" 2>/dev/null)"
  printf 'hash %s\n' "$(sed -n 's/.*set-var [^ ]* str(\([0-9a-f]*\)).*/\1/p' "$dir/$entry.cfg" 2>/dev/null)"
fi
if [ "$host" != - ]; then
  printf 'mapped %s\n' "$(map_word "$dir/hosts.map" "$host")"
fi

master=
if ! pick_ctl; then
  echo 'problem socket-client'
else
  ask_server
  if [ -z "$worker" ]; then
    printf 'problem stopped %s\n' "$sock"
    version=$("$bin" -v 2>/dev/null | sed -n '1s/.*version \([^ ]*\).*/\1/p')
  fi
  printf 'version %s\n' "$version"
  [ -z "$instance" ] || printf 'instance %s\n' "$instance"
  if [ -n "$worker" ]; then
    find_master || echo 'problem master'
    [ "$runs" != '?' ] || echo 'problem lines'
    printf 'runs %s\n' "$runs"
    printf 'loaded %s\n' "$loaded"
    if [ "$runs" != - ] && [ "$runs" != '?' ]; then
      value_of "$runs"
      [ -z "$value" ] || printf 'serves %s\n' "$value"
    fi
    states | sed 's/^/member /'
    ctl "show map $dir/rules.map" | own_rules | sed -n 's/^0x[0-9a-f]* /rule /p'
  fi
fi
files=$(conf_files)
if [ -n "$master" ] && ! loads_us "$files"; then
  printf 'problem folder %s\n' "$dir"
fi
if ! try_conf -; then
  echo 'problem broken'
  why "$said"
fi
while IFS= read -r file; do
  [ -f "$file" ] || continue
  ! grep -q '^[[:space:]]*option[[:space:]][[:space:]]*idle-close-on-response' "$file" || echo 'grace 1'
done <<FILES
$files
FILES

tell() {
  printf 'status %s\n' "$1"
  case $2 in to=*) printf 'says %s\n' "${2#to=}" ;; esac
}
if pick_client; then
  heard "$(ask 1 "$state_path")" tell
else
  echo 'problem client'
fi
echo looked
