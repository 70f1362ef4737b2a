# The record as it stands, then the facts that the caller wants: used by look and claim.
# One line per item: a word, then the text of the file. The facts may keep a guess for the next look
# where the verb sets `may_write`.
STATE=$dir ROOT=$root may_write=
show() {
  if first "$2"; then
    printf '%s %s\n' "$1" "$line"
  elif [ -e "$2" ]; then
    # There and empty, or not to be read: that is not the same as not there.
    printf '%s ?\n' "$1"
  fi
}
show_record() {
  boot_of
  now
  machine_id
  # `wall` and `state_space` are used by facts too: a process less each.
  wall=$(date +%s)
  printf 'machine %s\nboot %s\nuptime %s\nwall %s\n' "$machine" "$boot" "$up" "$wall"
  show_state
  show hold-env "$root/$env/hold"
  { cd "$dir"; } 2>/dev/null || return 0
  show hold-app hold
  show claim claim
  if [ -n "$line" ]; then
    show_claim
  fi
  show last last
  show promoted promoted
  show switch switch
  held= slots=0
  for f in slots/*; do
    show "slot ${f##*/}" "$f"
    show_kept $line
  done
  # With one slot no other one holds the way back.
  [ "$slots" != 1 ] || show_served
  for f in owing/*; do show "owing ${f##*/}" "$f"; done
  for f in jobs/*; do show job "$f"; done
  [ ! -s history ] || tail -n 5 history
  for f in releases/*; do [ ! -d "$f" ] || printf 'release %s\n' "${f##*/}"; done
}
# What an unfinished run left: lease, step, manifest. Nothing here may end the look.
show_claim() {
  read -r _ c_run c_fence c_ttl _ <<LINE
$line
LINE
  case $c_ttl in '' | *[!0-9]*) return ;; esac
  lease_left
  printf 'left %s\n' "$left"
  [ ! -s "runs/$c_run/manifest" ] || printf 'manifest %s\n' "$c_run"
  show outcome "runs/$c_run/outcome"
  ! first "runs/$c_run/now" || printf 'now %s\n' "$line"
}
# What the release of a slot wants of this host.
show_kept() {
  [ -z "${2-}" ] && return
  held=$2 slots=$((slots + 1))
  for k in "releases/$2"/*/release.json; do show kept "$k"; done
}
# The same of what served before it, as far as it is still here: the last three.
show_served() {
  first promoted || return 0
  line=${line#1 } line=${line% .}
  set -- $line
  while [ $# -gt 3 ]; do shift; done
  for id; do
    [ "$id" = "$held" ] || for k in "releases/$id"/*/release.json; do show kept "$k"; done
  done
}
# Can the record live here? `fs` is what `stat -f` calls the file system.
show_state() {
  if [ -d "$root" ]; then
    # A claim has asked that already.
    [ -n "$fs" ] || root_space
    printf 'fs %s\n' "$fs"
    if [ -w "$root" ] && [ -x "$root" ]; then echo 'state ready'; else echo 'state denied'; fi
  elif [ -w "${root%/*}" ]; then
    echo 'state creatable'
  else
    echo 'state absent'
  fi
}
