#!/usr/bin/env python3
"""An example of programs for the `command` driver: an appliance that is told over REST.

    appliance.py VERB URL      VERB: read, set, prepare, drain, remove

It gets the request of `deploy` as JSON on standard input and answers as docs/command.md says. URL is
the appliance's management address. Its interface here is that of the stand-in in
tests/balancers/appliance.rs: yours differs, and `call` is where.
"""
import json
import sys
import time
import urllib.error
import urllib.request

verb, url = sys.argv[1], sys.argv[2]
asked = json.load(sys.stdin)
entry = "%s.%s" % (asked["env"], asked["app"])


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def read():
    return call("GET", "/apps/" + entry)


def drain():
    end = time.monotonic() + asked["within"]
    zeros = 0
    while True:
        left = sum(call("GET", "/open/%d" % member["port"]) for member in asked["resting"])
        zeros = zeros + 1 if left == 0 else 0
        # One empty look may fall between two requests of one connection.
        idle = zeros > 1
        print(json.dumps({"open": left, "idle": idle}), flush=True)
        if idle or time.monotonic() >= end and left > 0:
            return
        time.sleep(0.05)


try:
    if verb == "read":
        print(json.dumps(read()))
    elif verb == "prepare":
        call("PUT", "/apps/" + entry + "?check", asked)
    elif verb == "set":
        live = read()["running"]
        if live not in (asked["before"], asked["after"]):
            # 3 says: somebody else changed it, and nothing was done.
            sys.exit(3)
        call("PUT", "/apps/" + entry, asked)
    elif verb == "drain":
        drain()
    elif verb == "remove":
        call("DELETE", "/apps/" + entry)
except urllib.error.HTTPError as error:
    # 4 says: the appliance refused it, and nothing was done.
    print(error.read().decode(errors="replace"), file=sys.stderr)
    sys.exit(4)
except OSError as error:
    sys.exit(str(error))
