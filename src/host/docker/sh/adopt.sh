# adopt WORD…: what runs here and was not brought by deploy, as it could be written down, and where the
# configuration of a load balancer names one of the WORDs (addresses of app hosts). Read-only.
#
#   c {JSON}             a running container
#   e NAME               name of a variable that it was given; never the value, which may be a secret
#   o                    it was started with a command or entry point of its own
#   d REPOSITORY@DIGEST  a digest of its image
#   docker missing|failed|ok
#   b SERVER FILE LINE ADDRESS[:PORT]
#
# Values of variables are compared with those of the image here, and stay here: builtins only, so that
# they are in no argument list either.
# `index` for what an engine may leave out: a plain field would end the whole template.
dk_form='{"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Config.Image}},"image_id":{{json .Image}},"health":{{with index .State "Health"}}{{json .Status}}{{else}}"none"{{end}},"restart":{{json .HostConfig.RestartPolicy.Name}},"retries":{{json .HostConfig.RestartPolicy.MaximumRetryCount}},"memory":{{json (index .HostConfig "Memory")}},"nano_cpus":{{json (index .HostConfig "NanoCpus")}},"quota":{{json (index .HostConfig "CpuQuota")}},"network_mode":{{json .HostConfig.NetworkMode}},"ports":{{json (index .NetworkSettings "Ports")}},"mounts":{{json .Mounts}},"tmpfs":{{json (index .HostConfig "Tmpfs")}},"auto_remove":{{json (index .HostConfig "AutoRemove")}},"user":{{json .Config.User}},"privileged":{{json (index .HostConfig "Privileged")}},"cap_add":{{json (index .HostConfig "CapAdd")}},"cap_drop":{{json (index .HostConfig "CapDrop")}},"extra_hosts":{{json (index .HostConfig "ExtraHosts")}},"devices":{{json (index .HostConfig "Devices")}},"ours":{{json (index .Config.Labels "deploy.release")}},"project":{{json (index .Config.Labels "com.docker.compose.project")}},"service":{{json (index .Config.Labels "com.docker.compose.service")}}}'
dk_nl='
'
# dk_one ID: one container. It may go meanwhile: then nothing is said of it.
dk_one() {
	dk_row=$(docker container inspect -f "$dk_form" "$1" 2>/dev/null) || return 0
	dk_image=$(docker container inspect -f '{{.Image}}' "$1" 2>/dev/null) || return 0
	dk_env=$(docker container inspect -f '{{range .Config.Env}}{{json .}}{{"\n"}}{{end}}' "$1" 2>/dev/null) || return 0
	dk_run=$(docker container inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{json .Config.User}}' "$1" 2>/dev/null)
	dk_of=$(docker image inspect -f '{{range .Config.Env}}{{json .}}{{"\n"}}{{end}}' "$dk_image" 2>/dev/null)
	dk_is=$(docker image inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}}' "$dk_image" 2>/dev/null)
	printf 'c %s\n' "$dk_row"
	while IFS= read -r dk_x; do
		case $dk_x in *=*) ;; *) continue ;; esac
		case $dk_nl$dk_of$dk_nl in *"$dk_nl$dk_x$dk_nl"*) continue ;; esac
		dk_x=${dk_x#\"}
		printf 'e %s\n' "${dk_x%%=*}"
	done <<X
$dk_env
X
	case $dk_run in "$dk_is "*) ;; *) echo o ;; esac
	docker image inspect -f '{{range .RepoDigests}}d {{.}}{{"\n"}}{{end}}' "$dk_image" 2>/dev/null | grep '^d '
	return 0
}
# dk_lines SERVER NGINX WORD…: lines of configuration on standard input, or of files where NGINX is `-`.
dk_awk='
BEGIN { split(words, w, " "); for (i in w) want[w[i]] = 1; file = "-"; line = 0 }
nginx && /^# configuration file .*:$/ { file = $0; sub(/^# configuration file /, "", file); sub(/:$/, "", file); line = 0; next }
{ if (nginx) line++; else { file = FILENAME; line = FNR }
  if (file ~ /\/deploy\//) next
  text = $0; sub(/#.*/, "", text)
  n = split(text, t, /[^A-Za-z0-9._:-]+/)
  for (i = 1; i <= n; i++) {
    name = t[i]; sub(/:[0-9]+$/, "", name)
    if (name in want) print "b " server " " file " " line " " t[i]
  } }'
if ! command -v docker >/dev/null; then
	echo 'docker missing'
elif ! dk_ids=$(timeout 20 docker ps -q --no-trunc 2>/dev/null); then
	echo 'docker failed'
else
	for dk_id in $dk_ids; do dk_one "$dk_id"; done
	echo 'docker ok'
fi
[ $# -gt 0 ] || exit 0
! command -v nginx >/dev/null ||
	timeout 20 nginx -T 2>/dev/null | awk -v nginx=1 -v server=nginx -v words="$*" "$dk_awk"
for dk_x in /etc/haproxy/haproxy.cfg /etc/caddy/Caddyfile; do
	[ ! -r "$dk_x" ] || awk -v nginx= -v server="${dk_x##*/}" -v words="$*" "$dk_awk" "$dk_x"
done
exit 0
