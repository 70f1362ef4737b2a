# A lane: runs one bootstrap after the other (its parameters are the words that start one), each a shell
# of its own on the same three streams, so that a script costs neither a session nor a sudo. Its text
# travels like that of the bootstrap, under the same rules.
# Input for each script: a word of the call, what the bootstrap reads, a line `gap WORD`. What the
# script has left of its data is passed over up to that line.
# After each script: `left WORD STATUS` on the output, `left WORD` where it complains. Exit 70: the input ended early.
LC_ALL=C; export LC_ALL;
while IFS= read -r wire_x; do
"$@"; wire_rc=$?; wire_y=;
until [ "$wire_y" = "gap $wire_x" ]; do IFS= read -r wire_y || exit 70; done;
echo; echo "left $wire_x $wire_rc"; { echo; echo "left $wire_x"; } >&2;
done;
