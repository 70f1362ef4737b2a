# owe COUNT { HOST GENERATION SLOTS }… HOST…: these hosts owe from now on, each with what it missed
# and the slots that it may still send to (`a:b`, or `-`); the rest owe nothing any more.
set -e
count=$1 since=$(date +%s)
shift
while [ "$count" -gt 0 ]; do
  owing_set "$1" "$2" "$3" "$since"
  shift 3
  count=$((count - 1))
done
for host; do owing_clear "$host"; done
