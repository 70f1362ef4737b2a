# claim RUN FENCE TTL WHO HEED RELEASE SLOT MANIFEST-SIZE FILES { MODE SIZE PATH }… FACTS-PARAMETERS…
# HEED: yes = a person's lock refuses the claim. RELEASE: `-` = no files; they go to
# releases/RELEASE/SLOT, which never changes once it is there; those in secrets/ come with their
# own, closed directory. Data: manifest, then files.
run=$1 fence=$2 ttl=$3 who=$4 heed=$5 release=$6 slot=$7 size=$8 files=$9
shift 9

# First look, without the lock: most refusals cost nothing.
if { cd "$dir"; } 2>/dev/null && load && [ "$c_fence" != "$fence" ]; then
  lease_left
  holder
  end held $holder left=$left
fi
if [ "$heed" = yes ] && held_by_person; then
  printf '%s\n' "$line"
  end hold $level
fi

ensure_root
sweep_logins "$root"
if [ ! -d "$dir/jobs" ]; then
  mkdir -p "$dir/runs" "$dir/releases" "$dir/slots" "$dir/owing" "$dir/jobs" 2>/dev/null || end error write
  sync "$root" "$root/$env" "$dir"
fi
cd "$dir" || end error write

# The upload goes beside the record before the lock is taken: a slow line must not hold it. Its folder
# becomes that of the run.
stage=in.$fence.$$
refuse() {
  rm -rf "$stage"
  end "$@"
}
receive() {
  deep=
  if [ "$files" -gt 0 ]; then mkdir -p "$stage/release/$slot"; else mkdir "$stage"; fi &&
    take_data "$size" >"$stage/manifest" || return 1
  while [ "$files" -gt 0 ]; do
    to=$stage/release/$slot/$3
    case $3 in */*) deep=yes ;; esac
    case $3 in
    # Nobody else enters: what is mounted from it is readable there whoever the container runs as.
    secrets/*) [ -d "${to%/*}" ] || mkdir -m 700 "${to%/*}" || return 1 ;;
    */*) mkdir -p "${to%/*}" || return 1 ;;
    esac
    # A file is made with its mode where the umask can say it: no process for that.
    case $1 in
    644) umask 022 ;;
    640) umask 027 ;;
    esac
    take_data "$2" >"$to" || return 1
    umask 007
    case $1 in 660 | 644 | 640) ;; *) chmod "$1" "$to" || return 1 ;; esac
    files=$((files - 1))
    set -- "$@" "$to"
    shift 3
  done
  shift "$rest"
  if [ -n "$deep" ]; then
    find "$stage/manifest" "$stage/release" -exec sync {} +
  elif [ $# -gt 0 ]; then
    sync "$stage/manifest" "$@" "$stage/release/$slot" "$stage/release"
  fi
}
skip=$((files * 3)) rest=$(($# - files * 3))
if [ "$size" -gt 0 ] || [ "$files" -gt 0 ]; then
  receive "$@" 2>/dev/null || refuse error upload
fi
shift "$skip"

lock 10 || refuse busy
# Second look, under the lock.
again=
if load; then
  if [ "$c_fence" != "$fence" ]; then
    lease_left
    holder
    refuse held $holder left=$left
  fi
  again=again
fi
if [ "$heed" = yes ] && [ -z "$again" ] && held_by_person; then
  printf '%s\n' "$line"
  refuse hold $level
fi
if [ -d "$stage" ]; then
  # One host may carry several slots: each is a folder of its own within the release.
  if [ ! -d "$stage/release" ]; then
    :
  elif [ -d "releases/$release/$slot" ]; then
    # It never changes; but its secrets go when no slot holds it any more.
    if [ -d "$stage/release/$slot/secrets" ] && [ ! -d "releases/$release/$slot/secrets" ]; then
      mv "$stage/release/$slot/secrets" "releases/$release/$slot/secrets" &&
        sync "releases/$release/$slot" || refuse error write
    fi
    rm -rf "$stage/release"
  elif [ -d "releases/$release" ]; then
    mv "$stage/release/$slot" "releases/$release/$slot" && sync "releases/$release" ||
      refuse error write
    rm -rf "$stage/release"
  else
    mv "$stage/release" "releases/$release" || refuse error write
  fi
  # The manifest that lies there may be a claim's already: it is replaced by a whole one only.
  if [ -d "runs/$run" ]; then
    sync "$stage/manifest" && mv -f "$stage/manifest" "runs/$run/manifest" || refuse error write
    rm -rf "$stage"
  else
    # Never into a folder that appeared meanwhile.
    mv -T "$stage" "runs/$run" 2>/dev/null || refuse error write
  fi
else
  [ -d "runs/$run" ] || mkdir "runs/$run" 2>/dev/null || refuse error write
fi
# A manifest that came alone is durable with the claim, not before: it is small.
[ "$size" -gt 0 ] && kept="runs/$run/manifest" || kept=
if [ -n "$again" ]; then
  sync runs "runs/$run" $kept releases || end error write
else
  c_run=$run c_fence=$fence c_ttl=$ttl c_who=$who
  lease_set "$fence" "$ttl" && note "claim $fence $run $who up=$up" && stage_claim 0 claimed &&
    sync claim.new journal runs "runs/$run" $kept releases && mv -f claim.new claim && sync . || end error write
fi
exec 9>&-

# The caller need not wait for the facts to go on with the other hosts.
echo claimed
show_record
echo facts
may_write=yes
facts "$@" </dev/null
end ok machine=$machine rc=$? $again
