# sums: the files of the releases that slots hold, with their sums, against those that were uploaded;
# without the lock. What lies under secrets/ is only looked for.
#   w <slot> <sum> <path>   as it was uploaded     s <slot> <sum> <path>   as it is
#   p <slot> <release>      the release whose folder is gone
{ cd "$dir"; } 2>/dev/null || end none
for f in slots/*; do
  first "$f" || continue
  slot=${f##*/} id=${line#1 }
  id=${id%% *}
  if ! { cd "$dir/releases/$id/$slot"; } 2>/dev/null; then
    [ ! -d "$dir/releases/$id" ] || continue
    printf 'p %s %s\n' "$slot" "$id"
    continue
  fi
  # One line of JSON, without a line end; the list is the last thing in it.
  { sed -n 's/.*"sums":{\([^}]*\)}.*/\1/p' release.json && echo; } | tr ',' '\n' |
    sed -n "s/^\"\([A-Za-z0-9._/-]*\)\":\"\([0-9a-f]*\)\"\$/w $slot \2 \1/p"
  find . -type f ! -path './secrets/*' ! -name release.json ! -name '*~' -exec sha256sum {} + |
    sed "s/^\([0-9a-f]*\)  \.\//s $slot \1 /"
  cd "$dir" || end error read
done
end ok
