# hold LEVEL UNTIL SINCE WHO TEXT: a person's lock on the environment (env) or the app (app).
# It does not replace another one that has not ended: link fails where the name exists.
level=$1 until=$2 since=$3 who=$4 text=$5
ensure_root
[ "$level" = app ] || dir=$root/$env
mkdir -p "$dir" 2>/dev/null && cd "$dir" || end error write
held=
! first hold || held=$line
# One that has ended makes room, unless somebody was faster.
ends=${held#* }
ends=${ends%% *}
case $ends in
'' | *[!0-9]*) ;;
*)
  if [ "$ends" -le "$(date +%s)" ] && mv hold "hold.$$.was" 2>/dev/null; then
    if first "hold.$$.was" && [ "$line" = "$held" ]; then held=; else ln "hold.$$.was" hold; fi
    rm -f "hold.$$.was"
  fi
  ;;
esac
{ printf '1 %s %s %s %s\n' "$until" "$since" "$who" "$text" >"hold.$$" && sync "hold.$$"; } 2>/dev/null ||
  { rm -f "hold.$$"; end error write; }
if [ -z "$held" ]; then
  ln "hold.$$" hold 2>/dev/null
  rc=$?
else
  rc=1
fi
rm -f "hold.$$"
sync .
first hold || end error write
printf '%s\n' "$line"
[ "$rc" = 0 ] && end ok
end hold $level
