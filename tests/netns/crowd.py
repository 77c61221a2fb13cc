#!/usr/bin/env python3
"""Many clients, and a gateway that is killed under them. Usage: crowd.py CASE

world.py draws where it happens, lab.py says why nothing of a run can be left behind or meet another run.
"""

import json
import random
import sys
import threading

from lab import Failure, check, equal, run, wait_until
from product import call, random_key
from world import World


def fill():
    """253 clients fill a /24 and cost nothing; the next is told so; a freed address is given again."""
    world = World()
    gateway = world.server
    gateway.start()
    keys = [random_key() for _ in range(253)]
    addresses = [call(gateway, "POST", "/client", 200, {"publicKey": key})["clientIP"] for key in keys]
    equal("253 clients have the addresses .2 to .254, lowest first", addresses, [f"192.168.2.{i}/32" for i in range(2, 255)])
    refusal = call(gateway, "POST", "/client", 507, {"publicKey": random_key()})
    check("the 254th is refused, with how many the subnet holds", "253" in refusal["message"], refusal["message"])
    equal("each client is a peer with its address", gateway.peer_addresses(), dict(zip(keys, addresses)))
    used = gateway.cpu_ms_over(2)
    check("253 idle clients cost no processor time", used < 20, f"{used:.1f} ms in 2 s")
    call(gateway, "DELETE", "/client", 200, {"publicKey": keys[100]})
    answer = call(gateway, "POST", "/client", 200, {"publicKey": random_key()})
    equal("a freed address is given again", answer["clientIP"], addresses[100])
    gateway.stop()


class Creators:
    """A stream of creates from a few threads, and what was acknowledged: (public key, address)."""

    def __init__(self, gateway, threads=4):
        self.gateway, self.acknowledged, self.refused = gateway, [], []
        self.serving, self._stopping = threading.Event(), False
        self._threads = [threading.Thread(target=self._create) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _create(self):
        while self.serving.wait() and not self._stopping:
            key = random_key()
            try:
                status, answer = self.gateway.call("POST", "/client", {"publicKey": key})
            except OSError:
                continue  # killed under the request: it may be stored or not
            if status == 200:
                self.acknowledged.append((key, answer["clientIP"]))
            else:
                self.refused.append((status, answer))

    def stop(self):
        self._stopping = True
        self.serving.set()
        for thread in self._threads:
            thread.join()


def crash():
    """kill -9 a hundred times under a stream of creates: every acknowledged client is there, none twice."""
    gateway = World(WG_SUBNET="10.66.0.1/16").server
    creators = Creators(gateway)
    try:
        for _ in range(100):
            gateway.start()
            goal = len(creators.acknowledged) + random.randint(1, 40)
            creators.serving.set()
            wait_until("creates are acknowledged", lambda: len(creators.acknowledged) >= goal or creators.refused, 20)
            gateway.kill()
            creators.serving.clear()
            if creators.refused:
                raise Failure(f"a create was refused: {creators.refused[0]}")
    finally:
        creators.stop()
    gateway.start()
    acknowledged = creators.acknowledged
    stored = [(client["publicKey"], client["clientIP"]) for client in json.loads(gateway.cli("client list --json"))]
    check("every acknowledged client is there, with its address", set(acknowledged) <= set(stored),
          f"{len(acknowledged)} acknowledged, {len(stored)} stored")
    equal("no key is stored twice", len({key for key, _ in stored}), len(stored))
    equal("no address is given twice", len({address for _, address in stored}), len(stored))
    equal("the tunnel holds what the store holds", gateway.peer_addresses(), dict(stored))
    gateway.stop()


CASES = {case.__name__: case for case in (fill, crash)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
