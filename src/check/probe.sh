# probe: what a look does not ask: the clock and the commands that steps need.
printf 'clock %s\n' "$(date +%s)"
for tool in curl wget flock mktemp; do
	command -v "$tool" >/dev/null 2>&1 && printf 'tool %s\n' "$tool"
done
end ok
