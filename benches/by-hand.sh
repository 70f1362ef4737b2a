#!/usr/bin/env bash
# What a careful person would write instead of `deploy`: the time and the bytes that script/bench holds it against.
#
#   benches/by-hand.sh setup            once: own nginx entry, no slot has traffic yet
#   benches/by-hand.sh SLOT VERSION     VERSION into SLOT (blue or green), then the switch
#
# One cold connection per host of the slot and per load balancer, all at once, each running one script:
# write the compose file, pull, new containers in place of the old ones, ask every 100 ms until it answers. When all
# hosts have said so, every load balancer asks each of them itself, sets its flag, and is asked what it serves.
# The flag file is looked at by nginx on each request, as with deploy's own driver: no reload, no dropped request.
#
# Nothing of what makes a deploy safe is here: no claim, no record, no undo, no second look, no drain, no watching.
# From outside: BENCH_SSH (ssh_config), BENCH_BLUE, BENCH_GREEN, BENCH_LBS (host=address …), BENCH_IMAGE.
set -euo pipefail
port=8081 name=hand.example.com
read -ra lbs <<<"$BENCH_LBS"

# No master is made or used: every connection is cold, as with a command that begins.
far() { ssh -F "$BENCH_SSH" -o ControlMaster=no -o ControlPath=none -o BatchMode=yes -T "$@"; }
servers() { local m; for m; do printf 'server %s:%s; ' "${m#*=}" "$port"; done; }

if [ "$1" = setup ]; then
  read -ra blue <<<"$BENCH_BLUE"
  read -ra green <<<"$BENCH_GREEN"
  conf="upstream hand_blue { $(servers "${blue[@]}")keepalive 32; }
upstream hand_green { $(servers "${green[@]}")keepalive 32; }
server {
  listen 80;
  server_name $name;
  set \$slot blue;
  if (-f /etc/nginx/hand/green) { set \$slot green; }
  location / {
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_set_header Host \$host;
    proxy_pass http://hand_\$slot;
  }
}"
  for lb in "${lbs[@]}"; do
    far "${lb%=*}" 'sudo -n sh -c "mkdir -p /etc/nginx/hand && rm -f /etc/nginx/hand/green &&
      cat >/etc/nginx/conf.d/hand.conf && nginx -t -q && nginx -s reload"' <<<"$conf"
  done
  exit
fi

slot=$1 version=$2 members=BENCH_${1^^}
read -ra members <<<"${!members}"
work=$(mktemp -d)
trap 'rm -rf "$work"; kill $(jobs -p) 2>/dev/null || true' EXIT

# --- on a host of the slot: IMAGE VERSION PORT; the compose file comes as input
on_host='set -e
mkdir -p hand && cd hand && cat >compose.yml
docker pull -q "$1" >/dev/null
docker compose --ansi never -p hand -f compose.yml up -d --force-recreate --quiet-pull >/dev/null 2>&1
tries=300
until curl -gsS -o /dev/null -f -m 1 "http://127.0.0.1:$2/healthz" 2>/dev/null; do
  tries=$((tries - 1))
  [ $tries -gt 0 ] || { docker logs --tail 20 hand-app-1; exit 1; }
  sleep 0.1
done
echo ready'
compose() { # host
  printf 'services:\n  app:\n    image: %s\n    restart: always\n    mem_limit: 256m\n    cpus: 1.0\n' "$BENCH_IMAGE:$version"
  printf '    ports: ["%s:8080"]\n    environment: {APP_SLOT: %s, APP_HOST: %s, LOG_LEVEL: info}\n' "$port" "$slot" "$1"
  printf '    healthcheck: {disable: true}\n'
}

# --- on a load balancer: NAME SLOT VERSION URL…; waits for a line, then switches and asks nginx itself over new connections
on_balancer='set -e
name=$1 slot=$2 version=$3
shift 3
read -r _
for url; do curl -gsS -o /dev/null -f -m 1 "$url"; done
if [ "$slot" = green ]; then touch /etc/nginx/hand/green; else rm -f /etc/nginx/hand/green; fi
for i in 1 2 3; do
  said=$(curl -gsS -m 1 -H "Host: $name" http://127.0.0.1/)
  case $said in *"\"$version\",\"slot\":\"$slot\""*) ;; *) echo "serves $said" >&2; exit 1 ;; esac
done
echo switched'

quote() { printf ' %q' "$@"; }
urls=()
for m in "${members[@]}"; do urls+=("http://${m#*=}:$port/healthz"); done
waiting=() gates=()
for lb in "${lbs[@]}"; do
  mkfifo "$work/go-${lb%=*}"
  far "${lb%=*}" "sudo -n sh -c$(quote "$on_balancer" sh "$name" "$slot" "$version" "${urls[@]}")" <"$work/go-${lb%=*}" &
  waiting+=($!)
  exec {go}>"$work/go-${lb%=*}"
  gates+=("$go")
done >"$work/switched"
starting=()
for m in "${members[@]}"; do
  compose "${m%=*}" | far "${m%=*}" "sh -c$(quote "$on_host" sh "$BENCH_IMAGE:$version" "$port")" >"$work/${m%=*}" &
  starting+=($!)
done
for job in "${starting[@]}"; do wait "$job" || { echo "not ready: nothing was switched" >&2; exit 1; }; done
for go in "${gates[@]}"; do echo go >&"$go"; done
for job in "${waiting[@]}"; do wait "$job" || { echo "a load balancer did not switch: look at both" >&2; exit 1; }; done
