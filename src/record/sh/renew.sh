# renew FENCE: without the lock, also while a step runs.
{ cd "$dir"; } 2>/dev/null || end lost
load || { gone; end lost $holder; }
holder
[ "$c_fence" = "$1" ] || { taken_at; end lost $holder; }
lease_set "$1" "$c_ttl" || end error write
end ok
