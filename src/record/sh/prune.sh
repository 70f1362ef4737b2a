# prune KEEP DRY: removes the releases that the app does not need any more, and their images where no
# release of any environment on this host names them. DRY yes: only says what would be removed.
# `engine` asks and tells the engine (see host/docker/sh/prune.sh).
#   keep <id>              drop <id>, with `json <release.json>` of it
#   image <ref> would|removed|absent|kept|left <why>
#   unknown <folder>       what is kept there is not known: no image was removed
#   pulling                images are fetched now: those that follow were not removed
#   odd <folder>           no release, by its name (`?`: a sign that none has): it is left alone
#   left <folder>          a folder that could not be removed
# Needed: what a slot holds, the last KEEP that served, what any container was made from. An app that
# is claimed, locked by a person, or remembers who owes is left alone as a whole.
keep=$1 dry=$2
{ cd "$dir"; } 2>/dev/null || end none
lock 5 || end busy
if load; then
  holder
  end held $holder
fi
if held_by_person; then
  printf '%s\n' "$line"
  end hold $level
fi
may_read() { [ -r "$1" ] && [ -x "$1" ]; }
# What cannot be read is not empty.
for f in owing slots releases; do
  [ ! -e "$f" ] || may_read "$f" || end error "$f"
done
for f in owing/*; do
  [ ! -e "$f" ] || end owing "${f##*/}"
done
# Images are fetched under the same lock, shared: what is fetched is not removed meanwhile. Whoever
# fetches waits for it, so it is held for one image at a time.
alone() { { command exec 7<>"$root/prune.lock"; } 2>/dev/null && flock -x -n 7; }
alone || end pulling
exec 7>&-

