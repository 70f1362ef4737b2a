# setup DIR PROGRAM CONF: our folder, and the line in http {} that includes its files. Says a line for
# each thing: made, kept, or left for a person. Needs no function of ours: `deploy setup --print`
# shows it as it is.
nginx_dir=$1 nginx_bin=$2 nginx_conf=$3
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
umask 022
# Whether the includes of this configuration reach DIR/x.conf.
nginx_reaches() {
  "$nginx_bin" -c "$1" -T 2>/dev/null | awk -v "want=$nginx_dir/*.conf" -v "base=${1%/*}" '
    { sub(/#.*/, "") }
    /(^|[;{}[:blank:]])include[[:blank:]]/ {
      n = split($0, part, /[;{}]/)
      for (i = 1; i <= n; i++) {
        m = split(part[i], w, /[[:blank:]]+/)
        k = w[1] == "" ? 2 : 1
        if (w[k] != "include") continue
        v = w[k + 1]
        gsub(/["\047]/, "", v)
        if (v !~ /^\//) v = base "/" v
        if (v == want) found = 1
      }
    }
    END { exit !found }'
}
# The configuration with the line before the brace that closes http {}: above it the first server {}
# stays the default of its port. Comments and quotes are no braces. 1 = there is no http {}.
nginx_with_line() {
  awk -v "line=    include $nginx_dir/*.conf;" '
    {
      text = $0; out = ""; quote = ""
      for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (quote != "") {
          if (c == "\\") i++
          else if (c == quote) quote = ""
          continue
        }
        if (c == "#") break
        if (c == "\"" || c == "\047") { quote = c; continue }
        if (c == "{") { depth++; if (depth == 1 && word == "http") inside = 1; word = ""; continue }
        if (c == "}") {
          if (depth == 1 && inside && !done) {
            head = substr(text, 1, i - 1)
            if (head ~ /[^[:blank:]]/) print head
            print line
            text = substr(text, i); i = 1
            done = 1; inside = 0
          }
          depth--; word = ""; continue
        }
        if (c == ";") { word = ""; continue }
        if (c !~ /[[:blank:]]/) { if (fresh) word = ""; fresh = 0; word = word c }
        else if (word != "") fresh = 1
      }
      if (word != "") fresh = 1
      print text
    }
    END { exit !done }' "$1"
}
nginx_set_up() {
  if ! command -v "$nginx_bin" >/dev/null 2>&1; then
    printf 'left nginx: %s is not installed\n' "$nginx_bin"
    return
  fi
  [ "$nginx_conf" != - ] || nginx_conf=$("$nginx_bin" -V 2>&1 | sed -n 's/.*--conf-path=\([^ ]*\).*/\1/p')
  nginx_conf=$(readlink -f "${nginx_conf:-/etc/nginx/nginx.conf}")
  if [ -d "$nginx_dir" ]; then
    printf 'kept %s\n' "$nginx_dir"
  elif nginx_said=$(mkdir -p -m 755 "$nginx_dir" 2>&1); then
    printf 'made %s\n' "$nginx_dir"
  else
    printf 'left %s: %s\n' "$nginx_dir" "$nginx_said"
    return
  fi
  if ! nginx_said=$("$nginx_bin" -t -c "$nginx_conf" 2>&1); then
    printf 'left %s: nginx refuses it as it is: %s\n' "$nginx_conf" "$(printf '%s\n' "$nginx_said" | grep -m 1 -F '[emerg]')"
    return
  fi
  if nginx_reaches "$nginx_conf"; then
    printf 'kept %s: it includes %s/*.conf\n' "$nginx_conf" "$nginx_dir"
    return
  fi
  # Beside the file, for its includes may be relative. What stands in our folder meanwhile is good
  # within http {} only: so the check says that the line is in the right place.
  nginx_new=$nginx_conf.deploy-new nginx_probe=$nginx_dir/deploy-setup.conf
  nginx_why='the line could not be put in'
  if cp -p "$nginx_conf" "$nginx_new" && nginx_with_line "$nginx_conf" >"$nginx_new" &&
    printf 'upstream deploy_setup_probe { server 127.0.0.1:9; }\n' >"$nginx_probe"; then
    nginx_why=$("$nginx_bin" -t -c "$nginx_new" 2>&1) && nginx_reaches "$nginx_new" && nginx_why=
  fi
  rm -f "$nginx_probe"
  if [ -z "$nginx_why" ] && cp -p "$nginx_conf" "$nginx_conf.before-deploy" &&
    sync "$nginx_new" && mv -f "$nginx_new" "$nginx_conf"; then
    printf 'made the line `include %s/*.conf;` in %s; as it was: %s.before-deploy\n' "$nginx_dir" "$nginx_conf" "$nginx_conf"
  else
    rm -f "$nginx_new"
    printf 'left %s: write `include %s/*.conf;` into its http {} (%s)\n' "$nginx_conf" "$nginx_dir" "$(printf '%s\n' "$nginx_why" | head -n 1)"
  fi
}
nginx_set_up
