# Connections as the kernel's table has them; `common.sh` and `drain.sh` stand before it.

# resolve ADDRESS PORT…: all addresses of these members with their ports into members; 1 = one of
# them is not known.
resolve() {
  members=
  while [ $# -gt 1 ]; do
    case $1 in
    *[!0-9.]*:* | *:* | *[!0-9.]*)
      case $1 in
      *:*) found=$1 ;;
      *)
        found=
        while read -r address _; do
          case " $found " in *" $address "*) ;; *) found="$found $address" ;; esac
        done <<NAMES
$(getent ahosts "$1" 2>/dev/null)
NAMES
        ;;
      esac
      ;;
    *) found=$1 ;;
    esac
    [ -n "${found# }" ] || return 1
    for address in $found; do members="$members $address $2"; done
    shift 2
  done
}
# count_sockets: how many connections of the user `uid` (`-`: of anybody) to members are open, into
# open.
count_sockets() {
  tables=/proc/net/tcp
  [ ! -r /proc/net/tcp6 ] || tables="$tables /proc/net/tcp6"
  open=$(awk -v members="$members" -v uid="$uid" '
    function v4(a,  p) { split(a, p, "."); return sprintf("%02X%02X%02X%02X", p[4], p[3], p[2], p[1]) }
    function v6(a,  half, l, r, i, n, m, g, w, out) {
      n = split(a, half, "::")
      m = split(half[1], l, ":")
      for (i = 1; i <= m; i++) g[i] = l[i]
      m = (n > 1 && half[2] != "") ? split(half[2], r, ":") : 0
      for (i = 1; i <= m; i++) g[8 - m + i] = r[i]
      for (i = 1; i <= 8; i++) { w = toupper(substr("0000" g[i], length("0000" g[i]) - 3)); q[i] = w }
      for (i = 1; i <= 8; i += 2)
        out = out substr(q[i+1], 3, 2) substr(q[i+1], 1, 2) substr(q[i], 3, 2) substr(q[i], 1, 2)
      return out
    }
    BEGIN {
      n = split(members, m, " ")
      for (i = 1; i < n; i += 2) {
        port = sprintf("%04X", m[i+1])
        if (m[i] ~ /:/) want[v6(m[i]) ":" port] = 1
        else { want[v4(m[i]) ":" port] = 1; want["0000000000000000FFFF0000" v4(m[i]) ":" port] = 1 }
      }
    }
    ($4 == "01" || $4 == "02") && ($3 in want) && (uid == "-" || $8 == uid) { c++ }
    END { print c + 0 }' $tables 2>/dev/null)
  [ -n "$open" ] || open=-
}
