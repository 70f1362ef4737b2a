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
BEGIN {
	members = "-"
	want["." before] = 1
	wanted = split(fields, field, " ")
	for (i = 1; i <= wanted; i++) {
		at = index(field[i], "=")
		other[i] = substr(field[i], at + 1)
		field[i] = "." substr(field[i], 1, at - 1)
		if (field[i] ~ /\.\*$/) members = substr(field[i], 1, length(field[i]) - 2)
		want[field[i]] = 1
	}
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
	if (before != "") print "before " got["." before]
	print "c [" substr(row, 2) "]"
}
