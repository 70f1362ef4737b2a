# watch PROJECT ADOPTED EVERY TIMEOUT { LABEL ADDRESS KIND PORT PATH HOST }…: asks gates and looks at
# containers until the client is gone. PROJECT `-`: no containers. HOST: the Host header, empty for
# the address. Times in seconds, with decimals. KIND exec: ADDRESS is the service, or `-` for the only
# one; PATH the command's words, a unit separator after each. ADOPTED: ID=SERVICE words in one, blanks
# between them: containers that count as the project's while it has none of its own.
#
#   g LABEL http STATUS CURL-EXIT SECONDS   an answer; 000 = none
#   g LABEL tcp RC                          0 = accepted, 124 = in time neither accepted nor refused
#   g LABEL exec RC                         status of a command in a container; none, several or blind
#                                           where it is not known in which
#   c [JSON]                                a container (see dk_fields)
#   C ok N | C failed                       that was all N of them; failed = nothing is known
#   cannot http|tcp                         nothing here can ask that
#   .                                       still here, once a second
#
# A line is written in one piece, so that those of different loops do not mix.
dk_fields='c [{{json .Name}},{{json (index .Config.Labels "com.docker.compose.service")}},{{json (index .Config.Labels "com.docker.compose.oneoff")}},{{json .State.Status}},{{with index .State "Health"}}{{json .Status}}{{else}}"none"{{end}},{{json .RestartCount}},{{json .State.ExitCode}},{{json .State.OOMKilled}},{{json (index .Config.Labels "deploy.release")}},{{json .HostConfig.RestartPolicy.Name}}]'
# The same fields for rows.awk.
dk_values='Name="" Config.Labels.com.docker.compose.service=null Config.Labels.com.docker.compose.oneoff=null State.Status="" State.Health.Status="none" RestartCount=0 State.ExitCode=0 State.OOMKilled=false Config.Labels.deploy.release=null HostConfig.RestartPolicy.Name=""'

# dk_look_at: the project's containers, into dk_ids and dk_found; 1 = not known. The engine over its
# socket, else by the docker command. New ones are searched for now and then; one that is gone shows
# at once.
dk_look_at() {
	dk_age=$((dk_age - 1))
	if [ -n "$dk_is_short" ]; then
		if [ "$dk_age" -ge 0 ]; then
			dk_these $dk_ids
		else
			dk_age=9
			# One of the adopted is no guess at what the project has.
			[ -z "$dk_foster" ] || dk_ids=
			dk_all '' "$dk_values" "containers/json?all=1&filters=$(dk_filter "")" $dk_ids || return
			[ -n "$dk_ids" ] || dk_these $dk_foster
		fi
		return
	fi
	if [ "$dk_age" -lt 0 ]; then
		dk_age=9
		dk_ids=$(timeout 5 docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$dk_project" 2>/dev/null) || return
		dk_ids=${dk_ids:-$dk_foster}
	fi
	dk_found=
	[ -z "$dk_ids" ] || dk_found=$(timeout 5 docker inspect --type container --format "$dk_fields" $dk_ids 2>/dev/null)
}
# dk_filter MORE: as a part of an address. A project's name is of letters, digits, `-` and `_`.
dk_filter() {
	printf '%%7B%%22label%%22%%3A%%5B%%22com.docker.compose.project%%3D%s%%22%%5D%s%%7D' "$dk_project" "$1"
}
dk_look() {
	for dk_try in 1 2; do
		if dk_look_at; then
			set -- $dk_ids
			[ $# -gt 0 ] || dk_age=0
			[ -z "$dk_found" ] || printf '%s\n' "$dk_found"
			echo "C ok $#"
			return
		fi
		dk_age=0
	done
	echo 'C failed'
}
dk_events() {
	if [ -n "$dk_is_short" ]; then
		dk_x=$(dk_filter '%2C%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start%22%2C%22die%22%2C%22oom%22%2C%22destroy%22%2C%22health_status%22%5D')
		curl -q -s -f -N --noproxy '*' --unix-socket "$dk_sock" "http://docker/events?filters=$dk_x" |
			while read -r dk_x; do echo e; done
	else
		docker events --filter type=container --filter "label=com.docker.compose.project=$dk_project" \
			--filter event=start --filter event=die --filter event=oom --filter event=destroy \
			--filter event=health_status --format e
	fi
}
dk_wake() {
	while :; do
		dk_events
		sleep 1
	done 2>/dev/null &
	while :; do
		echo t
		sleep 0.3
	done
}
# Whoever was here before had the same names (see lib.sh): a wrong guess costs a process.
dk_guess() {
	dk_x=
	{ IFS= read -r dk_x <"${ROOT:-/var/lib/deploy}/cache.containers"; } 2>/dev/null
	case $dk_x in *[!A-Za-z0-9_.\ -]*) return ;; esac
	for dk_x in $dk_x; do
		case $dk_x in "$dk_project"-*) dk_ids="$dk_ids $dk_x" ;; esac
	done
}
# Once a second in calm times; for some seconds after an event as often as it wakes.
dk_containers() {
	dk_ids= dk_age=0 dk_calm=3 dk_hot=0 dk_is_short=
	! dk_short || dk_is_short=1
	dk_guess
	dk_wake | while read -r dk_why; do
		if [ "$dk_why" = e ]; then
			dk_hot=8 dk_age=0
			continue
		fi
		dk_calm=$((dk_calm + 1))
		[ "$dk_hot" -gt 0 ] || [ "$dk_calm" -ge 3 ] || continue
		dk_hot=$((dk_hot - 1)) dk_calm=0
		dk_look
	done
}

