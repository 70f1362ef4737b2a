# on PROJECT KIND LIMIT …: see dk_call.
dk_call "$@"
