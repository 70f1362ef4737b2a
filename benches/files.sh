#!/usr/bin/env bash
# What needs no host: an environment of 1,000 hosts and 20 apps of 100 hosts each is loaded, checked and rendered
# (`deploy check --offline`), and help is shown. Called by script/bench --files; DEPLOY names the program, $1 the runs.
set -uo pipefail
runs=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/inventories" "$work/templates/app/files"

# Settings at every level, as large environments have them.
{
  echo 'restart: always'
  echo 'vars: { log_level: info }'
} >"$work/inventories/defaults.yml"
{
  echo 'hosts:'
  echo '  web[0001:1000]: { address: "{name}.mgt", serve: "{name}.svc", labels: { nr: "{n}" } }'
  echo '  lb[1:2]: { address: "{name}.mgt" }'
  for n in $(seq 1 1000); do printf '  web%04d: { vars: { heap: %dm } }\n' "$n" "$n"; done
  echo 'groups:'
  for app in $(seq 0 19); do
    printf '  blue%d: { hosts: "web[%04d:%04d]", vars: { side: blue } }\n' "$app" $((app * 50 + 1)) $((app * 50 + 50))
    other=$(((app * 50 + 500) % 1000 + 1))
    printf '  green%d: { hosts: "web[%04d:%04d]" }\n' "$app" "$other" $((other + 49))
  done
  echo 'load_balancers: { edge: { driver: nginx, hosts: [lb1, lb2], probe: "http://{host}:80" } }'
  echo 'apps:'
  for app in $(seq 0 19); do
    cat <<YML
  app$app:
    image: registry.example.com/acme/app$app
    template: templates/app/docker-compose.yml.j2
    slots: [blue$app, green$app]
    port: $((8000 + app))
    balance: { edge: { backend: app$app } }
    gates: [ { http: /healthz, every: 500ms } ]
    limits: { memory: 512m, cpus: "1.0" }
    vars: { workers: $app }
YML
  done
} >"$work/inventories/large.yml"
cat >"$work/templates/app/docker-compose.yml.j2" <<'YML'
services:
  app:
    image: {{ image }}
    ports: [{{ port ~ ':8080' }}]
    environment:
      APP_HOST: {{ host.name }}
      HEAP: {{ vars.heap }}
      WORKERS: {{ vars.workers }}
    volumes: [./files/app.conf:/etc/app.conf:ro]
    healthcheck: { test: [CMD, /app, healthcheck], interval: 5s }
YML
printf 'level = {{ vars.log_level }}\nside = {{ slot }}\n' >"$work/templates/app/files/app.conf.j2"

# time NAME COMMAND…: least and median of the runs, in ms.
time_of() {
  local name=$1 n t0
  shift
  for n in $(seq "$runs"); do
    t0=$(date +%s%N)
    "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
    echo $((($(date +%s%N) - t0) / 1000))
  done | sort -n | awk -v name="$name" '{t[NR] = $1} END {if (!NR) exit 1; printf "%-40s p50 %.1f ms, least %.1f ms\n", name, t[int((NR + 1) / 2)] / 1000, t[1] / 1000}'
}
cd "$work" || exit 1
rendered=$("$DEPLOY" render large app7@1.0.1 | grep -c '^ *APP_HOST:')
[ "$rendered" = 100 ] || { echo "app7 was rendered for $rendered hosts, not for 100" >&2; exit 1; }
time_of 'check --offline: 1,000 hosts, 20 apps' "$DEPLOY" check large --offline
time_of 'render of one app of 100 hosts' "$DEPLOY" render large app7@1.0.1
time_of '--help' "$DEPLOY" --help
