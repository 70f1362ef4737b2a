# look MODE: what lies there, what nginx does, what is wrong. One fact a line: a word, then its value.
mode=$1
if ! command -v "$bin" >/dev/null 2>&1; then
  printf 'problem absent %s\n' "$bin"
  exit 0
fi
version=$(ngx -v 2>&1)
printf 'version %s\n' "${version##*/}"
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

# What nginx's own check says, and whether our files are reached from its configuration.
facts=$(survey)
http= route= main=
while read -r word value; do
  case $word in
  rc) [ "$value" = 0 ] || echo 'problem broken' ;;
  msg) case $value in *'[emerg]'* | *'[alert]'*) printf 'why %s\n' "$value" ;; esac ;;
  file)
    main=${main:-$value}
    case $value in "$dir/$entry.conf") http=1 ;; "$here/route.inc") route=1 ;; esac
    ;;
  include)
    case $value in /*) ;; *) value=${main%/*}/$value ;; esac
    case $dir/$entry.conf in $value) http=1 ;; esac
    case $here/route.inc in $value) route=1 ;; esac
    ;;
  keepalive_min_timeout) echo 'grace 1' ;;
  esac
done <<FACTS
$facts
FACTS
case "
$facts" in *"
rc 0"*)
  [ -n "$http" ] || printf 'problem include %s\n' "${main:--}"
  [ "$mode" = rendered ] || [ -n "$route" ] || printf 'problem route %s\n' "${main:--}"
  ;;
esac
if find_master "$facts"; then
  stat_of "$master"
  printf 'instance %s.%s\n' "$master" "$start"
else
  echo 'problem stopped'
fi

# What it does. The groups are those of the configuration that it has loaded.
tell() {
  printf 'status %s\n' "$1"
  [ -n "$2" ] || return 0
  printf 'running %s\n' "$2"
  [ "$3" = - ] || printf 'serves %s\n' "$3"
  hash=${2#conf=}
  hash=${hash%% *}
  groups=
  case $hash in *[!0-9a-f]*) ;; *) { IFS= read -r groups <"$here/conf.$hash/groups.json"; } 2>/dev/null ;; esac
  [ -z "$groups" ] || printf 'groups %s\n' "$groups"
  worker=${2##*pid=}
  worker=${worker%%[!0-9]*}
  if stat_of "$worker" && [ -n "$master" ] && [ "$parent" != "$master" ]; then
    echo 'problem other'
  fi
}
if pick_client; then
  heard "$(ask 1 "/.deploy/$entry/state")" tell
else
  echo 'problem client'
fi
echo looked
