# Completion of `deploy` for bash: eval "$(deploy completions bash)"
_deploy() {
	local line piece prefix
	local -a words
	# Words as they were typed: bash would cut app@1.0 in pieces.
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
	piece=${COMP_WORDS[COMP_CWORD]-}
	prefix=${words[${#words[@]} - 1]}
	prefix=${prefix%"$piece"}
	COMPREPLY=()
	while IFS=$'\t' read -r line _; do
		COMPREPLY+=("${line#"$prefix"}")
	done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
	if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[@=] ]]; then
		compopt -o nospace 2>/dev/null
	fi
}
complete -o default -F _deploy deploy
