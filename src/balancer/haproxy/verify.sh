# verify VALUE HASH READY RESTING: do the files and the running server say so?
pick_client || stop differs 'neither curl nor wget is there to read back what HAProxy does'
pick_ctl || stop differs 'neither socat nor perl nor python3 is there to speak to HAProxy'
key=$(map_word "$dir/apps.map" "$entry")
[ "$key" = "$1" ] || stop differs "its files say $key"
ask_server
[ "$runs" = "$1" ] || stop differs "HAProxy says $runs"
[ "$loaded" = "$2" ] || stop differs 'HAProxy has other members loaded than its files say'
wrong=$(states | misplaced "$3" "$4")
[ -z "$wrong" ] || stop differs "members are not as wished: $(printf '%s' "$wrong" | tr '\n' ' ')"
if read_back "$1"; then
  printf 'converged %s\n' "$(date +%s.%N)"
else
  printf 'differs HAProxy answers: %s\n' "$seen"
fi
