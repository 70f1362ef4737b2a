# Common to the bodies of the nginx driver: what `flags/lib.sh`, which stands before it, asks of it.
called=nginx
include_line() { printf 'include %s;\n' "$1"; }

# Descriptors 7-9 hold locks; a server process must not inherit them.
ngx() {
  if [ "$conf" = - ]; then "$bin" "$@"; else "$bin" -c "$conf" "$@"; fi 7>&- 8>&- 9>&-
}

check_by() {
  if [ "$conf" = - ]; then "$@" "$bin" -t; else "$@" "$bin" -c "$conf" -t; fi 7>&- 8>&- 9>&-
}
entry_more() { :; }
conflict() {
  case $said in *"conflicting server name \"$host\""*) ;; *) return 1 ;; esac
}

# nginx's word against us, one line each, behind `why`, in one form: with some builds a message
# begins with date and process, with others with its name.
why() {
  printf '%s\n' "$1" | sed -e '/^$/d' -e '/syntax is ok$/d' -e '/test is successful$/d' -e '/test failed$/d' \
    -e 's/^[0-9/]* [0-9:]* \(\[[a-z]*\]\) [0-9#]*: /nginx: \1 /' -e 's/^/why /'
}

# survey [-v]: nginx's own check and dump, boiled down to one fact a line; -v: which version it is as
# well. The dump itself, which may hold other people's secrets, is neither kept nor shown.
survey() {
  { ngx "$@" -T 2>&1; echo "#deploy-rc $?"; } | awk '
    /^#deploy-rc / { print "rc", $2; next }
    !told && /^[A-Za-z]+ version: / { told = 1; sub(/.*\//, ""); print "version", $0; next }
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

