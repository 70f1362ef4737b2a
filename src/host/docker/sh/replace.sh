# replace PROJECT DIR SLOT RELEASE: brings up the release whose files are in $STATE/DIR, in place of
# what runs in the slot, and notes it as the slot's.
dk_up "$1" "$STATE/$2" || exit
slot_set "$3" "$4"
