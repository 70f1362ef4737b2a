# After where.sh, before on.sh, off.sh and before.sh.
#
#   dk_call PROJECT KIND LIMIT …   one call to the member, within LIMIT seconds; its status is that of
#                                  the call, and the last of what it wrote is printed where it fails.
#   dk_off PROJECT KIND LIMIT …    the same to switch it off: where nothing of it runs, it is off.
#
#   … exec SERVICE WORD…           a command in the running containers of a service, `-` = the only one
#   … http METHOD URL FIRST LAST HOST    a request; FIRST to LAST are good answers, HOST may be empty
#   … host ENV APP SLOT HOST ADDRESS PORT WORD…   a program on this host
dk_said() {
	# Above all its last line, whatever it wrote; the status stands behind it.
	dk_out=$({ "$@" </dev/null 2>&1; printf '\nrc %s' "$?"; } | tail -c 4096)
	dk_rc=${dk_out##*
rc }
	dk_out=${dk_out%
rc *}
	[ "$dk_rc" = 0 ] && return
	printf '%s\n' "$dk_out" | sed '/^[[:space:]]*$/d' | tail -n 20
	case $dk_rc in 124 | 137 | 143) echo 'it did not end in time' ;; *) printf 'exit code %s\n' "$dk_rc" ;; esac
	return 1
}
dk_call_exec() {
	dk_limit=$1 dk_service=$2
	shift 2
	dk_exec_where "$dk_service"
	if [ -z "$dk_in" ]; then
		case $dk_service.$dk_why in
		-.none) echo 'no container runs' ;;
		*.none) echo "no container of $dk_service runs" ;;
		*.several) echo 'several services run, and none is named' ;;
		*) echo 'the engine does not say which containers run' ;;
		esac
		return 1
	fi
	for dk_id in $dk_in; do
		dk_said timeout "$dk_limit" docker exec "$dk_id" "$@" || return
	done
}
# The status line of an answer into dk_code; 000 = none.
dk_ask() {
	dk_code=000
	if command -v curl >/dev/null; then
		# Some servers refuse a request that may have a body and names no length.
		case $2 in POST | PUT | PATCH) dk_body=1 ;; *) dk_body= ;; esac
		dk_code=$(curl -q -s -g --path-as-is --noproxy '*' -m "$1" -o /dev/null -w '%{http_code}' -X "$2" \
			${dk_body:+--data ''} ${4:+-H "Host: $4"} "$3" </dev/null 2>/dev/null)
		return 0
	fi
	case $2 in
	GET) set -- "$1" "$3" ${4:+--header "Host: $4"} ;;
	POST) set -- "$1" "$3" ${4:+--header "Host: $4"} '--post-data=' ;;
	*)
		echo "this host has no curl, which a $2 needs"
		return 1
		;;
	esac
	dk_limit=$1 dk_url=$2
	shift 2
	# Once, here, and without the user's own settings.
	case $(wget --version 2>/dev/null) in *GNU*) dk_gnu='--tries=1 --max-redirect=0 --no-config' ;; *) dk_gnu= ;; esac
	unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY
	dk_x=$(timeout "$dk_limit" wget $dk_gnu -S -O /dev/null "$@" "$dk_url" 2>&1 </dev/null)
	case $dk_x in
	*HTTP/*)
		dk_x=${dk_x#*HTTP/}
		dk_x=${dk_x#* }
		dk_code=${dk_x%%[!0-9]*}
		;;
	esac
}
dk_call_http() {
	dk_ask "$1" "$2" "$3" "${6-}" || return
	case $dk_code in
	000 | '') echo "$2 $3: no answer within ${1}s" ;;
	*)
		[ "$dk_code" -lt "$4" ] || [ "$dk_code" -gt "$5" ] || return 0
		echo "$2 $3: HTTP $dk_code"
		;;
	esac
	return 1
}
dk_call_host() (
	dk_limit=$1
	DEPLOY_ENV=$2 DEPLOY_APP=$3 DEPLOY_SLOT=$4 DEPLOY_HOST=$5 DEPLOY_ADDRESS=$6 DEPLOY_PORT=$7
	export DEPLOY_ENV DEPLOY_APP DEPLOY_SLOT DEPLOY_HOST DEPLOY_ADDRESS DEPLOY_PORT
	shift 7
	cd / || return
	# It may leave a daemon behind, which must not keep a lock of ours.
	dk_said timeout -k 5 "$dk_limit" "$@" 7>&- 8>&- 9>&-
)
dk_call() {
	dk_project=$1 dk_kind=$2
	shift 2
	"dk_call_$dk_kind" "$@"
}
# Whether no container of the project runs; 2 = not known.
dk_nothing_runs() {
	dk_x=$(timeout 5 docker ps -q --filter "label=com.docker.compose.project=$1" 2>/dev/null) || return 2
	[ -z "$dk_x" ]
}
# Whether what runs there was adopted: it is no project of ours, so no call reaches it.
dk_is_adopted() {
	for dk_x in "${STATE:-/nonexistent}"/slots/*; do
		case $1 in *-"${dk_x##*/}") ;; *) continue ;; esac
		{ read -r dk_n dk_id dk_n <"$dk_x"; } 2>/dev/null || continue
		grep -q '"adopted"' "$STATE/releases/$dk_id/${dk_x##*/}/release.json" 2>/dev/null && return 0
	done
	return 1
}
dk_off() {
	if dk_is_adopted "$1"; then
		echo 'what was adopted cannot be switched off by a call: leave activate and deactivate out until a release of deploy serves'
		return 1
	fi
	case $2 in
	exec) dk_project=$1 && dk_exec_where "$4" && [ -z "$dk_in" ] && [ "$dk_why" = none ] ;;
	http) dk_nothing_runs "$1" ;;
	*) false ;;
	esac
	case $? in
	0) echo 'nothing of it runs' ;;
	2) echo 'the engine does not say what runs' && return 1 ;;
	*) dk_call "$@" ;;
	esac
}
