#!/usr/bin/env python3
"""An example of programs for the `command` driver: a service registry that clients ask for instances.

    registry.py VERB URL      VERB: read, set, prepare, remove

An instance that is enabled gets requests. A switch enables the new slot's instances first and
disables the others then, so there is always somebody. The value that `deploy` gave is kept in the
service's metadata; what is answered is what the instances say. No registry knows how many requests
are open: there is no `drain` here, so the whole time of the drain is waited.

Its interface is that of the stand-in in tests/balancers/appliance.rs: yours differs, and `call` is where.
"""
import json
import sys
import urllib.error
import urllib.request

verb, url = sys.argv[1], sys.argv[2]
asked = json.load(sys.stdin)
service = "/service/%s.%s" % (asked["env"], asked["app"])


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def serving(value):
    """Addresses of the members that this value gives requests to."""
    return {
        "%s:%d" % (member["address"], member["port"])
        for slot, share in value["split"].items() if share > 0
        for member in value["groups"].get(slot, []) if member["state"] == "ready"
    }


def read():
    seen = call("GET", service)
    value = seen["metadata"].get("deploy")
    answer = {"running": value, "version": seen["version"], "instance": seen["instance"], "problems": seen["problems"]}
    if value is None:
        return answer
    enabled = {name for name, on in seen["instances"].items() if on}
    if enabled != serving(value):
        # Somebody did it by hand: say what is so.
        running = json.loads(json.dumps(value))
        running["split"] = {}
        for slot, members in running["groups"].items():
            here = [m for m in members if "%s:%d" % (m["address"], m["port"]) in enabled]
            if here:
                running["split"][slot] = 10000
                for member in members:
                    member["state"] = "ready" if member in here else "drain"
        answer["persisted"], answer["running"] = value, running
    return answer


def change():
    live = read()["running"]
    if live not in (asked["before"], asked["after"]):
        sys.exit(3)
    wanted = serving(asked["after"])
    known = call("GET", service)["instances"]
    call("PUT", service, {"host_header": asked["host_header"], "metadata": {"deploy": asked["after"]}})
    for name in sorted(wanted):
        call("PUT", "%s/%s" % (service, name), {"enabled": True})
    for name in sorted(set(known) - wanted):
        call("PUT", "%s/%s" % (service, name), {"enabled": False})


try:
    if verb == "read":
        print(json.dumps(read()))
    elif verb == "prepare":
        problems = read()["problems"]
        if problems:
            print("; ".join(problems), file=sys.stderr)
            sys.exit(4)
    elif verb == "set":
        change()
    elif verb == "remove":
        call("DELETE", service)
except urllib.error.HTTPError as error:
    # 4 says: the registry refused it, and nothing was done.
    print(error.read().decode(errors="replace"), file=sys.stderr)
    sys.exit(4)
except OSError as error:
    sys.exit(str(error))
