# look: what `read` answers. `rc`, `read` with the answer in one line, `why` with its complaints.
if run read "$@"; then rc=0; else rc=$?; fi
printf 'rc %s\n' "$rc"
[ -z "$said" ] || printf 'read %s\n' "$said"
[ -z "$complaint" ] || printf 'why %s\n' "$complaint"
echo looked
