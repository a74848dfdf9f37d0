#!/usr/bin/env python3
"""Follows the changes of all keys with a prefix: prints a JSON document per revision.

    COFFEE_HTTP="https://ming:7443 https://hong:7443" COFFEE_CERTS=certs COFFEE_AS=reader-board \
        ./watch.py order/ [REVISION]

Needs the standard library only. Where a node stops, it continues at the next one after the last event that it
received (Last-Event-ID): it misses no change and prints none twice.
"""

import http.client
import itertools
import os
import ssl
import sys
import time
from urllib.parse import quote, urlsplit

# A node says after 5 s of quiet how far it is: one that says nothing for longer is gone.
SILENCE_S = 15


def events(lines):
    """Yields (type, id, data) per event (WHATWG HTML, section 9.2.6). One that was cut off is left out."""
    kind, last, data = "message", None, []
    for line in lines:
        name, _, value = line.decode().rstrip("\n").partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            last = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "":
            yield kind, last, "\n".join(data)
            kind, data = "message", []


def follow(node, tls, prefix, last):
    """Prints changes until the node stops. Returns the id of the last event."""
    connection = http.client.HTTPSConnection(urlsplit(node).netloc, context=tls, timeout=SILENCE_S)
    try:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        connection.request("GET", f"/v1/watch?prefix={quote(prefix)}", headers=headers)
        response = connection.getresponse()
        if response.status == 410:
            sys.exit("the history does not reach back to this revision: read the present state first")
        if response.status != 200:
            raise http.client.HTTPException(response.read().decode().strip())
        for kind, id, data in events(response):
            if kind == "failed":
                raise http.client.HTTPException(data)
            if data:
                print(data, flush=True)
            # After it was printed.
            last = id or last
    except (OSError, http.client.HTTPException) as error:
        print(f"{node}: {error}", file=sys.stderr)
    finally:
        connection.close()
    return last


def main():
    certs, client = os.environ["COFFEE_CERTS"], os.environ["COFFEE_AS"]
    tls = ssl.create_default_context(cafile=f"{certs}/ca.crt")
    tls.load_cert_chain(f"{certs}/{client}.crt", f"{certs}/{client}.key")
    prefix, last = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    for node in itertools.cycle(os.environ["COFFEE_HTTP"].split()):
        print(f"watching {node}" + (f" after {last}" if last else ""), file=sys.stderr, flush=True)
        last = follow(node, tls, prefix, last)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
