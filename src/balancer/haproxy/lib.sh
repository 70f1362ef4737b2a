# Common to the bodies of the haproxy driver; `common.sh` stands before it, which names the socket
# `conf`. Parameters of its own: the operator's configuration, the variable that says what is loaded.
#
# What lies in the folder, and who reads it:
#   hosts.map   host -> entry             (HAProxy, at load; changed in it through the socket)
#   apps.map    entry -> the app's word   (likewise)
#   rules.map   pattern -> slot           (likewise)
#   <entry>.cfg the app's backends        (HAProxy, at load)
#   <entry>/traffic.GENERATION            the value whose word stands in apps.map
# Each file is exchanged by rename, and before the running server is changed: what a restart finds
# is never older than what ran.
sock=$conf config=$1 var=$2
shift 2
state_path=/.deploy/state

# pick_ctl: what can talk to the socket, into ctl_with; 1 = nothing can.
pick_ctl() {
  for ctl_with in socat perl python3; do
    case $ctl_with in
    perl) perl -MSocket -e 1 2>/dev/null && return ;;
    *) command -v "$ctl_with" >/dev/null 2>&1 && return ;;
    esac
  done
  ctl_with=
  return 1
}
# ctl COMMANDS: a line to the server, its answer on standard output; nothing where it does not answer.
ctl() {
  case $ctl_with in
  socat) printf '%s\n\n' "$1" | socat -t 3 -T 5 - "UNIX-CONNECT:$sock" 2>/dev/null ;;
  perl)
    perl -MSocket -e 'alarm 5; socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, pack_sockaddr_un($ARGV[0])) or exit 1;
      syswrite S, "$ARGV[1]\n\n"; print while <S>' "$sock" "$1" 2>/dev/null
    ;;
  python3)
    python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1]); s.sendall((sys.argv[2] + "\n\n").encode())
while True:
    b = s.recv(65536)
    if not b: break
    sys.stdout.write(b.decode())' "$sock" "$1" 2>/dev/null
    ;;
  esac 7>&- 8>&- 9>&-
}

# ask_server: version, pid of the worker, its start, what of ours is loaded, the app's word that
# runs (`-` none) into version, worker, instance, loaded, runs; `?` in runs: it does not answer, or
# does not know the map.
ask_server() {
  version= worker= instance= loaded= runs=?
  ask_text=$(ctl "show info; get var $var; show map $dir/apps.map")
  while read -r word value more; do
    case $word in
    Version:) version=$value ;;
    Pid:) worker=$value runs=- ;;
    "$var:") loaded=${more#*value=<} loaded=${loaded%>} ;;
    Unknown | Malformed) case "$word $value $more" in *map*) runs=? ;; esac ;;
    0x*) [ "$value" != "$entry" ] || runs=$more ;;
    esac
  done <<FACTS
$ask_text
FACTS
  [ -n "$worker" ] || runs=?
  ! stat_of "$worker" || instance=$worker.$start
}

# find_master: the process that starts workers, into master; 1 = there is none.
find_master() {
  master=
  stat_of "$worker" || return 1
  [ "$parent" -gt 1 ] || return 1
  master_name=
  { read -r master_name <"/proc/$parent/comm"; } 2>/dev/null
  [ "$master_name" = haproxy ] || return 1
  master=$parent
}

# conf_files: what the running server reads, one a line; what would be read where none runs.
conf_files() {
  if [ -n "$master" ]; then
    tr '\0' '\n' <"/proc/$master/cmdline" | awk '
      rest || take { print; take = 0; next }
      $0 == "--" { rest = 1; next }
      $0 == "-f" { take = 1 }'
  else
    printf '%s\n' "$config" "$dir"
  fi
}
# loads_us FILES: does it read our folder?
loads_us() {
  while IFS= read -r file; do
    [ "${file%/}" != "$dir" ] || return 0
  done <<FILES
$1
FILES
  return 1
}

