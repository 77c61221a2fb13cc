#!/usr/bin/env python3
"""Every figure that is reported of the stores, in one run on one machine: creates, start, and from one replica to another.

usage: stores.py

Stores: SQLite; MongoDB standalone and as a replica set of one; Elasticsearch behind the LTSE's path (tests/servers/*.sh put the
servers into build/servers). Their data lie in a temporary directory of TMPDIR: choose a real disk. The program measured is in
VPN_BUILD_DIR (default build/release). Run nothing beside it.
"""

import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("VPN_BUILD_DIR", str(SOURCE_DIR / "build/release"))
sys.path.insert(0, str(SOURCE_DIR / "tests/netns"))
from figures import end, machine, resident_mb, row, section, start, wrk  # noqa: E402
from lab import Node, link, run, wait_until  # noqa: E402
from product import Client, Gateway, call  # noqa: E402
from servers import Elasticsearch, MongoDb  # noqa: E402

STORED_CLIENTS, HANDSHAKES = 100_000, 10
ADDRESS, ADDRESS_OF_B = "10.1.0.1", "10.1.0.2"


def stores(node, directory):
    """Name, the store, and what its creates over 1 and 32 connections and its start are to reach."""
    yield "SQLite", None, ("", "6,000/s", "2 s")
    yield "MongoDB, standalone", MongoDb(node, ADDRESS, 0, directory), ("620/s", "3,000/s", "5 s")
    yield "MongoDB, replica set of one", MongoDb(node, ADDRESS, 1, directory), ("620/s", "3,000/s", "5 s")
    yield "LTSE", Elasticsearch(node, ADDRESS, directory), ("250/s", "", "")


def creates(node, name, store, aims, directory):
    section(f"{name}: durable creates over HTTP, WG_SUBNET 10.0.0.1/8")
    settings = store.settings if store else {}
    gateway = Gateway(node, STATE_DIR=directory / "state", WG_SUBNET="10.0.0.1/8", SERVER_IP="203.0.113.2", **settings)
    row("start with an empty store (s)", f"{start(gateway):.3f}")
    stored, line = wrk(gateway, 1, 10)
    row("1 connection", line, aims[0])
    created, line = wrk(gateway, 32, 10)
    row("32 connections", line, aims[1])
    stored += created
    while stored < STORED_CLIENTS:
        stored += wrk(gateway, 64, 5)[0]
    end(gateway)
    row(f"start with {stored:,} clients (s)", f"{start(gateway):.3f}", aims[2])
    row("resident memory then (MB)", f"{resident_mb(gateway):.0f}")
    end(gateway)


def across(node, there, outside, store, directory):
    """From the answer to a create on replica A to a handshake that replica B has answered."""
    gateways = [Gateway(at, STATE_DIR=directory / f"state-{at.name}", API_SOCKET=f"/run/{at.name}/api.sock", SERVER_IP="203.0.113.2",
                        WG_SUBNET="10.0.0.1/8", **store.settings) for at in (node, there)]
    for gateway in gateways:
        gateway.start()
    taken = []
    for _ in range(HANDSHAKES):
        keys = call(gateways[0], "GET", "/keys", 200)
        answer = call(gateways[0], "POST", "/client", 200, {"publicKey": keys["public"], "presharedKey": keys["preshared"]})
        begun = time.monotonic()
        client = Client(outside, keys, answer)
        client.tunnel.up()
        wait_until("a handshake", client.tunnel.last_handshake, 30)
        taken.append(time.monotonic() - begun)
        client.tunnel.down()
    row("create on replica A to handshake with B (s)", f"median {statistics.median(taken):.2f}, longest {max(taken):.2f}, of {HANDSHAKES}; wg-quick up included")
    for gateway in gateways:
        end(gateway)


def main():
    node, there, outside = Node("machine"), Node("replica-b"), Node("outside")
    link(node, "to-b", [f"{ADDRESS}/24"], there, "to-a", [f"{ADDRESS_OF_B}/24"])
    link(there, "out", ["203.0.113.2/24"], outside, "wifi", ["203.0.113.10/24"])
    machine(node, [])
    with tempfile.TemporaryDirectory(prefix="vpn-stores-") as temporary:
        directory = pathlib.Path(temporary) / "of-a-store"
        for name, store, aims in stores(node, directory):
            directory.mkdir()
            if store:
                store.start()
            creates(node, name, store, aims, directory)
            if store:
                across(node, there, outside, store, directory)
                for member in store.members:
                    member.kill()
            shutil.rmtree(directory)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(__doc__)
        sys.exit(2)
    sys.exit(run(main))
