# config PROJECT [PATH SIZE]…: what compose itself says of these files, which come as data. They lie
# in a directory of their own meanwhile; nothing else is touched. Prints
#   dir PATH                where they lie
#   files failed            they could not be written
#   config RC, said LINE…   compose's answer
project=$1
shift
dir=$(mktemp -d "${TMPDIR:-/tmp}/deploy-check.XXXXXX") || { printf 'files failed\n'; end ok; }
printf 'dir %s\n' "$dir"
trap 'cd /; rm -rf -- "$dir"' EXIT
override=
while [ $# -gt 1 ]; do
	case $1 in */*) mkdir -p -- "$dir/${1%/*}" ;; esac
	take_data "$2" >"$dir/$1" || { printf 'files failed\n'; end ok; }
	[ "$1" != deploy.yml ] || override=1
	shift 2
done
cd "$dir" || { printf 'files failed\n'; end ok; }
set -- --ansi never -p "$project" --project-directory "$dir" -f docker-compose.yml
[ -z "$override" ] || set -- "$@" -f deploy.yml
said=$(dk_compose "$@" config -q 2>&1 </dev/null)
printf 'config %s\n' "$?"
printf '%s\n' "$said" | head -c 4000 | while IFS= read -r line; do
	[ -z "$line" ] || printf 'said %s\n' "$line"
done
end ok
