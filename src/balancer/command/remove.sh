# remove: by the program for it, where there is one. Answers like commit.
lock 5 || stop differs 'nothing was done: another change on this load balancer holds its lock'
has remove "$@" || stop differs 'there is no program for remove: take the app out of the load balancer by hand'
run remove "$@" || stop differs "the program for remove ended with $run_rc: $complaint"
does "$@" || stop differs "the program for read does not answer: $complaint"
[ "$live" = null ] || stop differs "it does $live"
printf 'converged %s\n' "$(date +%s.%N)"