kept=' ' drop=' '
need() { case $kept in *" $1 "*) ;; *) kept="$kept$1 " ;; esac; }
# A record of one line, as slots and `promoted` are; what cannot be read is no reason to remove.
record() {
  first "$1" || end error "$2"
  case $line in '1 '*' .') ;; *) end error "$2" ;; esac
  line=${line#1 } line=${line% .}
}
for f in slots/*; do
  [ -e "$f" ] || continue
  record "$f" slot
  need "${line%% *}"
done
if [ -e promoted ]; then
  record promoted promoted
  set -f
  set -- $line
  set +f
  while [ $# -gt "$keep" ]; do shift; done
  for id; do need "$id"; done
fi
used=$(engine used </dev/null) || end error engine
set -f
for id in $used; do need "$id"; done
set +f
for d in releases/*; do
  [ -d "$d" ] || continue
  id=${d##*/}
  case $id in
  *[!A-Za-z0-9._-]*)
    printf 'odd releases/%s\n' "$(printf %s "$id" | tr -c 'A-Za-z0-9._-' '?')"
    continue
    ;;
  esac
  case $kept in
  *" $id "*) printf 'keep %s\n' "$id" ;;
  *)
    drop="$drop$id "
    printf 'drop %s\n' "$id"
    for k in "$d"/*/release.json; do
      # It has no line end.
      [ ! -f "$k" ] || { printf 'json ' && cat "$k" && echo; break; }
    done
    ;;
  esac
done

# From here on a dropped release is none any more, also for whoever deploys it again. Its folder
# stays aside until its images were seen to: a prune that died is made up for by the next one.
if [ "$dry" = no ] && [ "$drop" != ' ' ]; then
  now
  note "prune$drop""up=$up" && sync journal || end error write
  for id in $drop; do
    [ ! -e "releases/.gone.$id" ] || rm -rf "releases/.gone.$id" 2>/dev/null
    # Of another owner, say. It is a release still, and its images stay.
    if [ -e "releases/.gone.$id" ] || ! mv "releases/$id" "releases/.gone.$id" 2>/dev/null; then
      printf 'left releases/%s\n' "$id"
    fi
  done
  sync releases || end error write
fi
# No run waits for images to be removed.
exec 9>&-

# Whether this folder counts; 1 = no, for no environment, app or release has such a name; 2 = what
# is in it cannot be read.
counts() {
  n=${1%/}
  case ${n##*/} in *[!A-Za-z0-9._-]*) return 1 ;; esac
  [ -d "$1" ] || return 1
  may_read "$1" && return
  printf '%s\n' "$1"
  return 2
}
# What every release that is kept, of all environments, names; 1 = one of them cannot be read, and
# its name is the last line.
named() {
  set --
  may_read "$root" || { printf '%s\n' "$root" && return 1; }
  for e in "$root"/*/; do
    counts "$e" || { [ $? = 1 ] && continue || return 1; }
    for a in "$e"*/; do
      counts "$a" || { [ $? = 1 ] && continue || return 1; }
      counts "${a}releases" || { [ $? = 1 ] && continue || return 1; }
      for r in "$a"releases/*/; do
        counts "$r" || { [ $? = 1 ] && continue || return 1; }
        if [ "$dry$a" = "yes$dir/" ]; then
          d=${r%/}
          case $drop in *" ${d##*/} "*) continue ;; esac
        fi
        for d in "$r"*/; do
          counts "$d" || { [ $? = 1 ] && continue || return 1; }
          set -- "$@" "${d}release.json"
        done
      done
    done
  done
  [ $# -gt 0 ] || return 0
  # One without an image or without its end is torn; one that is not there is told as well.
  torn=$(grep -L '"image":".*}$' "$@" 2>&1)
  if [ -n "$torn" ]; then
    printf '%s\n' "$torn"
    return 1
  fi
  grep -ho '"image":"[^"\\]*"' "$@"
}
images() {
  for d; do
    for f in "$d"/*/release.json; do
      [ ! -r "$f" ] || grep -o '"image":"[^"\\]*"' "$f"
    done
  done | sort -u
}
set -- releases/.gone.*
[ -d "$1" ] || set --
if [ "$dry" = yes ]; then
  for id in $drop; do set -- "$@" "releases/$id"; done
fi
whole=yes stays=' '
all=$(images "$@")
set -f
for i in $all; do
  set +f
  ref=${i#'"image":"'} ref=${ref%'"'}
  case $ref in *@sha256:*) ;; *) continue ;; esac
  if [ "$dry" = no ] && ! alone; then
    echo pulling
    whole=no
    break
  fi
  # Asked for each of them anew: somebody may bring a release meanwhile.
  if ! now=$(named); then
    printf 'unknown %s\n' "${now##*
}"
    whole=no
    break
  fi
  tag=${ref%@*} digest=${ref##*@}
  repository=$tag
  case ${tag##*/} in *:*) repository=${tag%:*} ;; *) tag=- ;; esac
  by=$repository@$digest
  # A tag may stand for something else by now, and one image have several.
  case $now in *"\"$tag@"*) tag=- ;; esac
  case $now in *"@$digest\""*) by=- ;; esac
  if [ "$tag$by" = -- ]; then
    printf 'image %s kept\n' "$ref"
  elif [ "$dry" = yes ]; then
    printf 'image %s would\n' "$ref"
  else
    become=$(engine remove "$tag" "$by" "$repository@$digest" </dev/null)
    printf 'image %s %s\n' "$ref" "$become"
    # An answer that is none is no removal.
    case $become in removed | absent | kept) ;; *) stays="$stays$ref " ;; esac
    # Whoever waits to fetch looks every 0.05 s.
    exec 7>&-
    sleep 0.2
  fi
  exec 7>&-
done
set +f
# What the engine refused to remove is tried again by the next prune.
refused() {
  for i in $(images "$1"); do
    i=${i#'"image":"'}
    case $stays in *" ${i%'"'} "*) return 0 ;; esac
  done
  return 1
}
if [ "$dry" = no ] && [ "$whole" = yes ]; then
  for d; do
    refused "$d" || rm -rf "$d" 2>/dev/null || printf 'left %s\n' "$d"
  done
fi
end ok
