# drain SECONDS ADDRESS PORT…: waits until no connection of nginx to these members is open.
# Idle ones are closed by nginx itself after a quarter of a second, so what stays is at work.
limit=$1
shift
# Only what nginx's workers opened: a probe of ours from this host is no request. Where all workers of
# this host are of one user it is that one; else the server says which worker it is.
uid_of() { # PID
  { while read -r word value _; do [ "$word" != Uid: ] || uid=$value; done <"/proc/$1/status"; } 2>/dev/null
}
learn_uid() {
  worker=${2##*pid=}
  uid_of "${worker%%[!0-9]*}"
}
users=
set +f
for process in /proc/[0-9]*; do
  title=
  # The title decides, not the name of the program's file: that is whatever a person called it.
  { read -r title <"$process/cmdline"; } 2>/dev/null
  case $title in 'nginx: worker process'*) ;; *) continue ;; esac
  uid=-
  uid_of "${process#/proc/}"
  case " $users " in *" $uid "*) ;; *) users="$users $uid" ;; esac
done
set -f
uid=-
case $users in
' '*[!0-9]* | '') if pick_client; then heard "$(ask 1 "/.deploy/$entry/state")" learn_uid; fi ;;
*) uid=${users# } ;;
esac

if ! resolve "$@"; then
  echo 'open -'
  stop 'left -'
fi
wait_idle "$limit" count_sockets
