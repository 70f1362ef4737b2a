# One line of JSON from the engine (a container, as GET /containers/ID/json gives it) to one row
# `c [value,…]`. The wanted values are named in `fields`, with spaces between: paths from the top,
# each with what stands for a value that is missing or null (`State.Health.Status="none"`). A path
# that ends in `*` is an object of which the members with these beginnings of names are kept, and
# one that ends in `{}` an object that is kept whole. The value named in `before` stands on a line
# of its own before the row. Everything else, the values of an environment
# above all, is left here and never sent.
#
# The engine writes compact JSON, and a quote inside of a string has a backslash before it: so a
# split at the quotes gives strings and what is between them.
#
# With `head`, three lines come before the rows; heads of answers and lists of containers are read
# as well then:
#   all|part|none N HERE VERSION   every container of the list has its one row; some have not; there was
#                             no list. N rows. `here`: each of `refs` is a name of the image that was
#                             told of in its turn; else `-`. Which engine it is (`-`: it does not say)
#   ids ID…                   of the list
#   names NAME…               of the rows
function value(v) {
	if (raw) return
	if (v != "null" && (path in want)) got[path] = v
	if (base[depth] == members && (index(key, "deploy.") == 1 || index(key, "com.docker.compose.") == 1))
		kept = kept ",\"" key "\":" v
}
function between(s,   j, c) {
	for (j = 1; j <= length(s); j++) {
		c = substr(s, j, 1)
		if (raw) whole = whole c
		if (c == "{" || c == "[") {
			if (c == "{" && (path "{}") in want) { raw = depth + 1; whole = c }
			depth++
			list[depth] = (c == "[")
			base[depth] = path
			if (list[depth]) path = path "[]"
			name = !list[depth]
		} else if (c == "}" || c == "]" || c == ",") {
			if (scalar != "") { value(scalar); scalar = "" }
			if (c == ",") { name = !list[depth]; continue }
			path = base[depth]
			depth--
			if (raw > depth) { raw = 0; got[path "{}"] = whole }
		} else if (c == ":") path = base[depth] "." key
		else scalar = scalar c
	}
}
function tell(s) {
	if (head) text_kept = text_kept s "\n"
	else print s
}
BEGIN {
	members = "-"
	want["." before] = want[".Id"] = want[".Name"] = 1
	wanted = split(fields, field, " ")
	asked = split(refs, ref, " ")
	for (i = 1; i <= wanted; i++) {
		at = index(field[i], "=")
		other[i] = substr(field[i], at + 1)
		field[i] = "." substr(field[i], 1, at - 1)
		if (field[i] ~ /\.\*$/) members = substr(field[i], 1, length(field[i]) - 2)
		want[field[i]] = 1
	}
}
/^[Ss]erver: Docker\// {
	version = substr($0, 16)
	sub(/[^0-9A-Za-z.+~_-].*/, "", version)
}
# A list that was cut off is none: what is left of it without its strings has to be balanced.
/^\[.*\]$/ {
	bare = $0
	gsub(/\\\\/, "", bare)
	gsub(/\\"/, "", bare)
	gsub(/"[^"]*"/, "", bare)
	if (gsub(/[[{]/, "", bare) != gsub(/[]}]/, "", bare) || bare ~ /"/) next
	list_seen = 1
	n = split($0, piece, "\"")
	for (i = 1; i + 2 <= n; i++) {
		if (piece[i] != "Id" || piece[i + 1] != ":") continue
		if (length(piece[i + 2]) != 64 || piece[i + 2] ~ /[^0-9a-f]/ || ("\"" piece[i + 2] "\"") in left) continue
		left["\"" piece[i + 2] "\""] = 1
		ids = ids " " piece[i + 2]
		open++
	}
}
/^\{"Id":"sha256:/ {
	images++
	if (images in ref && index($0, "\"" ref[images] "\"")) right++
	next
}
/^\{/ {
	split("", got)
	depth = raw = name = inside = 0
	path = scalar = kept = text = ""
	n = split($0, piece, "\"")
	for (i = 1; i <= n; i++) {
		if (!inside) { between(piece[i]); inside = 1; text = ""; continue }
		text = text piece[i]
		match(piece[i], /\\*$/)
		if (RLENGTH % 2) { text = text "\""; continue }
		inside = 0
		if (raw) whole = whole "\"" text "\""
		if (name) { key = text; name = 0 } else value("\"" text "\"")
	}
	row = ""
	for (i = 1; i <= wanted; i++) {
		if (field[i] ~ /\*$/) v = "{" substr(kept, 2) "}"
		else v = (field[i] in got) ? got[field[i]] : other[i]
		row = row "," v
	}
	# Half an answer is none.
	if (depth != 0) next
	if (before != "") tell("before " got["." before])
	tell("c [" substr(row, 2) "]")
	rows++
	if (left[got[".Id"]]) open--
	else strange = 1
	left[got[".Id"]] = 0
	if (got[".Name"] ~ /^"\/[A-Za-z0-9_.-]+"$/) names = names " " substr(got[".Name"], 3, length(got[".Name"]) - 3)
}
END {
	if (!head) exit
	here = asked && right == asked && images == asked ? "here" : "-"
	print list_seen ? (open || strange ? "part" : "all") : "none", rows + 0, here, version == "" ? "-" : version
	print "ids" ids
	print "names" names
	printf "%s", text_kept
}
