# prepare BEFORE AFTER HASH HTTP-BYTES SERVER-BYTES MODE BEFORE-SUM AFTER-SUM GENERATION; the
# configuration comes as data. Answers `ready`, `moved KEY` or `refused` with `why` lines.
before=$1 after=$2 hash=$3
refuse() {
  printf 'refused\n'
  why "$1"
  exit 0
}
command -v "$bin" >/dev/null 2>&1 || refuse "$bin is not there"
pick_client || refuse "neither curl nor wget is there to read back what $called does"
lock 5 || refuse 'another change on this load balancer holds its lock'
live_key
case $key in
"$before" | "$after") ;;
*)
  printf 'moved %s\n' "$key"
  exit 0
  ;;
esac
tidy
if ! { [ "$here/live" -ef "$here/conf.$hash" ] && read -r was <"$here/loaded" && [ "$was" = "$hash" ]; } 2>/dev/null; then
  facts=$(survey)
  case "
$facts" in *"
rc 0"*) ;; *) refuse "its configuration was broken before this change: $(printf '%s\n' "$facts" | sed -n 's/^msg //p')" ;; esac
  find_master "$facts" || refuse "$called does not run"
  make_entry && make_conf "$hash" "$4" "$5" || refuse "$here cannot be written"
  if ! try_conf "$hash" "$6"; then
    [ "$here/live" -ef "$here/conf.$hash" ] || rm -rf "$here/conf.$hash"
    refuse "$said"
  fi
fi
if command -v switch_set >/dev/null 2>&1; then
  switch_set "$9" "$7" "$8" prepared || refuse "the record of the switch cannot be written"
fi
echo ready
