# shellcheck shell=bash
# The images of the fleet, each tagged with the content hash of what it is made of, so that nothing is made twice:
# deploy-fleet-base (Debian packages), deploy-fleet-host (plus image/), and the registry's content (app/).

HOST_PACKAGES=ca-certificates,docker.io,docker-cli,docker-compose,openssh-server,iptables,iproute2,curl,procps,sudo,busybox-static,nginx-light,haproxy,docker-registry,dnsmasq-base
HOST_SUITE=trixie

base_tag() { printf 'deploy-fleet-base:%s' "$(hash_of "$HOST_SUITE" "$HOST_PACKAGES")"; }
host_tag() { printf 'deploy-fleet-host:%s' "$(hash_of "$(base_tag)" "$FLEET_SRC"/image/*)"; }
has_image() { dk image inspect "$1" >/dev/null 2>&1; }

# Debian and all packages in one step, from the package mirror: no container registry is asked.
make_base() {
  local work t0; work=$(mktemp -d); t0=$(now_ms)
  command -v mmdebstrap >/dev/null || install_packages mmdebstrap
  say "making the base image with Debian $HOST_SUITE packages (once; about a minute)"
  as_root timeout 900 mmdebstrap --quiet --variant=minbase --mode=root --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --include="$HOST_PACKAGES" "$HOST_SUITE" "$work/base.tar" >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2; fail "mmdebstrap could not make the base image"; }
  dk import "$work/base.tar" "$(base_tag)" >/dev/null
  as_root rm -rf "$work"
  say "base image made in $(since "$t0")"
}

ensure_host_image() {
  has_image "$(host_tag)" && return
  has_image "$(base_tag)" || make_base
  say "building the host image"
  mkdir -p "$FLEET_STATE/log"
  DOCKER_BUILDKIT=0 dk build -q --network none --build-arg BASE="$(base_tag)" -t "$(host_tag)" "$FLEET_SRC/image" >"$FLEET_STATE/log/image" 2>&1 ||
    { tail -n 15 "$FLEET_STATE/log/image" >&2; fail "could not build the host image"; }
}

# Compiles a program of the fleet: std only, no cargo. Prints the path of the cached binary.
rust_program() { # folder [rustc flags…]
  local dir=$1; shift
  command -v rustc >/dev/null || fail "rustc is not on PATH: the fleet's programs are written in Rust"
  cached "$(basename "$dir")-$(hash_of "$dir"/*.rs "$(rustc -V)" "$*")" compile "$dir/main.rs" "$@"
}
compile() { # source flags… output
  local source=$1 output=${*: -1}; set -- "${@:2:$#-2}"
  say "compiling $(basename "$(dirname "$source")") of the fleet"
  rustc --edition 2024 -O -C strip=symbols --crate-name "fleet_$(basename "$(dirname "$source")")" "$@" -o "$output" "$source"
}
app_program()  { rust_program "$FLEET_SRC/app" -C target-feature=+crt-static -C panic=abort; }
load_program() { rust_program "$FLEET_SRC/load"; }

apps_hash() { hash_of "$FLEET_SRC"/app/* "$(rustc -V)"; }

# Builds every line of app/releases inside the registry host, whose Docker knows the registry, and keeps the registry's
# files: later fleets only unpack them.
build_registry() { # output tar
  local box work t0; box=$(box registry); work=$(mktemp -d); t0=$(now_ms)
  say "building the sample app's images (once per change of app/)"
  install -D -m 755 "$(app_program)" "$work/root/app"
  cp "$FLEET_SRC/app/Dockerfile" "$FLEET_SRC/app/releases" "$FLEET_SRC/app/build-releases" "$work/"
  dk exec "$box" rm -rf /tmp/app
  tar -C "$work" -c . | dk exec -i "$box" sh -c 'mkdir -p /tmp/app && tar -C /tmp/app -x'
  dk exec "$box" sh /tmp/app/build-releases "$REGISTRY" || fail "could not build the sample app's images"
  dk exec "$box" tar -C /var/lib/docker-registry -c . >"$1"
  rm -rf "$work"
  say "sample app's images built and pushed in $(since "$t0")"
}

push_apps() {
  local hash box tar; hash=$(apps_hash); box=$(box registry)
  [ "$(dk exec "$box" cat /var/lib/docker-registry/apps 2>/dev/null)" = "$hash" ] && return
  tar=$(cached "registry-$hash" build_registry) || fail "no app images"
  dk exec -i "$box" tar -C /var/lib/docker-registry -x <"$tar"
  printf %s "$hash" | dk exec -i "$box" sh -c 'cat >/var/lib/docker-registry/apps'
}
