# The bootstrap: fixed text that travels as the argument of `sh -c` and reads all else from its
# input. `wire::boot` strips these comments and joins the lines into one, so every statement ends
# with `;`. No single quote, exclamation mark or backslash may stand here: the line must pass
# through whatever login shell the account has (csh and fish included).
# Input: header line, one line per parameter, script bytes, data bytes. Nothing is run unless the
# script is complete. Exit 70: the input ended early.
LC_ALL=C; export LC_ALL; unset IFS;
read -r wire_form wire_nonce wire_argc wire_len wire_sum wire_size wire_crc wire_mode || exit 70;
[ "$wire_form" = deploy1 ] || exit 70;
set --;
while [ $# -lt "$wire_argc" ]; do IFS= read -r wire_x || exit 70; set -- "$@" "$wire_x"; done;
wire_text=$(dd bs="$wire_len" count=1 iflag=fullblock 2>/dev/null; echo .);
wire_text=${wire_text%.};
wire_x=$(printf %s "$wire_text" | cksum);
echo;
case "$wire_x " in
"$wire_sum $wire_len "*) echo "begin $wire_nonce"; eval "$wire_text";;
*) echo "refused $wire_nonce the script arrived damaged or cut, or dd or cksum is missing there"; exit 70;;
esac;
