#compdef coffeectl
# Completes coffeectl in zsh. 'coffeectl complete' lists the candidates.

_coffeectl() {
    local program=$words[1] line word
    local -a candidates
    [[ $program == */* ]] || program=coffeectl
    for line in "${(@f)$("$program" complete -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        word=${${line%%$'\t'*}//:/\\:}
        case $line in
            (:files) _files ;;
            (:folders) _files -/ ;;
            (*$'\t'?*) candidates+=("$word:${line#*$'\t'}") ;;
            (?*) candidates+=("$word") ;;
        esac
    done
    (( $#candidates )) && _describe -t coffeectl coffeectl candidates
}

if [[ $funcstack[1] == _coffeectl ]]; then
    _coffeectl "$@"
else
    compdef _coffeectl coffeectl
fi
