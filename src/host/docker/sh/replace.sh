# replace PROJECT DIR SLOT RELEASE: brings up the release whose files are in $STATE/DIR, in place of
# what runs in the slot, and notes it as the slot's.
dk_again=
{ read -r dk_x dk_again dk_x <"$STATE/slots/$3"; } 2>/dev/null
[ "$dk_again" = "$4" ] || dk_again=
dk_up "$1" "$STATE/$2" "$dk_again" || exit
slot_set "$3" "$4" || exit
# For the next looks (see lib.sh).
dk_known=
{ IFS= read -r dk_known <"$ROOT/cache.compose"; } 2>/dev/null
dk_is=$(dk_plugin_is) || exit 0
case $dk_known in "$dk_is "*) exit 0 ;; esac
dk_version=$(timeout 10 "$dk_plugin" version --short 2>/dev/null) &&
	printf '%s %s .\n' "$dk_is" "$dk_version" >"$ROOT/.cache.compose.$$" &&
	mv -f "$ROOT/.cache.compose.$$" "$ROOT/cache.compose"
exit 0
