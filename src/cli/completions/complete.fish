# Completion of `deploy` for fish: deploy completions fish | source
function __deploy_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] complete -- $words[2..-1] 2>/dev/null
end
complete -c deploy -a '(__deploy_complete)'
