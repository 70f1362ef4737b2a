# held: what the slots of the app were last given, and the layers of every image. Read-only.
# `file SLOT MODE PATH`, the content in base64, `.`; `large SLOT MODE PATH`; `layers [JSON]`; `arch WORD`.
# Secrets are left out, and so is release.json, which every look tells.
printf 'arch %s\n' "$(uname -m)"
dk_files() { # SLOT DIR
	find "$2" -type d -name secrets -prune -o -type f ! -name release.json -print | while IFS= read -r dk_f; do
		dk_mode=$(stat -c %a "$dk_f") && dk_size=$(stat -c %s "$dk_f") || continue
		if [ "$dk_size" -gt 262144 ]; then
			printf 'large %s %s %s\n' "$1" "$dk_mode" "${dk_f#"$2"/}"
		else
			printf 'file %s %s %s\n' "$1" "$dk_mode" "${dk_f#"$2"/}"
			base64 "$dk_f" && echo .
		fi
	done
}
if { cd "$STATE"; } 2>/dev/null; then
	for dk_slot in slots/*; do
		{ read -r dk_x dk_release dk_x <"$dk_slot"; } 2>/dev/null || continue
		dk_slot=${dk_slot#slots/}
		[ ! -d "releases/$dk_release/$dk_slot" ] || dk_files "$dk_slot" "releases/$dk_release/$dk_slot"
	done
	echo 'files ok'
fi
dk_ids=$(timeout 20 docker image ls -aq --no-trunc) || exit 0
dk_ids=$(printf '%s\n' "$dk_ids" | sort -u)
[ -z "$dk_ids" ] || timeout 20 docker image inspect --format 'layers {{json .RootFS.Layers}}' $dk_ids 2>/dev/null
exit 0
