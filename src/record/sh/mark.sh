# mark RELEASE REVISION JOB ATTEMPT HOST WAY SALT STATE: what this host is to remember of a job that another
# one runs, or of which a person has said something.
job_known "$1" "$3" || exit
[ "$job_attempt" -le "$4" ] || exit 0
job_set "$8" "$1" "$2" "$3" "$4" "$5" "$6" "$7"
