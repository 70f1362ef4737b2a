# verify KEY SLOT OUT: do the files say KEY, and does nginx answer so with the configuration that
# lies there?
if ! pick_client; then
  echo 'differs neither curl nor wget is there to read back what nginx does'
  exit 0
fi
live_key
if [ "$key" != "$1" ]; then
  printf 'differs its files say %s\n' "$key"
  exit 0
fi
live_hash
if read_back "$hash" "$2" "$3"; then
  printf 'converged %s\n' "$(date +%s.%N)"
else
  printf 'differs nginx answers: %s\n' "$seen"
fi
