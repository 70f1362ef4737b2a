# read WHAT LINES: a file of the app's record, whole or its last LINES lines. WHAT is relative.
{ cd "$dir"; } 2>/dev/null || end none
[ -e "$1" ] || end none
if [ "$2" = 0 ]; then cat "$1"; else tail -n "$2" "$1"; fi || end error read
end ok
