# off PROJECT KIND LIMIT …: see dk_off.
dk_off "$@"
