# stop PROJECT SLOT: ends and removes the containers of the slot, each within its own stop_grace_period;
# what was adopted there is stopped.
dk_down "$1" && dk_put_by "$2"
