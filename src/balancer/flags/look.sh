# Common to the looks; `lib.sh` and the driver's own stand before it.

# tell_files: what lies there.
tell_files() {
  live_key
  printf 'key %s\n' "$key"
  traffic=
  { IFS= read -r traffic <"$here/current/traffic"; } 2>/dev/null
  [ -z "$traffic" ] || printf 'traffic %s\n' "$traffic"
  if [ -L "$here/live" ]; then
    live_hash
    printf 'live %s\n' "$hash"
    noted=
    while read -r value; do
      noted="$noted$value
"
    done <"$here/live/sums"
    [ "$(sums "$here/live")
" = "$noted" ] || printf 'problem edited %s\n' "$here/live"
  fi
}
# tell_state STATUS STATE BODY: what the server tells of itself. The groups are those of the
# configuration that it has loaded.
tell_state() {
  printf 'status %s\n' "$1"
  [ -n "$2" ] || return 0
  printf 'running %s\n' "$2"
  [ "$3" = - ] || printf 'serves %s\n' "$3"
  hash=${2#conf=}
  hash=${hash%% *}
  groups=
  case $hash in *[!0-9a-f]*) ;; *) { IFS= read -r groups <"$here/conf.$hash/groups.json"; } 2>/dev/null ;; esac
  [ -z "$groups" ] || printf 'groups %s\n' "$groups"
}
