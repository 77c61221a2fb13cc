#!/usr/bin/env python3
"""Every figure that is reported of the gateway and its stores, in one run on one machine: creates, start, memory, idleness, and
from one replica to another.

usage: stores.py [STORE]

STORE begins the name of those to measure, all without it: SQLite; MongoDB standalone and as a replica set of one; LTSE, which is
Elasticsearch behind its path (tests/servers/*.sh put the servers into build/servers). Their data lie in a temporary directory of
TMPDIR: choose a real disk. The program measured is in VPN_BUILD_DIR (default build/release). Run nothing beside it.
"""

import os
import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import time

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("VPN_BUILD_DIR", str(SOURCE_DIR / "build/release"))
sys.path.insert(0, str(SOURCE_DIR / "tests/netns"))
import host  # noqa: E402
from lab import Failure, Node, link, run, wait_until  # noqa: E402
from product import BUILD_DIR, Client, Gateway, call, random_key  # noqa: E402
from servers import Elasticsearch, MongoDb  # noqa: E402

STORED_CLIENTS, HANDSHAKES = 100_000, 10
IDLE_PEERS, IDLE_SECONDS = 1_000, 30
WRK_SCRIPT = SOURCE_DIR / "bench/create-clients.lua"
ADDRESS, ADDRESS_OF_B = "10.1.0.1", "10.1.0.2"


def section(title):
    print(f"\n{title}", flush=True)


def row(name, value, target=""):
    print(f"  {name:36}{value}" + (f"   (to reach: {target})" if target else ""), flush=True)


def measured_on(node):
    section("Machine and versions")
    row("processor", host.processor())
    row("kernel", host.kernel())
    row("store's file system", node.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", tempfile.gettempdir()]).strip())
    row("vpn-enabler", host.first_line([BUILD_DIR / "vpn-enabler", "--version"]))
    row("wrk", host.first_line(["wrk", "--version"]))


def wrk(gateway, connections, seconds):
    """Creates clients for a while; gives how many, and wrk's line of results."""
    output = gateway.node.run(["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}", "--latency", "-s",
                               WRK_SCRIPT, "http://127.0.0.1:3000"], seconds=seconds + 30)
    line = next((line for line in output.splitlines() if line.startswith("created ")), None)
    if line is None or " refused 0 broken 0 " not in line:
        raise Failure(f"wrk: {line or output}")
    return int(line.split()[1]), line


def start(gateway):
    begun = time.monotonic()
    gateway.start()
    return time.monotonic() - begun


def resident_mb(gateway):
    status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", status).group(1)) / 1024


def idle(node, directory):
    section(f"Idle with {IDLE_PEERS:,} peers, {IDLE_SECONDS} s")
    gateway = Gateway(node, STATE_DIR=directory, WG_SUBNET="10.0.0.1/8", SERVER_IP="203.0.113.2")
    gateway.start()
    for _ in range(IDLE_PEERS):
        call(gateway, "POST", "/client", 200, {"publicKey": random_key()})
    row("processor time used (ms)", f"{gateway.cpu_ms_over(IDLE_SECONDS):.1f}", "none")
    row("resident memory (MB)", f"{resident_mb(gateway):.0f}")
    end(gateway)


def end(gateway):
    gateway.process.terminate()
    gateway.process.wait(30)


def stores(node, directory):
    """Name, the store, and what its creates over 1 and 32 connections and its start are to reach."""
    yield "SQLite", None, ("p99 under 2 ms", "6,000/s", "2 s")
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
    wanted = "".join(sys.argv[1:])
    node, there, outside = Node("machine"), Node("replica-b"), Node("outside")
    link(node, "to-b", [f"{ADDRESS}/24"], there, "to-a", [f"{ADDRESS_OF_B}/24"])
    link(there, "out", ["203.0.113.2/24"], outside, "wifi", ["203.0.113.10/24"])
    measured_on(node)
    with tempfile.TemporaryDirectory(prefix="vpn-stores-") as temporary:
        directory = pathlib.Path(temporary) / "of-a-store"
        for name, store, aims in stores(node, directory):
            if not name.startswith(wanted):
                continue
            directory.mkdir()
            if store:
                store.start()
            creates(node, name, store, aims, directory)
            if store:
                across(node, there, outside, store, directory)
                for member in store.members:
                    member.kill()
            shutil.rmtree(directory)
        if "SQLite".startswith(wanted):
            idle(node, directory)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(__doc__)
        sys.exit(2)
    sys.exit(run(main))
