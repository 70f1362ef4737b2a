# Common to the bodies of drivers whose servers look for flag files; `common.sh` stands before it,
# the driver's own `lib.sh` behind it, which has:
#   called                  the server's name for people
#   include_line PATTERN    a line of its configuration that reads these files
#   check_by WORDS…         runs WORDS with the server's own check of its configuration behind them
#   why WORDS               its words against us, one line each, behind `why`
#   survey                  its check boiled down to facts, one a line: `rc N`, `msg WORDS`, …
#   find_master FACTS       its process into master; 1 = it does not run
#   reload FACTS            until nothing of before it takes requests; 1 = it did not take
#   log_words               why a reload failed, in its words
#   entry_more              writes what else of its own the folder of an entry has
#   conflict                0 = its check, whose words are in said, passed and yet says that the
#                           app's name is another server's
#
# What lies in the folder, and who reads it:
#   <entry>.conf            never changes; includes live/*.conf       (the server, at load)
#   <entry>/route.inc       never changes; includes live/*.inc        (the server, at load)
#   <entry>/live -> conf.H  upstreams and rules as last activated     (the server, at load)
#   <entry>/current -> state.X   traffic, generation, flag files      (the server, on each request)
#   <entry>/loaded          hash that the server was seen to have loaded
# Both links are exchanged by rename: a half-written state is never seen, by nobody.

# live_key: generation and flags as they lie there into key; `-` where nothing is.
live_key() {
  key=-
  if [ ! -e "$here/current" ]; then
    [ ! -L "$here/current" ] || key=damaged
    return
  fi
  key=
  { read -r key <"$here/current/generation"; } 2>/dev/null
  set +f
  for key_flag in "$here"/current/active.* "$here"/current/out.* "$here"/current/second.* "$here"/current/share.*; do
    [ ! -e "$key_flag" ] || key=$key,${key_flag##*/}
  done
  set -f
}

# read_back HASH SLOT OUT [SPARE]: does the server answer so, three times in a row, with the state that lies
# there? What it says instead goes into seen.
read_back() {
  back_spare=${4:-*}
  back_good=0 seen= back_want="conf=$1 active=$2 out=$3 " back_body=
  { IFS= read -r back_body <"$here/current/traffic"; } 2>/dev/null
  heard "$(ask 3 "/.deploy/$entry/state")" read_one
  [ "$back_good" = 3 ] && return
  [ -n "$seen" ] || seen='no answer'
  return 1
}
read_one() {
  case $2 in
  "$back_want"*)
    back_told=-
    case $2 in *' spare='*) back_told=${2##* spare=} back_told=${back_told%% *} ;; esac
    if [ "$back_spare" != '*' ] && [ "$back_told" != "$back_spare" ]; then
      seen=${2% pid=*}
    elif [ "$3" = "$back_body" ]; then
      back_good=$((back_good + 1))
    else
      seen='another state file is served than the one that lies there'
    fi
    ;;
  '') seen=$1 ;;
  *) seen=${2% pid=*} ;;
  esac
}

# The folders and the two files that never change. Nothing of it has an effect on a server that
# does not load them; all patterns, so that an absent part never breaks a start.
make_entry() {
  [ -d "$here" ] || mkdir -p "$here" || return 1
  [ -s "$here/route.inc" ] || put_text "$here/route.inc" "$(include_line "$here/live/*.inc")" || return 1
  entry_more
}
put_text() {
  printf '# Written by deploy; see live/.\n%s\n' "$2" >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1"
}
make_stub() {
  [ -s "$dir/$entry.conf" ] || put_text "$dir/$entry.conf" "$(include_line "$here/live/*.conf")"
}
# make_conf HASH HTTP-BYTES SERVER-BYTES: the configuration from the data, beside the live one.
make_conf() {
  [ ! -d "$here/conf.$1" ] || return 0
  made=$here/making.$$
  rm -rf "$made"
  mkdir "$made" && cat >"$made/all" &&
    head -c "$2" "$made/all" >"$made/http.conf" &&
    tail -c "+$(($2 + 1))" "$made/all" | head -c "$3" >"$made/server.inc" &&
    tail -c "+$(($2 + $3 + 1))" "$made/all" >"$made/groups.json" && rm "$made/all" &&
    printf '%s\n' "$1" >"$made/hash" && sums "$made" >"$made/sums" &&
    sync "$made"/http.conf "$made"/server.inc "$made"/groups.json "$made"/hash "$made"/sums "$made" &&
    mv -fT "$made" "$here/conf.$1" && sync "$here"
}

sums() { (cd "$1" && exec cksum http.conf server.inc groups.json hash) 2>/dev/null; }
# live_hash: hash of the configuration that lies there, into hash.
live_hash() {
  hash=
  { read -r hash <"$here/live/hash"; } 2>/dev/null
}

# try_conf HASH MODE: the server's own checker on the configuration as it would be, in a mount
# namespace where a copy of our folder lies over the real one: the live files stay untouched.
# 1 = refused, with the words in said.
try_conf() {
  tried=$(mktemp -d "${TMPDIR:-/tmp}/deploy-$driver.XXXXXX") || return 1
  cp -a "$dir/." "$tried/" && (
    here=$tried/$entry
    swap "$here/live" "conf.$1" &&
      { [ -s "$tried/$entry.conf" ] || include_line "$dir/$entry/live/*.conf" >"$tried/$entry.conf"; }
  ) || { rm -rf "$tried"; said='the candidate could not be written' && return 1; }
  try_hash=$1 try_mode=$2
  said=$(check_by unshare -m sh -c '
    mount --bind "$1" "$2" || exit 97
    shift 2
    "$@" 2>&1 || exit 98' sh "$tried" "$dir" 2>&1)
  try_rc=$?
  rm -rf "$tried"
  case $try_rc in
  0 | 98) ;;
  *) try_in_place "$try_hash" ;;
  esac
  [ "$try_rc" = 0 ] || return 1
  [ "$try_mode" = rendered ] || return 0
  ! conflict
}
# Where the kernel gives no namespace: put it in place, check, put it back. Nobody else of ours
# reloads meanwhile, for we hold the lock.
try_in_place() {
  place_old=$(readlink "$here/live")
  place_stub=
  [ -s "$dir/$entry.conf" ] || place_stub=new
  swap "$here/live" "conf.$1" && make_stub
  said=$(check_by 2>&1)
  try_rc=$?
  [ -z "$place_stub" ] || rm -f "$dir/$entry.conf"
  if [ -n "$place_old" ]; then swap "$here/live" "$place_old"; else rm -f "$here/live"; fi
}

# tidy: what earlier changes left: states and configurations before the present ones, unfinished
# ones. A candidate that is prepared again is made anew. The last state of another slot stays:
# whoever must go back by hand needs it (see the docs of the driver).
tidy() {
  set +f
  set -- "$here"/current/active.*
  now=${1##*/} spare=
  for old in "$here"/state.*; do
    [ -d "$old" ] && [ ! -e "$old/$now" ] && { [ -z "$spare" ] || [ "$old" -nt "$spare" ]; } && spare=$old
  done
  set -- "$here"/state.* "$here"/conf.* "$here"/making.*
  set -f
  for old; do
    shift
    [ ! -d "$old" ] || [ "$here/current" -ef "$old" ] || [ "$here/live" -ef "$old" ] ||
      [ "$old" = "$spare" ] || set -- "$@" "$old"
  done
  [ $# = 0 ] || rm -rf "$@"
}
