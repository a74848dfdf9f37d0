# Completes coffeectl in fish. 'coffeectl complete' lists the candidates.

function __coffeectl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    string match -q '*/*' -- "$program"; or set program coffeectl
    for line in (command $program complete -- $words "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':folders'
                __fish_complete_directories "$current"
            case '*'
                echo $line
        end
    end
end

complete -c coffeectl -f -a '(__coffeectl_complete)'
