# Marks of jobs: one file for each release and job, jobs/RELEASE.JOB, durable before it counts.
#
#   job_known RELEASE JOB   what stands there: $job_attempt (0 = nothing) and $job_state. 1 = it cannot
#                           be read, and so nothing may be started.
#                           $job_salt: what its release's fingerprints of secrets are made with.
#   job_set STATE RELEASE REVISION JOB ATTEMPT HOST WAY SALT
#
# SALT: without it a release with secrets could not be known again where no slot holds one, and its jobs
# would run a second time. `-`: as it was.
job_known() {
  job_attempt=0 job_state= job_salt=-
  [ -e "$STATE/jobs/$1.$2" ] || return 0
  job_format= job_dot=
  { read -r job_format job_x job_x job_x job_attempt job_state job_x job_x job_salt job_x job_x job_dot \
    <"$STATE/jobs/$1.$2"; } 2>/dev/null
  [ "$job_format $job_dot" = '1 .' ] || return 1
  case $job_attempt in '' | *[!0-9]*) return 1 ;; esac
}
job_set() {
  if [ ! -d "$STATE/jobs" ]; then
    mkdir -p "$STATE/jobs" && sync "$STATE" || return
  fi
  [ "$8" = - ] || job_salt=$8
  put_line "$STATE/jobs/$2.$4" "$2" "$3" "$4" "$5" "$1" "$6" "$7" "${job_salt:--}" "$RUN" "$(date +%s)"
}
