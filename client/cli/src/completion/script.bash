# Completes coffeectl in bash. 'coffeectl complete' lists the candidates.

_coffeectl() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} line
    [[ $program == */* ]] || program=coffeectl
    [[ $current == = ]] && current=
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :files) _coffeectl_paths -f ;;
            :folders) _coffeectl_paths -d ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <("$program" complete -- "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
}

_coffeectl_paths() {
    compopt -o filenames 2>/dev/null
    local path
    while IFS= read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "$1" -- "$current")
}

complete -F _coffeectl coffeectl
