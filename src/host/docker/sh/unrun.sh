# unrun NAME: the container of a command goes, where there still is one.
timeout 30 docker rm -f "$1" >/dev/null 2>&1
# The engine says the same of one that is not there and of one that it could not look for.
if dk_left=$(timeout 20 docker ps -aq --no-trunc --filter "name=^/$1\$" 2>/dev/null) && [ -z "$dk_left" ]; then
	end ok gone
fi
end ok left
