# look MODE: what lies there, what Caddy does, what is wrong. One fact a line: a word, then its value.
mode=$1
command -v "$bin" >/dev/null 2>&1 || stop problem absent "$bin"
version=$("$bin" version 2>/dev/null)
version=${version%% *}
printf 'version %s\n' "${version#v}"
tell_files

# What Caddy's own check says, and whether our files are reached from its configuration.
facts=$(survey)
printf '%s\n' "$facts" | sed -n 's/^msg /why /p'
case $facts in "rc 0"*) ;; *) echo 'problem broken' ;; esac
imports() { # FILE: what it imports, whole paths
  awk '$1 == "import" { print $2 }' "$1" 2>/dev/null | while read -r pattern; do
    case $pattern in /*) printf '%s\n' "$pattern" ;; *) printf '%s/%s\n' "${1%/*}" "$pattern" ;; esac
  done
}
http= route=
patterns=$(imports "$conf")
set +f
for file in $patterns; do
  [ ! -f "$file" ] || patterns="$patterns
$(imports "$file")"
done
set -f
while IFS= read -r pattern; do
  case $dir/$entry.conf in $pattern) http=1 ;; esac
  case $here/route.inc in $pattern) route=1 ;; esac
done <<PATTERNS
$patterns
PATTERNS
[ -n "$http" ] || printf 'problem include %s\n' "$conf"
[ "$mode" = rendered ] || [ -n "$route" ] || printf 'problem route %s\n' "$conf"
if find_master; then
  printf 'instance %s\n' "$master"
else
  echo 'problem stopped'
fi
if pick_client; then
  heard "$(ask 1 "/.deploy/$entry/state")" tell_state
else
  echo 'problem client'
fi
echo looked