dk_url() {
	case $1 in *:*) dk_url="http://[$1]:$2$3" ;; *) dk_url="http://$1:$2$3" ;; esac
}
# One process for all gates of a round: starting it is what costs.
dk_curl_all() {
	dk_n=$(($# / 6))
	while [ "$dk_n" -gt 0 ]; do
		dk_url "$2" "$4" "$5"
		set -- "$@" --next -s -g --path-as-is --noproxy '*' -m "$dk_timeout" -o /dev/null \
			-w "g $1 http %{http_code} %{exitcode} %{time_total}\n" ${6:+-H "Host: $6"} "$dk_url"
		shift 6
		dk_n=$((dk_n - 1))
	done
	# The first --next separates nothing.
	shift
	while :; do
		sleep "$dk_every" &
		curl -q -Z --parallel-immediate --parallel-max 100 "$@" 2>/dev/null
		wait $!
	done
}
# One process for many rounds of one gate, paced by curl itself: 50 rounds cost as much as one alone.
# Standard error, since curl keeps what it prints elsewhere until it ends. There it writes in pieces,
# between which a line of another loop could come: so each line is put together again.
dk_curl_paced() {
	dk_url "$2" "$4" "$5"
	# Below it stands without quotes, many times.
	case $dk_url in *[[:space:]]*) dk_curl_one "$@" ;; esac
	set -f
	dk_form="%{stderr}g $1 http %{http_code} %{exitcode} %{time_total}\n"
	dk_x=${dk_every#*.}
	dk_rate=$((60000 / (${dk_every%%.*} * 1000 + 1$dk_x - 1000)))/m
	dk_urls= dk_n=50
	while [ "$dk_n" -gt 0 ]; do dk_urls="$dk_urls -o /dev/null $dk_url" dk_n=$((dk_n - 1)); done
	while :; do
		sleep "$dk_every" &
		{
			curl -q -s -g --path-as-is --noproxy '*' --rate "$dk_rate" -m "$dk_timeout" -w "$dk_form" \
				-H 'Connection: close' ${6:+-H "Host: $6"} $dk_urls 2>&1 >/dev/null
			# 2: an option that it does not know, so it is older than 7.84.
			[ $? != 2 ] || echo old
		} | while IFS= read -r dk_line; do
			[ "$dk_line" != old ] || exit 2
			printf '%s\n' "$dk_line"
		done
		[ $? != 2 ] || dk_curl_one "$@"
		wait $!
	done
}
# A curl that is too old for that: one process for each gate.
dk_curl_one() {
	dk_url "$2" "$4" "$5"
	while :; do
		sleep "$dk_every" &
		dk_x=$(curl -q -s -g --noproxy '*' -m "$dk_timeout" -o /dev/null -w '%{http_code} %{time_total}' ${6:+-H "Host: $6"} "$dk_url" 2>/dev/null)
		printf 'g %s http %s %s %s\n' "$1" "${dk_x% *}" "$?" "${dk_x#* }"
		wait $!
	done
}
dk_wget_one() {
	dk_url "$2" "$4" "$5"
	case $(wget --version 2>/dev/null) in *GNU*) dk_gnu='--tries=1 --max-redirect=0 --no-config' ;; *) dk_gnu= ;; esac
	while :; do
		sleep "$dk_every" &
		dk_x=$(timeout "$dk_timeout" $dk_wget $dk_gnu -S -O /dev/null ${6:+--header "Host: $6"} "$dk_url" 2>&1)
		dk_rc=$?
		# The first status line is the answer; what is not found or moved is one as well.
		case $dk_x in *HTTP/*) dk_x=${dk_x#*HTTP/} dk_x=${dk_x#* } ;; *) dk_x=000 ;; esac
		dk_x=${dk_x%%[!0-9]*}
		[ "${dk_x:-0}" -lt 300 ] || dk_rc=0
		[ "$dk_rc" != 124 ] && [ "$dk_rc" != 143 ] || dk_rc=28
		printf 'g %s http %s %s -\n' "$1" "${dk_x:-000}" "$dk_rc"
		wait $!
	done
}
# Some builds of busybox have no -z.
dk_nc_can() {
	case $(nc --help 2>&1) in *BusyBox*-z*) ;; *BusyBox*) return 1 ;; esac
}
# Neither curl nor wget: bash speaks enough HTTP to read a status line.
dk_bash_one() {
	while :; do
		sleep "$dk_every" &
		dk_x=$(timeout "$dk_timeout" bash -c '
			exec 3<>"/dev/tcp/$1/$2" || exit 7
			printf "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n" "$3" "$4" >&3 || exit 55
			IFS= read -r line <&3 || exit 52
			printf "%s\n" "$line"' bash "$2" "$4" "$5" "${6:-$2:$4}" 2>/dev/null)
		dk_rc=$?
		case $dk_x in HTTP/*' '*) dk_x=${dk_x#* } ;; *) dk_x=000 ;; esac
		dk_x=${dk_x%%[!0-9]*}
		[ "$dk_rc" != 124 ] || dk_rc=28
		printf 'g %s http %s %s -\n' "$1" "${dk_x:-000}" "$dk_rc"
		wait $!
	done
}
dk_tcp_one() {
	case $2 in *:*) dk_host="[$2]" ;; *) dk_host=$2 ;; esac
	if command -v bash >/dev/null; then
		dk_knock() { timeout "$dk_timeout" bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2"; }
	elif command -v nc >/dev/null && dk_nc_can; then
		dk_knock() { timeout "$dk_timeout" nc -z "$1" "$2"; }
	elif command -v curl >/dev/null; then
		# It talks on until its time is over: what tells is whether it was connected.
		dk_knock() {
			dk_x=$(curl -q -s --noproxy '*' -m "$dk_timeout" -w '%{time_connect}' "telnet://$dk_host:$2")
			dk_rc=$?
			case $dk_x in *[1-9]*) return 0 ;; esac
			[ "$dk_rc" = 28 ] && return 124 || return 1
		}
	else
		echo 'cannot tcp'
		return
	fi
	while :; do
		sleep "$dk_every" &
		dk_knock "$2" "$4" >/dev/null 2>&1 </dev/null
		printf 'g %s tcp %s\n' "$1" "$?"
		wait $!
	done
}
# A command in all containers of a service, one after the other; the first that fails tells. One that
# does not end in time is left behind in its container: nothing outside can end it there.
dk_exec_one() {
	dk_us=$(printf '\037')
	dk_in= dk_rounds=0
	while :; do
		sleep "$dk_every" &
		# Others may have come since, e.g. the second of two that are brought up.
		dk_rounds=$(((dk_rounds + 1) % 5))
		[ -n "$dk_in" ] && [ "$dk_rounds" != 0 ] || dk_exec_where "$2"
		dk_rc=$dk_why
		for dk_id in $dk_in; do
			dk_exec_in "$dk_id" "$5" >/dev/null 2>&1 </dev/null
			dk_rc=$?
			[ "$dk_rc" = 0 ] || break
		done
		# It may be another container by now.
		[ "$dk_rc" = 0 ] || dk_in=
		printf 'g %s exec %s\n' "$1" "$dk_rc"
		wait $!
	done
}
dk_exec_in() (
	dk_id=$1
	set -f
	IFS=$dk_us
	set -- $2
	unset IFS
	exec timeout "$dk_timeout" docker exec "$dk_id" "$@"
)
# Asking curl for its version costs as much as asking a gate, so few gates just try. Many go into
# one process, by what came with 7.75: an exit code per gate, parallel transfers.
dk_ask_with() {
	if command -v curl >/dev/null; then
		dk_http=dk_curl_paced
		[ $# -gt 48 ] || return 0
		dk_x=$(curl -q --version)
		dk_x=${dk_x#curl } dk_x=${dk_x%% *}
		dk_minor=${dk_x#*.}
		dk_minor=${dk_minor%%.*}
		if [ "${dk_x%%.*}" -ge 8 ] || [ "${dk_x%%.*}" -eq 7 ] && [ "$dk_minor" -ge 75 ]; then
			dk_http=dk_curl_all
		else
			dk_http=dk_curl_one
		fi 2>/dev/null
	elif command -v wget >/dev/null; then
		dk_http=dk_wget_one dk_wget=wget
	elif command -v busybox >/dev/null && busybox wget --help >/dev/null 2>&1; then
		dk_http=dk_wget_one dk_wget='busybox wget'
	elif command -v bash >/dev/null; then
		dk_http=dk_bash_one
	else
		dk_http=
		echo 'cannot http'
	fi
}
dk_watch() {
	dk_project=$1 dk_adopted=$2 dk_every=$3 dk_timeout=$4
	shift 4
	dk_foster=
	for dk_x in $dk_adopted; do dk_foster="$dk_foster ${dk_x%%=*}"; done
	unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
	[ "$dk_project" = - ] || dk_containers &
	dk_ask_with "$@"
	# What curl does not ask in one go gets a loop of its own; the rest moves to the end.
	dk_left=$(($# / 6))
	while [ "$dk_left" -gt 0 ]; do
		case $3.$dk_http in
		tcp.*) dk_tcp_one "$1" "$2" "$3" "$4" & ;;
		exec.*) dk_exec_one "$1" "$2" "$3" "$4" "$5" & ;;
		http.dk_curl_all) set -- "$@" "$1" "$2" "$3" "$4" "$5" "$6" ;;
		http.?*) "$dk_http" "$1" "$2" "$3" "$4" "$5" "$6" & ;;
		esac
		shift 6
		dk_left=$((dk_left - 1))
	done
	[ $# -eq 0 ] || dk_curl_all "$@" &
	while :; do
		echo .
		sleep 1
	done
}
until_hangup dk_watch "$@"
end ok
