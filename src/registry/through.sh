# $1: address of the manifest, $2: types that are understood. Headers go to the answer.
if command -v curl >/dev/null 2>&1; then
	curl -sSIL --max-redirs 4 --connect-timeout 3 -m 10 -H "Accept: $2" -- "$1"
	end found "rc=$?"
elif command -v wget >/dev/null 2>&1; then
	# It prints the headers to standard error; busybox knows neither `--method` nor `--spider -S`
	# together with a useful status, so the body is fetched and thrown away.
	wget -S -O /dev/null -T 5 --header "Accept: $2" "$1" 2>&1
	end found "rc=$?"
else
	end no-client
fi
