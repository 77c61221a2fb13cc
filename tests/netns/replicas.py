#!/usr/bin/env python3
"""Create through any of several gateways, connect through any, kill any, delete through any (replicated.py). Usage: replicas.py CASE"""

import random
import sys
import threading
import time

from lab import Failure, Ping, check, equal, run, wait_until
from product import call, random_key
from replicated import DB, SITE, World, in_step, in_threads
from servers import Elasticsearch, MongoDb


def story(store, change_s):
    world = World(store, WG_SUBNET="10.8.0.1/16")
    world.start("a", "b", "c")
    keys = {gateway.wg("show wg0 public-key").strip() for gateway in world.running()}
    equal("the three are one server to a client", len(keys), 1)

    alice, bob = world.connect(world.alice), world.connect(world.bob)
    for node in (world.alice, world.bob):
        stream = Ping(node, SITE)
        check(f"{node.name} reaches the site", stream.first_reply_after(stream.begun, 15) < 15)
        stream.stop()
    replica_dies(world, alice)
    replica_dies(world, alice)
    for name, gateway in world.gateways.items():
        if not gateway.running():
            world.start(name)
    in_step(world, 10)
    replica_dies(world, bob)
    effective_everywhere(world, alice, change_s)
    one_key_at_both(world)
    thousand_creations(world)


def replica_dies(world, client):
    ping = Ping(client.node, SITE, interval=0.1)
    ping.first_reply_after(ping.begun, 15)
    name = world.server_of(client)
    killed = time.time()
    world.kill(name)
    back = ping.first_reply_after(killed + 0.2, 30) + 0.2
    ping.stop()
    check(f"{client.node.name} is back within 5 s through another when {name} is killed", back < 5, f"{back:.2f} s")


def effective_everywhere(world, client, change_s):
    """A change through one replica is in the tunnels of the others in time."""
    names = [name for name, gateway in world.gateways.items() if gateway.running()]
    through = world.gateways[random.choice(names)]

    def takes(what, condition):
        begun = time.monotonic()
        for gateway in world.running():
            wait_until(what, lambda gateway=gateway: condition(client.public_key in gateway.peers()), 30)
        check(f"{what} within {change_s} s", time.monotonic() - begun < change_s, f"{time.monotonic() - begun:.2f} s")

    call(through, "PUT", "/client/disable", 204, {"publicKey": client.public_key})
    takes("a client disabled through one is gone from all tunnels", lambda there: not there)
    call(through, "PUT", "/client/enable", 204, {"publicKey": client.public_key})
    takes("a client enabled through one is in all tunnels", lambda there: there)
    ping = Ping(client.node, SITE)
    ping.first_reply_after(ping.begun, 20)
    call(through, "DELETE", "/client", 200, {"publicKey": client.public_key})
    deleted = time.time()
    silent = ping.silence_after(deleted)
    ping.stop()
    check(f"a client deleted through one reaches nothing within {change_s} s", silent < change_s, f"{silent:.2f} s")
    takes("a client deleted through one is gone from all tunnels", lambda there: not there)


def at_once(*calls):
    """The statuses of calls that begin together."""
    statuses, barrier = [], threading.Barrier(len(calls))

    def one(gateway, method, path, body):
        barrier.wait()
        statuses.append(gateway.call(method, path, body)[0])
    in_threads(one, calls)
    return sorted(statuses)


def one_key_at_both(world):
    first, second = world.running()[:2]
    for _ in range(20):
        body = {"publicKey": random_key()}
        statuses = at_once((first, "POST", "/client", body), (second, "POST", "/client", body))
        if statuses != [200, 409]:
            raise Failure(f"one key posted to two replicas at once: {statuses}")
    check("one key posted to two replicas at once: one 200 and one 409, twenty times", True)


def thousand_creations(world):
    statuses = []

    def stream(gateway):
        for _ in range(250):
            statuses.append(gateway.call("POST", "/client", {"publicKey": random_key()})[0])
    in_threads(stream, [(gateway,) for gateway in world.running()[:2] for _ in range(2)])
    equal("a thousand creations over two replicas at once", statuses, [200] * 1000)
    clients = in_step(world, 10)
    addresses = [address for address, _ in clients.values()]
    equal("no address twice", len(addresses), len(set(addresses)))


CASES = {
    "mongodb": lambda: story(lambda node: MongoDb(node, DB, members=3), 1),
    "mongodb_alone": lambda: story(lambda node: MongoDb(node, DB, members=0), 3),
    "ltse": lambda: story(lambda node: Elasticsearch(node, DB), 3),
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(f"usage: {sys.argv[0]} {'|'.join(CASES)}")
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
