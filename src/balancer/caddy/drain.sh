# drain SECONDS ADDRESS PORT…: waits until Caddy has no request at work for these members, as it
# counts them itself by address.
limit=$1
shift
members=
while [ $# -gt 1 ]; do
  case $1 in
  *:*) members="$members [$1]:$2" ;;
  *) members="$members $1:$2" ;;
  esac
  shift 2
done
count() {
  open=$(admin_ask /reverse_proxy/upstreams | tr '{' '\n' | MEMBERS="$members " awk '
    /"num_requests"/ {
      seen = 1
      split($0, part, "\"")
      if (!index(ENVIRON["MEMBERS"], " " part[4] " ")) next
      sub(/.*"num_requests":/, "")
      n += $0 + 0
    }
    END { if (seen) print n + 0; else print "-" }')
}
wait_idle "$limit" count
