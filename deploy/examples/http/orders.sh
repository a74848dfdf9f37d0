#!/usr/bin/env bash
# One of each request, with curl. Node addresses, certificates and client:
#
#   COFFEE_HTTP="https://ming:7443" COFFEE_CERTS=certs COFFEE_AS=writer-till ./orders.sh
#
# Options for curl, such as --http1.1: CURL_OPTIONS.
set -euo pipefail

read -r node _ <<<"$COFFEE_HTTP"

# Prints the body of the response and its status.
request() {
    # shellcheck disable=SC2086
    curl -sS ${CURL_OPTIONS:-} --cacert "$COFFEE_CERTS/ca.crt" --cert "$COFFEE_CERTS/$COFFEE_AS.crt" \
        --key "$COFFEE_CERTS/$COFFEE_AS.key" --write-out '\n%{response_code}\n' "$@"
}

order=$node/v1/kv/order/1

# Create the order, unless it exists.
request "$order" -X PUT -d latte -H 'If-None-Match: *'
# Read its value, and keep its ETag, which is its revision in quotes.
head=$(mktemp)
request "$order" --dump-header "$head"
etag=$(tr -d '\r' <"$head" | sed -n 's/^etag: //Ip')
rm "$head"
# Change it, if no other client has changed it since it was read.
request "$order" -X PUT -d mocha -H "If-Match: $etag"
# The same again fails: 412, and nothing is changed.
request "$order" -X PUT -d tea -H "If-Match: $etag"
# List the orders with their values.
request "$node/v1/kv?prefix=order/&values=true"
# Count it.
request "$node/v1/incr/count/orders" -X POST
# Finish it, and note that, both or neither.
request "$node/v1/txn" -H 'Content-Type: application/json' -d '{
    "if": [{"key": "order/1", "value": "mocha"}],
    "then": [{"del": "order/1"}, {"set": "done/1", "value": "mocha"}],
    "else": [{"get": "order/1"}]
}'
