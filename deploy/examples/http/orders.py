#!/usr/bin/env python3
"""One of each request, with `requests`. Node addresses, certificates and client:

    COFFEE_HTTP="https://ming:7443" COFFEE_CERTS=certs COFFEE_AS=writer-till ./orders.py
"""

import os

import requests

node = os.environ["COFFEE_HTTP"].split()[0]
certs, client = os.environ["COFFEE_CERTS"], os.environ["COFFEE_AS"]
session = requests.Session()
session.cert = (f"{certs}/{client}.crt", f"{certs}/{client}.key")


def request(method, path, **options):
    # With each request: REQUESTS_CA_BUNDLE, where it is set, overrides that of the session.
    response = session.request(method, node + path, verify=f"{certs}/ca.crt", timeout=15, **options)
    print(response.status_code, response.text.strip())
    return response


# Create the order, unless it exists.
request("PUT", "/v1/kv/order/1", data=b"latte", headers={"If-None-Match": "*"})
# Read its value, and its ETag, which is its revision in quotes.
etag = request("GET", "/v1/kv/order/1").headers["ETag"]
# Change it, if no other client has changed it since it was read.
request("PUT", "/v1/kv/order/1", data=b"mocha", headers={"If-Match": etag})
# The same again fails: 412, and nothing is changed.
request("PUT", "/v1/kv/order/1", data=b"tea", headers={"If-Match": etag})
# List the orders with their values.
request("GET", "/v1/kv", params={"prefix": "order/", "values": "true"})
# Count it.
request("POST", "/v1/incr/count/orders")
# Finish it, and note that, both or neither.
request("POST", "/v1/txn", json={
    "if": [{"key": "order/1", "value": "mocha"}],
    "then": [{"del": "order/1"}, {"set": "done/1", "value": "mocha"}],
    "else": [{"get": "order/1"}],
})
