# Common to the bodies of the nginx driver; `common.sh` stands before it.
#
# What lies in the folder, and who reads it:
#   <entry>.conf            never changes; includes live/*.conf       (nginx, at load)
#   <entry>/route.inc       never changes; includes live/*.inc        (nginx, at load)
#   <entry>/live -> conf.H  upstreams and rules as last activated     (nginx, at load)
#   <entry>/current -> state.X   traffic, generation, flag files      (nginx, on each request)
#   <entry>/loaded          hash that nginx was seen to have loaded
# Both links are exchanged by rename: a half-written state is never seen, by nobody.

# Descriptors 7-9 hold locks; a server process must not inherit them.
ngx() {
  if [ "$conf" = - ]; then "$bin" "$@"; else "$bin" -c "$conf" "$@"; fi 7>&- 8>&- 9>&-
}

# nginx's word against us, one line each, behind `why`, in one form: with some builds a message
# begins with date and process, with others with its name.
why() {
  printf '%s\n' "$1" | sed -e '/^$/d' -e '/syntax is ok$/d' -e '/test is successful$/d' -e '/test failed$/d' \
    -e 's/^[0-9/]* [0-9:]* \(\[[a-z]*\]\) [0-9#]*: /nginx: \1 /' -e 's/^/why /'
}

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

# read_back HASH SLOT OUT: does nginx answer so, three times in a row, with the state that lies
# there? What it says instead goes into seen.
read_back() {
  back_good=0 seen= back_want="conf=$1 active=$2 out=$3 pid=" back_body=
  { IFS= read -r back_body <"$here/current/traffic"; } 2>/dev/null
  heard "$(ask 3 "/.deploy/$entry/state")" read_one
  [ "$back_good" = 3 ] && return
  [ -n "$seen" ] || seen='no answer'
  return 1
}
read_one() {
  case $2 in
  "$back_want"*)
    if [ "$3" = "$back_body" ]; then
      back_good=$((back_good + 1))
    else
      seen='another state file is served than the one that lies there'
    fi
    ;;
  '') seen=$1 ;;
  *) seen=${2% pid=*} ;;
  esac
}

