# setup DIR: our folder and the three maps, which HAProxy must find when it starts. Says a line for
# each thing: made, kept, or left for a person. Needs no function of ours.
umask 022
[ -d "$1" ] || mkdir -p -m 755 "$1"
for haproxy_map in hosts apps rules; do
  if [ -e "$1/$haproxy_map.map" ]; then
    printf 'kept %s/%s.map\n' "$1" "$haproxy_map"
  elif : >"$1/$haproxy_map.map"; then
    printf 'made %s/%s.map\n' "$1" "$haproxy_map"
  else
    printf 'left %s/%s.map: it could not be made\n' "$1" "$haproxy_map"
  fi
done
