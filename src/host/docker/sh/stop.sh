# stop PROJECT: ends and removes the containers of the slot, each within its own stop_grace_period.
dk_down "$1"
