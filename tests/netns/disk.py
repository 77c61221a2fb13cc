#!/usr/bin/env python3
"""A gateway whose disk is full. Usage: disk.py CASE

world.py draws where it happens; the state directory is a file system of 1 MiB.
"""

import contextlib
import subprocess
import sys
import time

from lab import LAB_DIR, Failure, check, equal, run, wait_until
from product import call, connect_client, random_key
from world import SITE, World, answered_ping, loses_nothing

PROBE_S = 2  # how often a failing store is asked again


def fill(directory):
    """Takes the last byte; what is to be deleted to have room again."""
    filler = directory / "filler"
    with open(filler, "ab", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return filler


def create_until_refused(gateway):
    """Creates clients; gives those that were acknowledged, and the refusal."""
    acknowledged = []
    while len(acknowledged) < 500:
        key = random_key()
        status, answer, headers = gateway.call("POST", "/client", {"publicKey": key}, with_headers=True)
        if status != 200:
            return acknowledged, (status, answer["message"], headers)
        acknowledged.append(key)
    raise Failure("500 creations on a full disk were acknowledged")


def refuses_and_says_so(gateway, seconds):
    """All this time a creation is refused, and /health says why, also when it has asked the store again."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        status, health = gateway.call("GET", "/health")
        if (status, health["store"], health["tunnel"]) != (503, "failing", "ok") or "clients.db" not in health["message"]:
            raise Failure(f"/health while creations are refused: {status} {health}")
        statuses = [gateway.call("POST", "/client", {"publicKey": random_key()})[0], gateway.call("GET", "/health/ready")[0]]
        if statuses != [503, 200]:
            raise Failure(f"a creation, and /health/ready: {statuses}")
        time.sleep(PROBE_S / 4)  # so that it asks by itself meanwhile, too
    check("/health says what a creation hears", True, f"{seconds} s")


def full():
    """Creations are refused and named, reads and tunnels go on; with room they work again, and nothing acknowledged is lost."""
    state = LAB_DIR / "small"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", state], check=True)
    world = World(STATE_DIR=state)
    gateway = world.server
    gateway.start()
    alice = connect_client(gateway, world.alice)
    ping = answered_ping(world.alice, SITE)
    stored = [alice.public_key]

    filler = fill(state)
    acknowledged, (status, message, headers) = create_until_refused(gateway)
    stored += acknowledged
    equal("a creation on a full disk", status, 503)
    check("the answer names the store", str(state / "clients.db") in message, message)
    check("and says when to come again", "Retry-After" in headers)
    refuses_and_says_so(gateway, 4 * PROBE_S)
    equal("removing a client, too, is refused", gateway.call("DELETE", "/client", {"publicKey": alice.public_key})[0], 503)
    equal("reads are answered", [client["publicKey"] for client in call(gateway, "GET", "/clients", 200)], stored)
    equal("the tunnel holds who is stored", set(gateway.peers()), set(stored))

    filler.unlink()
    wait_until("/health is well when there is room", lambda: gateway.call("GET", "/health")[0] == 200, 5 * PROBE_S)
    stored.append(random_key())
    call(gateway, "POST", "/client", 200, {"publicKey": stored[-1]})

    sent, received = ping.stop()
    equal(f"of {sent} packets through the tunnel meanwhile these were lost", sent - received, 0)
    gateway.kill()
    gateway.start()
    equal("who was acknowledged is there after a kill, and nobody else",
          [client["publicKey"] for client in call(gateway, "GET", "/clients", 200)], stored)
    ping = answered_ping(world.alice, SITE)
    ping.stop()
    loses_nothing(world.alice, SITE)
    gateway.stop()


CASES = {case.__name__: case for case in (full,)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
