# The folder of the record and the id of the machine: used by what may write first (claim, hold).
# Made once, mode 2770, with the group that may use Docker.
make_root() {
  group=$(stat -c %G /var/run/docker.sock 2>/dev/null) || group=docker
  if ! mkdir -m 2770 "$root" 2>/dev/null && [ ! -d "$root" ]; then
    printf 'hint: sudo install -d -m 2770 -g %s %s\n' "$group" "$root"
    end error no-state-dir
  fi
  { chgrp "$group" "$root" && chmod 2770 "$root"; } 2>/dev/null
  sync "${root%/*}" 2>/dev/null
}
check_root() {
  if [ ! -w "$root" ] || [ ! -x "$root" ]; then
    printf 'hint: add the user to the group of %s, or give the folder a group of his\n' "$root"
    end error state-dir-denied
  fi
  # Somebody may be making it at this very moment: between mkdir and chmod it has another mode.
  for check_try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    mode=$(stat -c %a "$root")
    [ "$mode" != 2770 ] || break
    [ "$check_try" = 20 ] || sleep 0.05
  done
  root_space
  case $mode in
  2770) ;;
  *)
    printf 'hint: sudo chmod 2770 %s\n' "$root"
    end error state-dir-mode
    ;;
  esac
  case $fs in
  nfs* | cifs | smb* | afs | ceph | lustre | gpfs | fuse* | v9fs | 9p)
    printf 'hint: %s is on %s; locks are safe on a local file system only\n' "$root" "$fs"
    end error state-dir-fs
    ;;
  esac
}
ensure_root() {
  [ -d "$root" ] || make_root
  check_root
  if [ ! -s "$root/host" ]; then
    read -r id <"/proc/sys/kernel/random/uuid"
    printf '%s\n' "$id" >"$root/host.$$" && sync "$root/host.$$" &&
      ln "$root/host.$$" "$root/host" 2>/dev/null && sync "$root"
    rm -f "$root/host.$$"
  fi
}
