# The bootstrap: fixed text that travels as the argument of `sh -c` and reads all else from its
# input. `wire::boot` strips these comments and joins the lines into one, so every statement ends
# with `;`. No single quote, exclamation mark or backslash may stand here: the line must pass
# through whatever login shell the account has (csh and fish included).
# Input: header line, one line per parameter, script bytes, data bytes. Nothing is run unless the
# script is complete; that its bytes, and those of the data, are those that were sent is what ssh itself
# vouches for, and a sum costs a process. Exit 70: the input ended early.
LC_ALL=C; export LC_ALL; unset IFS;
read -r wire_form wire_nonce wire_argc wire_len wire_mode || exit 70;
[ "$wire_form" = deploy2 ] || exit 70;
set --;
while [ $# -lt "$wire_argc" ]; do IFS= read -r wire_x || exit 70; set -- "$@" "$wire_x"; done;
wire_text=$(dd bs="$wire_len" count=1 iflag=fullblock 2>/dev/null; echo .);
wire_text=${wire_text%.};
echo;
if [ "${#wire_text}" = "$wire_len" ]; then echo "begin $wire_nonce"; eval "$wire_text";
else echo "refused $wire_nonce the script arrived cut, or dd is missing there"; exit 70; fi;
