# Common to the bodies of the caddy driver: what `flags/lib.sh`, which stands before it, asks of it.
# `common.sh` names `conf` what is `CADDYFILE@HOST:PORT`, the latter where Caddy is administered.
called=Caddy
admin=${conf##*@} conf=${conf%@*}
include_line() { printf 'import %s\n' "$1"; }

# Descriptors 7-9 hold locks; a server process must not inherit them. Caddy wants a home for what it
# keeps; a mere check must not leave files in somebody's.
check_by() {
  HOME=${HOME:-/nonexistent} "$@" "$bin" validate --adapter caddyfile --config "$conf" 7>&- 8>&- 9>&-
}
conflict() { return 1; }

# complaints WORDS: what Caddy has against us, one line each: by its version a line of words or of its
# log. Others are said as they are.
complaints() {
  printf '%s\n' "$1" | sed -n -e 's/\\"/"/g' -e 's/^{"level":"error".*"msg":"\(.*\)"}$/caddy: \1/p' -e 's/^Error: /caddy: /p'
}
why() {
  why_words=$(complaints "$1")
  printf '%s\n' "${why_words:-$1}" | sed -e '/^$/d' -e 's/^/why /'
}
survey() {
  survey_said=$(check_by 2>&1)
  printf 'rc %s\n' "$?"
  complaints "$survey_said" | sed 's/^/msg /'
}

# admin_ask PATH: what Caddy's administration answers.
admin_ask() {
  if command -v curl >/dev/null 2>&1; then
    curl -q -fsS --noproxy '*' -m 2 "http://$admin$1" 2>/dev/null
  else
    pick_client && $client -q -O - -T 2 "http://$admin$1" 2>/dev/null
  fi
}
# find_master FACTS: since when the Caddy that is administered there runs, into master; 1 = it does
# not answer.
find_master() {
  master=$(admin_ask /metrics | sed -n 's/^process_start_time_seconds //p')
  [ -n "$master" ]
}

# reload FACTS: Caddy answers when the new configuration runs, or why it does not.
reload() {
  reload_said=$(HOME=${HOME:-/nonexistent} "$bin" reload --adapter caddyfile --config "$conf" --address "$admin" 2>&1 7>&- 8>&- 9>&-)
}
log_words() {
  # A port that is taken is found when others are open already: 2.6 leaves those answering.
  printf '%s; restart Caddy: it may answer with a part of what it did not take' "$(complaints "$reload_said" | tail -n 1)"
}

# entry_more: the addresses of this host, as Caddy's rules import them: the state is for them only.
entry_more() {
  [ -s "$here/here.addresses" ] && return
  put_text "$here/here.addresses" "remote_ip 127.0.0.0/8 ::1$(addresses)"
}
addresses() {
  awk '/\/32 host LOCAL/ && !seen[at]++ && at !~ /^127\./ { printf " %s", at } { at = $NF }' /proc/net/fib_trie 2>/dev/null
  awk '$1 !~ /^(0000000000000000|fe80)/ { out = ""; for (i = 1; i < 32; i += 4) out = out (i > 1 ? ":" : "") substr($1, i, 4); printf " %s", out }' /proc/net/if_inet6 2>/dev/null
}
