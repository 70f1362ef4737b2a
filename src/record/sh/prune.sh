# prune KEEP DRY: removes the releases that the app does not need any more, and their images where no
# release of any environment on this host names them. DRY yes: only says what would be removed.
# `engine` asks and tells the engine (see host/docker/sh/prune.sh).
#   keep <id>              drop <id>, with `json <release.json>` of it
#   image <ref> would|removed|absent|kept|left <why>
#   unknown <folder>       what is kept there is not known: no image was removed
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
for f in owing/*; do
  [ ! -e "$f" ] || end owing "${f##*/}"
done
# Images are fetched under the same lock, shared: what is fetched is not removed meanwhile.
{ command exec 7<>"$root/prune.lock"; } 2>/dev/null && flock -x -n 7 || end pulling

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
    [ ! -e "releases/.gone.$id" ] || rm -rf "releases/.gone.$id"
    mv "releases/$id" "releases/.gone.$id" || end error write
  done
  sync releases || end error write
fi
# No run waits for images to be removed.
exec 9>&-

# What every release that is kept, of all environments, names; 1 = one of them cannot be read.
named() {
  files=
  for d in "$root"/*/*/releases/*/*/; do
    [ -d "$d" ] || continue
    case $d in
    "$dir"/releases/*)
      id=${d#"$dir"/releases/}
      case $dry$drop in yes*" ${id%%/*} "*) continue ;; esac
      ;;
    esac
    if [ ! -r "${d}release.json" ]; then
      printf '%s\n' "$d"
      return 1
    fi
    files="$files ${d}release.json"
  done
  [ -z "$files" ] || grep -ho '"image":"[^"\\]*"' $files
  return 0
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
known=yes
all=$(images "$@")
set -f
for i in $all; do
  set +f
  ref=${i#'"image":"'} ref=${ref%'"'}
  case $ref in *@sha256:*) ;; *) continue ;; esac
  # Asked for each of them anew: somebody may bring a release meanwhile.
  if ! now=$(named); then
    printf 'unknown %s\n' "${now##*
}"
    known=no
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
    printf 'image %s %s\n' "$ref" "$(engine remove "$tag" "$by" "$repository@$digest" </dev/null)"
  fi
done
set +f
if [ "$dry" = no ] && [ "$known" = yes ]; then
  for d; do
    rm -rf "$d" 2>/dev/null || printf 'left %s\n' "$d"
  done
fi
end ok
