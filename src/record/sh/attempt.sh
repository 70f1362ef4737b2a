# attempt ENTRY: an attempt that changed nothing (refused, or all was as wanted): one line for the
# history. Without the lock, which a step may hold for minutes: a line is appended in one write.
# Begins with a newline, so that what a power cut left at the end stands alone. Best effort.
{ cd "$dir"; } 2>/dev/null || end none
# Bounded: one older file is kept. Whoever appends meanwhile writes into that one.
if [ -f attempts ] && [ "$(wc -c <attempts)" -gt 200000 ]; then
  mv -f attempts attempts.old
fi 2>/dev/null
{ printf '\n%s\n' "$1" >>attempts; } 2>/dev/null || end error write
end ok
