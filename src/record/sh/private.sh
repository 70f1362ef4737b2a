# private_data SIZE FOLDER: SIZE bytes of the script's data onto descriptor 7, to be read once by the
# one body that they are for. They wait in a pipe, which holds 64 KiB: no disk ever has them.
private_data() {
  [ "$1" -le 60000 ] && private=$(mktemp -d "$2/.private.XXXXXX") || return 1
  private_rc=1
  # Open for both, or opening would wait for a reader.
  mkfifo -m 600 "$private/pipe" && { command exec 7<>"$private/pipe"; } 2>/dev/null && private_rc=0
  rm -rf "$private"
  [ "$private_rc" = 0 ] && take_data "$1" >&7
}