# try_conf FILE: the server's own check of its configuration with FILE for the app's backends, in a
# copy of our folder (`-`: as it lies there). 1 = refused, with the words in said.
try_conf() {
  tried=$(mktemp -d "${TMPDIR:-/tmp}/deploy-haproxy.XXXXXX") || return 1
  set +f
  for file in "$dir"/*.cfg; do [ ! -f "$file" ] || cp "$file" "$tried/"; done
  set -f
  [ "$1" = - ] || cp "$1" "$tried/$entry.cfg"
  try_files=$(conf_files)
  set --
  while IFS= read -r file; do
    [ "${file%/}" != "$dir" ] || file=$tried
    set -- "$@" -f "$file"
  done <<FILES
$try_files
FILES
  said=$(
    [ -z "$master" ] || cd "/proc/$master/cwd" 2>/dev/null
    "$bin" -c "$@" 2>&1 7>&- 8>&- 9>&-
  )
  try_rc=$?
  rm -rf "$tried"
  return "$try_rc"
}
# why TEXT: the server's words against us, one line each, behind `why`.
why() {
  printf '%s\n' "$1" | sed -n 's/^\[ALERT\][^:]*: */why haproxy: /p'
}

# reload HASH: until only what was started after it answers; 1 = it did not take.
reload() {
  kill -s USR2 "$master" 2>/dev/null || return 1
  reload_tries=100 reload_good=0
  while [ "$reload_tries" -gt 0 ]; do
    reload_tries=$((reload_tries - 1))
    sleep 0.05
    ask_server
    if [ "$loaded" = "$1" ] && [ "$worker" != "$old_worker" ]; then
      reload_good=$((reload_good + 1))
      [ "$reload_good" -lt 3 ] || return 0
    else
      reload_good=0
    fi
  done
  return 1
}

# map_word FILE KEY: what a file says of a key, `-` where nothing.
map_word() {
  KEY=$2 awk '$1 == ENVIRON["KEY"] { found = $2 } END { print found == "" ? "-" : found }' "$1" 2>/dev/null || echo -
}
# map_put FILE KEY VALUE: one entry of a file, the others as they are; without VALUE it goes.
map_put() {
  [ -e "$1" ] || : >"$1"
  KEY=$2 VALUE=$3 awk '
    $1 == ENVIRON["KEY"] { if (!done && ENVIRON["VALUE"] != "") print ENVIRON["KEY"], ENVIRON["VALUE"]; done = 1; next }
    { print }
    END { if (!done && ENVIRON["VALUE"] != "") print ENVIRON["KEY"], ENVIRON["VALUE"] }' "$1" | write "$1"
}
# The end of the head of every pattern of this app, as it stands in rules.map.
rules_mark=$(printf '%s' "@$entry" | sed -e 's/[-]/\\x2d/g' -e 's/[.]/\\x2e/g' -e 's/_/\\x5f/g' -e 's/@/@/')
# own_rules: reads lines of rules.map, gives those of this app.
own_rules() {
  MARK="$rules_mark\\n(" awk 'index($0, ENVIRON["MARK"]) { print }'
}

# read_back VALUE: do three fresh connections in a row say so? What they say instead goes into seen.
read_back() {
  back_good=0 seen= back_want=$1
  heard "$(ask 3 "$state_path")" read_one
  [ "$back_good" = 3 ] && return
  [ -n "$seen" ] || seen='no answer'
  return 1
}
read_one() {
  case $2 in
  "to=$back_want"*) back_good=$((back_good + 1)) ;;
  '') seen=$1 ;;
  *) seen=${2%?} ;;
  esac
}

# states: `BACKEND/SERVER ADMIN OPERATION` of the app's members, one a line. ADMIN 0: in; OPERATION 0: down.
states() {
  ctl 'show servers state' | ENTRY="${entry}_" awk 'index($2, ENVIRON["ENTRY"]) == 1 { print $2 "/" $4, $7, $6 }'
}
# misplaced READY RESTING: of the states on standard input, members whose state is not as listed: `BACKEND/SERVER=in` or `=drain`,
# `=maint`, one a line. What is forced out is forced out: drain and maint are the same here.
misplaced() {
  READY=" $1 " RESTING=" $2 " awk '{
    out = $2 != 0
    if (index(ENVIRON["READY"], " " $1 " ")) { if (out) print $1 "=in" }
    else if (index(ENVIRON["RESTING"], " " $1 "=drain ")) { if (!out) print $1 "=drain" }
    else if (index(ENVIRON["RESTING"], " " $1 "=maint ")) { if (!out) print $1 "=maint" }
  }'
}
