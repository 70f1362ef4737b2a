# remove { PROJECT SLOT }…: ends and removes what runs in these slots, then what the record keeps for
# the app beside its history: releases with their secrets, what was brought up, what served. The
# folders stay, for whoever claims next. Volumes and images stay; what was adopted is stopped and stays.
while [ $# -gt 1 ]; do
	dk_down "$1" && dk_put_by "$2" || exit
	rm -f "$STATE/slots/$2" "$STATE/adopted.$2" || exit
	shift 2
done
# A slot that is not among them still needs its files.
for dk_x in "$STATE"/slots/*; do
	[ ! -e "$dk_x" ] || exit 0
done
rm -f "$STATE/promoted" && find "$STATE/releases" -mindepth 1 -maxdepth 1 -exec rm -rf {} + &&
	sync "$STATE/slots" "$STATE/releases" "$STATE"
