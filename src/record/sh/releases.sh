# releases [ID…]: what every kept release wants of this host, and the files of the named ones; without
# the lock. What lies under secrets/ is never read.
#   k <json>                 a release.json
#   f <id> <slot> <path>     a file of a named release; its lines follow
#   l <line>                 a line of it      b   it is no text
{ cd "$dir/releases"; } 2>/dev/null || end none
# They have no line end.
for f in */*/release.json; do
  [ ! -f "$f" ] || { sed 's/^/k /' "$f" && echo; }
done
for id; do
  { cd "$dir/releases/$id"; } 2>/dev/null || continue
  find . -type f ! -path '*/secrets/*' ! -name release.json ! -name '*~' | sort | while read -r f; do
    f=${f#./}
    printf 'f %s %s %s\n' "$id" "${f%%/*}" "${f#*/}"
    # grep takes a file with a NUL for no text.
    if [ ! -s "$f" ]; then :; elif grep -qI '' "$f"; then sed 's/^/l /' "$f" && echo; else echo b; fi
  done
done
end ok
