# before COUNT { N PROJECT KIND LIMIT … }… ARGS…: stands before a body that stops containers: switches
# off what runs in COUNT slots, each with N words of its own, and leaves ARGS to that body. What cannot
# be switched off is stopped all the same, and told: `not deactivated: <why>`.
dk_before() (
	dk_n=$1
	shift
	dk_rest=$(($# - dk_n))
	while [ "$dk_n" -gt 0 ]; do
		set -- "$@" "$1"
		shift
		dk_n=$((dk_n - 1))
	done
	shift "$dk_rest"
	dk_off "$@"
)
dk_count=$1
shift
while [ "$dk_count" -gt 0 ]; do
	if ! dk_told=$(dk_before "$@"); then
		printf '%s\n' "$dk_told" | sed 's/^/not deactivated: /'
	fi
	dk_n=$1
	shift
	shift "$dk_n"
	dk_count=$((dk_count - 1))
done
