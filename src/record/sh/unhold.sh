# unhold LEVEL: prints what was removed.
[ "$1" = app ] || dir=$root/$env
{ cd "$dir"; } 2>/dev/null || end ok
! first hold || printf '%s\n' "$line"
rm -f hold && sync . || end error write
end ok
