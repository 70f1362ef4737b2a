# look MODE [brief]: what lies there, what nginx does, what is wrong. One fact a line: a word, then its value.
mode=$1
if ! command -v "$bin" >/dev/null 2>&1; then
  printf 'problem absent %s\n' "$bin"
  exit 0
fi
tell_files

# What nginx's own check says, and whether our files are reached from its configuration.
look_whole() {
  facts=$(survey -v)
  http= route= main=
  while read -r word value; do
    case $word in
    version) printf 'version %s\n' "$value" ;;
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
}
# Its own check takes longer than all the rest: not again at the end of a run.
if [ "${2-}" = brief ]; then
  master=
  echo 'brief 1'
else
  look_whole
fi

tell() {
  tell_state "$@"
  [ -n "$2" ] || return 0
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
