# Common functions of the host record: where it is, what time it is, lock, claim, lease, journal.
# Comes before every verb. Parameters 1-3: root of the record, environment, app.
# From the wire prologue: end WORDS…, take_data N, until_hangup COMMAND….
# A command costs about a millisecond, a builtin nothing: that is why little is called here.
trap '' HUP PIPE
umask 007
LC_ALL=C
export LC_ALL
clock=/proc
root=$1 env=$2 app=$3 fs= state_space= docker_space=
shift 3
dir=$root/$env/$app

nth() { shift 19; start=$1; }
# Seconds of uptime.
now() {
  read -r up _ <"$clock/uptime"
  up=${up%%.*}
}
# Which boot this is: containers share boot_id, so the start of pid 1 (100ths of a second) is added.
boot_of() {
  read -r boot <"$clock/sys/kernel/random/boot_id"
  stat= start=0
  { read -r stat <"$clock/1/stat"; } 2>/dev/null
  [ -z "$stat" ] || nth ${stat##*) }
  boot=$boot.$start
  born=$((start / 100))
}

# lock SECONDS: the app's lock on descriptor 9, which every child inherits. 1 = busy.
lock() {
  { command exec 9<>lock; } 2>/dev/null || end error lock-open
  case $1 in
  0) flock -E 75 -n 9 ;;
  *) flock -E 75 -w "$1" 9 ;;
  esac 2>/dev/null
  case $? in
  0) ;;
  75) return 1 ;;
  *) lock_by_trying "$1" || return 1 ;;
  esac
  [ lock -ef /proc/$$/fd/9 ] || end error lock-replaced
}
# For a flock that cannot wait with a limit (busybox).
lock_by_trying() {
  tries=$(($1 * 10))
  until flock -n 9 2>/dev/null; do
    [ "$tries" -gt 0 ] || return 1
    tries=$((tries - 1))
    sleep 0.1
  done
}

# load: the claim into c_…; 1 = there is none.
load() {
  c_format= c_run= c_fence= c_ttl=0 c_seq=0 c_phase= c_who= c_dot= c_more=
  [ -e claim ] || return 1
  { read -r c_format c_run c_fence c_ttl c_seq c_phase c_who c_dot c_more <claim; } 2>/dev/null ||
    { [ -e claim ] || return 1; }
  case $c_format in
  1) ;;
  '' | *[!0-9]*) end error claim-damaged ;;
  *) end error claim-format ;;
  esac
  [ "$c_dot" = . ] && [ -z "$c_more" ] || end error claim-damaged
  case $c_ttl$c_seq in *[!0-9]*) end error claim-damaged ;; esac
}
# stage_claim SEQ PHASE: the next claim, complete beside the present one, not yet durable.
stage_claim() {
  printf '1 %s %s %s %s %s %s .\n' "$c_run" "$c_fence" "$c_ttl" "$1" "$2" "$c_who" >claim.new
} 2>/dev/null
# The words that tell who holds the claim.
holder() {
  holder="run=$c_run fence=$c_fence who=$c_who seq=$c_seq phase=$c_phase"
}

# taken_at: when that claim was taken, by this host's clock, as one more word of the holder.
taken_at() {
  at=
  read -r at _ <<WORDS
$(stat -c %Y "runs/$c_run/was.$c_fence" 2>/dev/null || stat -c %Y "runs/$c_run/manifest" 2>/dev/null)
WORDS
  holder="$holder${at:+ at=$at}"
}
# gone: nobody holds the host; who did last, into holder.
gone() {
  holder=
  first last || return 0
  read -r _ c_run c_fence _ c_seq c_phase c_who _ <<LINE
$line
LINE
  holder
  taken_at
  holder="$holder past"
}

# lease_left: seconds until it is polite to take over, into left. A lease of another boot,
# or an unreadable one, ends ttl seconds after this boot.
lease_left() {
  now
  boot_of
  l_boot= l_end=
  { read -r l_boot l_end <"lease.$c_fence"; } 2>/dev/null
  case $l_end in '' | *[!0-9]*) l_boot= ;; esac
  [ "$l_boot" = "$boot" ] || l_end=$((born + c_ttl))
  left=$((l_end - up))
  [ "$left" -le "$c_ttl" ] || left=$c_ttl
  [ "$left" -ge 0 ] || left=0
}
# lease_set FENCE TTL: overwritten in place, so that it works on a full disk.
lease_set() {
  now
  boot_of
  printf '%s %-12d\n' "$boot" $((up + $2)) 1<>"lease.$1"
} 2>/dev/null

# note WORDS…: one line of the journal, with its sum. The newline comes first: whatever a power cut left
# at the end, the next line stands alone, and nobody has to look for it.
note() {
  sum_of "$*"
  printf '\n%s %s' "$sum" "$*" >>journal
} 2>/dev/null
# sum_of TEXT: into sum, by the shell alone. What stands not in the alphabet counts as one and the same.
alphabet=' 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.:=@_+,/%~'
sum_of() {
  sum=1 sum_left=$1
  while [ -n "$sum_left" ]; do
    sum_next=${sum_left#?}
    sum_at=${alphabet%%"${sum_left%"$sum_next"}"*}
    sum=$(((sum * 31 + ${#sum_at}) % 2147483647)) sum_left=$sum_next
  done
}

# first FILE: its first line, into line; 1 = cannot be read or is empty.
first() {
  line=
  { read -r line <"$1"; } 2>/dev/null
  [ -n "$line" ]
}
# root_space: kind of the record's file system into fs; free blocks, their size, free inodes and all
# inodes into state_space. The last four of Docker's usual place into docker_space, in the same go.
root_space() {
  state_space= fs=
  # A kind or a path may have a space in it.
  while read -r a b c d kind && IFS= read -r at; do
    case $at in
    "$root") state_space="$a $b $c $d" fs=$kind ;;
    *) docker_space="$a $b $c $d" ;;
    esac
  done <<SPACE
$(stat -f -c '%a %S %d %c %T
%n' "$root" /var/lib/docker 2>/dev/null)
SPACE
}
# machine_id: into machine, `-` where none was made yet.
machine_id() {
  machine=-
  ! first "$root/host" || machine=$line
}
# A person's lock on the environment or the app: prints it, 1 = there is none.
# Its second word is the second (wall clock) at which it ends, or `-`.
held_by_person() {
  for level in env app; do
    [ "$level" = env ] && file=$root/$env/hold || file=$dir/hold
    first "$file" || continue
    until=${line#* }
    until=${until%% *}
    case $until in
    '' | *[!0-9]*) ;;
    *) [ "$until" -gt "$(date +%s)" ] || continue ;;
    esac
    return 0
  done
  return 1
}
