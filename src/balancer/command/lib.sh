# Common to the bodies of the command driver; `common.sh` stands before it. Parameters of its own:
# three of the verb, then the operator's programs as `VERB:COUNT` and its words. The request is data.
own1=$1 own2=$2 own3=$3
shift 3
case ${1-} in *:*) ;; ?*) sum_before=$1 sum_after=$2 && shift 2 ;; esac
request=$(cat)

# has VERB PROGRAMS…: is there a program for it?
has() {
  has_verb=$1
  shift
  while [ $# -gt 0 ]; do
    case $1 in "$has_verb":*) return ;; esac
    has_skip=$((${1##*:} + 1))
    shift "$has_skip"
  done
  return 1
}
# only VERB CALL PROGRAMS…: calls CALL with the words of the program for VERB.
only() {
  only_verb=$1 only_call=$2
  shift 2
  while [ $# -gt 0 ]; do
    only_count=${1##*:}
    only_name=${1%:*}
    shift
    [ "$only_name" = "$only_verb" ] && break
    shift "$only_count"
  done
  # The first words are the program's: they go round to the end, the others fall off.
  only_total=$# only_n=0
  while [ "$only_n" -lt "$only_total" ]; do
    [ "$only_n" -ge "$only_count" ] || set -- "$@" "$1"
    shift
    only_n=$((only_n + 1))
  done
  "$only_call" "$@"
}
# run VERB PROGRAMS…: runs the program with the request; its answer into said in one line, the end
# of its complaints into complaint; its exit code.
run() {
  run_verb=$1
  shift
  only "$run_verb" run_it "$@"
}
run_it() {
  # Bounded where `timeout` is there; the body is bounded all the same.
  if command -v timeout >/dev/null 2>&1; then set -- timeout 15 "$@"; fi
  run_log=$(mktemp "${TMPDIR:-/tmp}/deploy-command.XXXXXX") || return 1
  said=$(printf '%s\n' "$request" | "$@" 2>"$run_log" 7>&- 8>&- 9>&-)
  run_rc=$?
  said=$(printf '%s' "$said" | tr -d '\n\r')
  complaint=$(tail -n 3 "$run_log" | tr '\n\r\t' '   ' | cut -c 1-300)
  rm -f "$run_log"
  return "$run_rc"
}
# does: what runs, as `read` says, without blanks, into live; 1 = it did not say.
does() {
  live=?
  run read "$@" || return 1
  live=$(printf '%s' "$said" | tr -d ' \t' | sed -n 's/^{.*"running":\(null\|{.*}\).*$/\1/p')
  # The value is one object: what follows it in the answer is cut off where it closes.
  live=$(printf '%s' "$live" | awk '{
    depth = 0; quoted = 0; out = ""
    if (substr($0, 1, 4) == "null") { print "null"; exit }
    for (i = 1; i <= length($0); i++) {
      c = substr($0, i, 1); out = out c
      if (quoted) { if (c == "\\") { i++; out = out substr($0, i, 1) } else if (c == "\"") quoted = 0 }
      else if (c == "\"") quoted = 1
      else if (c == "{") depth++
      else if (c == "}" && --depth == 0) { print out; exit }
    }
  }')
  [ -n "$live" ] || { live=?; return 1; }
}
