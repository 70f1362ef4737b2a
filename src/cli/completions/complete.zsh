#compdef deploy
# Completion of `deploy` for zsh: source <(deploy completions zsh), after compinit
_deploy() {
	local line word help
	local -a found
	while IFS= read -r line; do
		word=${line%%$'\t'*} help=${line#*$'\t'}
		found+=("${word//:/\\:}:$help")
	done < <("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
	if (( $#found )); then _describe deploy found; else _files; fi
}
compdef _deploy deploy
