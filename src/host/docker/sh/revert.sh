# revert PROJECT SLOT DIR RELEASE: the slot as it was: RELEASE from $STATE/DIR, or nothing (`-`).
# Last line: `reverted <release>`, `emptied`, or `emptied but <release> did not come back`.
# What was adopted runs on as it is: nothing has taken its place.
dk_forget() {
	dk_down "$1" || exit
	rm -f "$STATE/slots/$2" && sync "$STATE/slots"
}
dk_has() { [ -f "$1/docker-compose.yml" ] || [ -f "$1/adopted" ]; }
if [ "$4" = - ]; then
	dk_forget "$1" "$2" || exit
	# An adoption that is taken back was none.
	rm -f "$STATE/adopted.$2"
	echo emptied
elif dk_has "$STATE/$3" && dk_up "$1" "$STATE/$3"; then
	slot_set "$2" "$4" || exit
	printf 'reverted %s\n' "$4"
else
	dk_has "$STATE/$3" || printf 'the files of %s are not here any more\n' "$4"
	# A candidate that failed must not stay, whatever became of its predecessor.
	dk_forget "$1" "$2"
	printf 'emptied but %s did not come back\n' "$4"
	exit 1
fi
