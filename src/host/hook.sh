# hook SIZE SECONDS WORD…: a program of the operator's, with SIZE bytes of data on its standard input.
# It is ended after SECONDS. What it leaves running is not waited for.
#
#   o <text>   one of the last 20 lines that it wrote, to its standard output or its standard error
#
# end ok rc=<its exit status>
hook_in=$(mktemp) && hook_out=$(mktemp) || end error space
trap 'rm -f "$hook_in" "$hook_out"' EXIT
take_data "$1" >"$hook_in" || end error data
hook_limit=$2
shift 2
timeout -k 2 "$hook_limit" "$@" <"$hook_in" >"$hook_out" 2>&1 9>&-
hook_rc=$?
tail -n 20 "$hook_out" | cut -c 1-500 | sed 's/^/o /'
rm -f "$hook_in" "$hook_out"
end ok rc=$hook_rc
