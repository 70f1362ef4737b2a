# look FACTS-PARAMETERS…: read-only, without the lock.
show_record
echo facts
facts "$@" </dev/null
end ok rc=$?
