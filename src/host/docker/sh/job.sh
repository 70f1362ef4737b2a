# job PROJECT DIR SERVICE NAME WITHIN RELEASE REVISION JOB ATTEMPT HOST WAY SALT WORD…: the command in a new
# container of the service, made from the release's files in $STATE/DIR; once for this attempt, whatever
# happens: it is written down before the first process, and so is how it ended.
#
# What the command writes, then one line: how it ended.
#
#   job done
#   job failed EXIT-CODE       (124: it took longer than WITHIN and was stopped)
#   job not started            nothing ran; it may be tried again
#   job unknown                it may have run, and may run still
#   job already STATE          it was begun before
#   job unwritten              the disk does not keep the record: nothing was started
job_project=$1 job_dir=$2 job_service=$3 job_name=$4 job_within=$5
job_release=$6 job_revision=$7 job_job=$8 job_try=$9
shift 9
job_host=$1 job_way=$2 job_salted=$3
shift 3
job_ends() {
	[ -z "$2" ] || job_set "$2" "$job_release" "$job_revision" "$job_job" "$job_try" "$job_host" "$job_way" "$job_salted" ||
		echo 'the record of its end could not be written'
	# A line of its own, whatever the command has left unfinished.
	printf '\njob %s\n' "$1"
	exit "$3"
}
job_is() { docker container inspect -f "{{.State.$1}}" "$job_name"; }
# Whether there is no such container, as the engine says; no answer is no word.
job_absent() {
	job_x=$(docker ps -aq --no-trunc --filter "name=^/$job_name\$") && [ -z "$job_x" ]
}

job_known "$job_release" "$job_job" || job_ends 'already ?' '' 4
[ "$job_attempt" -lt "$job_try" ] || job_ends "already $job_state" '' 4
# Nobody may have waited for an earlier attempt to end; it has another name.
job_x=$(docker ps -q --filter "name=^/${job_name%-*}-[0-9]*\$") || job_ends 'not started' '' 6
[ -z "$job_x" ] || job_ends 'already running' '' 4
job_set begun "$job_release" "$job_revision" "$job_job" "$job_try" "$job_host" "$job_way" "$job_salted" ||
	job_ends unwritten '' 5

# What ends this shell ends not the container: so it runs by itself, and is asked how it ended.
cd "$STATE/$job_dir" || job_ends 'not started' open 6
job_until=$(($(date +%s) + job_within))
if ! dk_compose --ansi never -p "$job_project" --project-directory "$PWD" \
	-f docker-compose.yml -f deploy.yml run -d --no-deps --name "$job_name" "$job_service" "$@" \
	</dev/null >"$STATE/runs/$RUN/job.$SEQ" 2>&1; then
	cat "$STATE/runs/$RUN/job.$SEQ"
	! job_absent || job_ends 'not started' open 6
	# A container that was made and never started has no time of its start.
	case $(job_is StartedAt) in
	0001-*) docker rm "$job_name" >/dev/null && job_absent && job_ends 'not started' open 6 ;;
	esac
	job_ends unknown '' 7
fi
# As it comes, and never so much that it fills the disk.
timeout "$job_within" docker logs -f "$job_name" 2>&1 | head -c 4000000
# An engine that is started anew answers not for a while: that is no end.
job_left=$((job_until - $(date +%s)))
while [ "$job_left" -ge 1 ] && ! timeout "$job_left" docker wait "$job_name" >/dev/null 2>&1; do
	! job_absent || break
	sleep 1
	job_left=$((job_until - $(date +%s)))
done
job_late=
if [ "$(job_is Running)" = true ]; then
	job_late=yes
	docker stop -t 10 "$job_name" >/dev/null
fi
job_rc=$(job_is ExitCode) && [ "$(job_is Status)" = exited ] || job_ends unknown '' 7
[ -z "$job_late" ] || job_rc=124
if [ "$job_rc" = 0 ]; then
	# It stays where its end could not be written: then it can still be asked.
	job_set 'done' "$job_release" "$job_revision" "$job_job" "$job_try" "$job_host" "$job_way" "$job_salted" ||
		job_ends unknown '' 7
	docker rm "$job_name" >/dev/null
	job_ends 'done' '' 0
fi
# Whatever was cut off above, its last words are what a person wants.
echo
docker logs --tail 40 "$job_name" 2>&1 | tail -c 20000
job_set "failed:$job_rc" "$job_release" "$job_revision" "$job_job" "$job_try" "$job_host" "$job_way" "$job_salted" ||
	job_ends unknown '' 7
docker rm "$job_name" >/dev/null
job_ends "failed $job_rc" '' 3