# survey: nginx's own check and dump, boiled down to one fact a line. The dump itself, which may
# hold other people's secrets, is neither kept nor shown.
survey() {
  { ngx -T 2>&1; echo "#deploy-rc $?"; } | awk '
    /^#deploy-rc / { print "rc", $2; next }
    /^[0-9]+\/[0-9]+\/[0-9]+ [0-9:]+ \[/ { sub(/^[^\[]*/, "nginx: "); sub(/ [0-9]+#[0-9]+:/, "") }
    /^nginx: / { if ($0 !~ /(syntax is ok|test is successful|test failed)$/) print "msg", $0; next }
    /^# configuration file / { f = $4; sub(/:$/, "", f); print "file", f; next }
    !/pid|include|error_log|keepalive_min_timeout/ { next }
    {
      sub(/#.*/, "")
      n = split($0, part, /[;{}]/)
      for (i = 1; i <= n; i++) {
        m = split(part[i], w, /[ \t]+/)
        k = (m > 0 && w[1] == "") ? 2 : 1
        if (m < k + 1 || w[k] !~ /^(pid|include|error_log|keepalive_min_timeout)$/) continue
        v = w[k + 1]
        gsub(/["\047]/, "", v)
        print w[k], v
      }
    }'
}

# pid_path SURVEY: where the master writes its pid, into pid_file.
pid_path() {
  pid_file=
  while read -r pid_word pid_value; do
    [ "$pid_word" != pid ] || pid_file=$pid_value
  done <<FACTS
$1
FACTS
  [ -z "$pid_file" ] || return 0
  pid_conf=$conf
  for pid_word in $(ngx -V 2>&1); do
    case $pid_word in
    --pid-path=*) pid_file=${pid_word#*=} ;;
    --conf-path=*) [ "$conf" != - ] || pid_conf=${pid_word#*=} ;;
    esac
  done
  # A broken configuration is not dumped; what runs was started from an older one.
  pid_word=$(awk '$1 == "pid" { sub(/;.*/, "", $2); print $2; exit }' "$pid_conf" 2>/dev/null)
  pid_file=${pid_word:-$pid_file}
}
# find_master SURVEY: the running master's pid into master; 1 = none.
find_master() {
  pid_path "$1"
  master=
  { read -r master <"${pid_file:-/run/nginx.pid}"; } 2>/dev/null
  case $master in '' | *[!0-9]*) master= && return 1 ;; esac
  title=
  { read -r title <"/proc/$master/cmdline"; } 2>/dev/null
  case $title in 'nginx: master'*) ;; *) master= && return 1 ;; esac
}
# workers: pids of the master's workers that take connections.
workers() {
  workers=
  set +f
  for worker in /proc/[0-9]*; do
    title=
    { read -r title <"$worker/cmdline"; } 2>/dev/null
    case $title in
    *'shutting down'*) ;;
    'nginx: worker process'*)
      worker=${worker#/proc/}
      stat_of "$worker" && [ "$parent" = "$master" ] && workers="$workers $worker"
      ;;
    esac
  done
  set -f
}

# reload SURVEY: until every worker that takes connections was started after it; 1 = it did not take.
reload() {
  find_master "$1" || return 1
  workers
  old=$workers
  log_mark "$1"
  kill -s HUP "$master" || return 1
  tries=50
  while [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.05
    workers
    stale=
    for worker in $workers; do
      case " $old " in *" $worker "*) stale=1 ;; esac
    done
    [ -n "$stale" ] || [ -z "$workers" ] || return 0
  done
  return 1
}
# log_mark SURVEY, log_words: why a reload failed, from what nginx logged since the mark.
log_mark() {
  log=
  while read -r word value; do
    [ "$word" != error_log ] || [ -n "$log" ] || log=$value
  done <<FACTS
$1
FACTS
  log_size=0
  [ ! -f "$log" ] || log_size=$(wc -c <"$log")
}
log_words() {
  [ ! -f "$log" ] || tail -c "+$((log_size + 1))" "$log" | grep -F '[emerg]' | sed -e 's/^.*\[emerg\] [0-9#]*: //' -e '/^still could not bind/d' | tail -n 1
}

# The folders and the two files that never change. Nothing of it has an effect on a server that
# does not load them; all patterns, so that an absent part never breaks a start.
make_entry() {
  [ -d "$here" ] || mkdir -p "$here" || return 1
  [ -s "$here/route.inc" ] || put_text "$here/route.inc" "include $here/live/*.inc;"
}
put_text() {
  printf '# Written by deploy; see live/.\n%s\n' "$2" >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1"
}
make_stub() {
  [ -s "$dir/$entry.conf" ] || put_text "$dir/$entry.conf" "include $here/live/*.conf;"
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

# try_conf HASH MODE: nginx's own checker on the configuration as it would be, in a mount
# namespace where a copy of our folder lies over the real one: the live files stay untouched.
# 1 = refused, with the words in said.
try_conf() {
  tried=$(mktemp -d "${TMPDIR:-/tmp}/deploy-nginx.XXXXXX") || return 1
  cp -a "$dir/." "$tried/" && (
    here=$tried/$entry
    swap "$here/live" "conf.$1" &&
      { [ -s "$tried/$entry.conf" ] || printf 'include %s/live/*.conf;\n' "$dir/$entry" >"$tried/$entry.conf"; }
  ) || { rm -rf "$tried"; said='the candidate could not be written' && return 1; }
  set -- "$1" "$2" "$bin"
  [ "$conf" = - ] || set -- "$@" -c "$conf"
  try_hash=$1 try_mode=$2
  shift 2
  said=$(unshare -m sh -c '
    mount --bind "$1" "$2" || exit 97
    shift 2
    "$@" -t 2>&1 || exit 98' sh "$tried" "$dir" "$@" 2>&1 7>&- 8>&- 9>&-)
  try_rc=$?
  rm -rf "$tried"
  case $try_rc in
  0 | 98) ;;
  *) try_in_place "$try_hash" ;;
  esac
  [ "$try_rc" = 0 ] || return 1
  [ "$try_mode" = rendered ] || return 0
  case $said in *"conflicting server name \"$host\""*) return 1 ;; esac
}
# Where the kernel gives no namespace: put it in place, check, put it back. Nobody else of ours
# reloads meanwhile, for we hold the lock.
try_in_place() {
  place_old=$(readlink "$here/live")
  place_stub=
  [ -s "$dir/$entry.conf" ] || place_stub=new
  swap "$here/live" "conf.$1" && make_stub
  said=$(ngx -t 2>&1)
  try_rc=$?
  [ -z "$place_stub" ] || rm -f "$dir/$entry.conf"
  if [ -n "$place_old" ]; then swap "$here/live" "$place_old"; else rm -f "$here/live"; fi
}
