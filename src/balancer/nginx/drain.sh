# drain SECONDS ADDRESS PORT…: waits until no connection of nginx to these members is open.
# Idle ones are closed by nginx itself after a quarter of a second, so what stays is at work.
limit=$1
shift
# Only what nginx's workers opened: a probe of ours from this host is no request.
uid=-
learn_uid() {
  worker=${2##*pid=}
  { while read -r word value _; do [ "$word" != Uid: ] || uid=$value; done <"/proc/${worker%%[!0-9]*}/status"; } 2>/dev/null
}
if pick_client; then heard "$(ask 1 "/.deploy/$entry/state")" learn_uid; fi

if ! resolve "$@"; then
  echo 'open -'
  stop 'left -'
fi
wait_idle "$limit" count_sockets
