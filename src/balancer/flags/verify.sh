# verify KEY SLOT OUT: do the files say KEY, and does the server answer so with the configuration
# that lies there?
pick_client || stop differs "neither curl nor wget is there to read back what $called does"
live_key
[ "$key" = "$1" ] || stop differs "its files say $key"
live_hash
if read_back "$hash" "$2" "$3"; then
  printf 'converged %s\n' "$(date +%s.%N)"
else
  printf 'differs %s answers: %s\n' "$called" "$seen"
fi
