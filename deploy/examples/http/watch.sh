#!/usr/bin/env bash
# Follows the changes of all keys with a prefix, with curl: prints a JSON document per revision.
#
#   COFFEE_HTTP="https://ming:7443 https://hong:7443" COFFEE_CERTS=certs COFFEE_AS=reader-board \
#       ./watch.sh order/ [REVISION]
#
# Where a node stops, it continues at the next one after the last revision that it knows: it misses no
# change and prints none twice. Options for curl, such as --http1.1: CURL_OPTIONS.
set -uo pipefail

prefix=$1 from=${2:-}

# A node says after 5 s of quiet how far it is: one that says nothing for longer is gone.
follow() {
    # shellcheck disable=SC2086
    curl -sSN --fail-with-body --connect-timeout 5 --speed-limit 1 --speed-time 15 ${CURL_OPTIONS:-} \
        --cacert "$COFFEE_CERTS/ca.crt" --cert "$COFFEE_CERTS/$COFFEE_AS.crt" --key "$COFFEE_CERTS/$COFFEE_AS.key" \
        -H 'Accept: application/jsonl' "$1/v1/watch?prefix=$prefix${from:+&from=$from}"
}

while true; do
    for node in $COFFEE_HTTP; do
        echo "watching $node${from:+ after $from}" >&2
        # `read` fails at a line that was cut off: it is sent again.
        while IFS= read -r line; do
            if [[ $line =~ \"revision\":([0-9]+),\"changes\":\[(\])? ]]; then
                from=${BASH_REMATCH[1]}
                [[ ${BASH_REMATCH[2]} ]] || printf '%s\n' "$line"
            else
                printf '%s: %s\n' "$node" "$line" >&2
                # The history does not reach back to the revision: read the present state first.
                [[ $line != *'"code":"compacted"'* ]] || exit 1
            fi
        done < <(follow "$node")
        sleep 0.2
    done
done
