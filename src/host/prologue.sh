# Stands before every script. POSIX sh; names that begin with `wire_` belong to it.
#
#   take_data N          N bytes of the script's data to standard output; fails where fewer came
#                        or where they could not be written. Reads not one byte too many.
#   until_hangup CMD…    only in a tied script, after the data was taken: runs CMD (a command or a
#                        function, its input empty) and ends it when the client is gone: TERM to
#                        the script's process group and to CMD and the group that it leads (a
#                        `timeout` does), KILL to the latter after 2 s. The script itself goes on
#                        and sees status 143. What moved to yet another group or session is left.
#   end WORD…            the one way to end well: the words are the answer.
#
# The next script may come over the same streams. So one that is not tied leaves no child behind that has
# its output open, and runs nothing that reads its input to the end.
umask 007
unset CDPATH ENV BASH_ENV
PATH=${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin; export PATH
# A tied script is meant to end with its connection; any other must outlive it.
[ "$wire_mode" = tied ] || trap '' HUP PIPE

# take exactly: block size, number of blocks. dd's own count tells whether all came.
wire_take() {
	{ wire_x=$(dd bs="$1" count="$2" iflag=fullblock 2>&1 >&3 3>&-) || return 1; } 3>&1
	case $wire_x in "$2+0 "*) ;; *) return 1 ;; esac
}
take_data() {
	[ "$1" -lt 65536 ] || wire_take 65536 $(($1 / 65536)) || return 1
	[ $(($1 % 65536)) -eq 0 ] || wire_take $(($1 % 65536)) 1
}
until_hangup() {
	wire_hung=
	# A background command gets an empty input, so the channel needs a number of its own.
	exec 8<&0
	"$@" </dev/null 8<&- &
	wire_job=$!
	# What is left to do after the hangup must not die of printing to nobody; the command may.
	trap '' PIPE
	trap 'wire_hung=1; kill -s TERM -- "$wire_job" "-$wire_job" 2>/dev/null' TERM
	{
		trap - TERM
		while read -r wire_x; do :; done
		trap '' TERM
		# The group first: this script's own signal must not come later than the command's end.
		# Then the command, and its own group where it leads one (as `timeout` does).
		kill -s TERM -- 0 "$wire_job" "-$wire_job"
		sleep 2
		kill -s KILL -- "$wire_job"
	} <&8 >/dev/null 2>&1 8<&- 9<&- &
	wire_watch=$!
	exec 8<&-
	wait "$wire_job"
	wire_rc=$?
	# A signal interrupts `wait`: only the second one sees the command's end.
	if [ -n "$wire_hung" ]; then
		wait "$wire_job"
		wire_rc=143
		kill -KILL "$wire_watch" 2>/dev/null
		# What the command has left of its own group (a number that cannot be anybody else's).
		for wire_x in 1 2; do
			kill -s 0 -- "-$wire_job" 2>/dev/null || break
			sleep 1
		done
		kill -s KILL -- "-$wire_job" 2>/dev/null
	else
		kill -TERM "$wire_watch" 2>/dev/null
		trap - PIPE
	fi
	trap - TERM
	return "$wire_rc"
}
end() {
	IFS=' '
	printf '\nend %s %s\n' "$wire_nonce" "$*"
	exit 0
}
