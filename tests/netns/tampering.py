#!/usr/bin/env python3
"""What happens when other tools of the machine touch what is ours while the gateway serves. Usage: tampering.py CASE

    site ======= gateway ======= alice
      lan  zephyr      orbit   wifi

    site       10.77.0.10, which clients may reach; 10.78.0.10 on the same machine, which they may not
    gateway    10.77.0.1, 10.78.0.1 and 203.0.113.2; 192.168.2.1/24 in the VPN
    alice      203.0.113.10, stock wg-quick

The rules come back at once, for without them clients would reach everything; a peer comes back, too. What else was changed is told
by /health, which is 503 until it is as it was.
"""

import re
import sys
import time

from access import Counter, pings
from lab import Node, check, equal, link, run, wait_until
from product import Gateway, connect_client

SITE, FORBIDDEN = "10.77.0.10", "10.78.0.10"
FLOOD = """
import socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        out.sendto(b"let me in", (sys.argv[1], 4000))
    except OSError:
        pass  # the queue is full
"""


class World:
    """The drawing above, a gateway with the settings given, serving, and alice connected."""

    def __init__(self, **settings):
        self.site, self.gateway, self.alice = Node("site"), Node("gateway"), Node("alice")
        link(self.site, "lan", [f"{SITE}/24", f"{FORBIDDEN}/24"], self.gateway, "zephyr", ["10.77.0.1/24", "10.78.0.1/24"])
        link(self.gateway, "orbit", ["203.0.113.2/24"], self.alice, "wifi", ["203.0.113.10/24"])
        self.server = Gateway(self.gateway, SERVER_IP="203.0.113.2", PEER_ALLOWED_IPS="10.77.0.0/24", **settings)
        self.server.start()
        self.client = connect_client(self.server, self.alice)
        wait_until("alice reaches the site", lambda: pings(self.alice, SITE), 10)

    def log(self, pattern):
        return re.findall(f".*{pattern}.*", self.server.process.log.read_text())


def rules():
    """Rules that are flushed, deleted or changed stand again within a second, as they were; others' stay; the log says so once."""
    world = World()
    gateway = world.gateway
    gateway.run("nft -f -", stdin="table inet others { chain input { type filter hook input priority filter; }; }")
    table = gateway.run("nft list table inet vpn_enabler_wg0")
    world.alice.run("ip route add 10.78.0.0/24 dev to-alice")
    world.client.node.run(f"wg set to-alice peer {gateway.run('wg show wg0 public-key').strip()} allowed-ips 10.77.0.0/24,10.78.0.0/24")
    leaked = Counter(world.site, "udp dport 4000")
    world.alice.spawn([sys.executable, "-c", FLOOD, FORBIDDEN])

    def stands_again(what, command):
        gateway.run(command)
        begun = time.monotonic()
        wait_until(f"our table stands again after {what}",
                   lambda: gateway.run("nft list table inet vpn_enabler_wg0", ok=False).stdout == table, 10)
        check(f"our table stands again within 1 s of {what}", time.monotonic() - begun < 1, f"{time.monotonic() - begun:.3f} s")
        before = leaked.packets()
        refused = Counter(gateway, 'iifname "wg0" udp dport 4000')
        wait_until("the flood goes on", lambda: refused.packets() > 100, 20)
        gateway.run("nft delete table inet witness")
        equal(f"forbidden packets that arrived since it stands again after {what}", leaked.packets() - before, 0)

    stands_again("nft delete table", "nft delete table inet vpn_enabler_wg0")
    stands_again("nft flush chain", "nft flush chain inet vpn_enabler_wg0 from_clients")
    stands_again("a rule of another's in it", "nft insert rule inet vpn_enabler_wg0 from_clients accept")
    equal("others' table is there", gateway.run("nft list tables").splitlines(), ["table inet vpn_enabler_wg0", "table inet others"][::-1])
    stands_again("nft flush ruleset", "nft flush ruleset")
    wait_until("alice reaches the site, beside the flood", lambda: pings(world.alice, SITE), 20)
    equal("/health", world.server.call("GET", "/health")[0], 200)
    equal("lines of the log about it, within a minute", len(world.log("firewall rules")), 1)
    gateway.run("nft delete table inet vpn_enabler_wg0")
    world.server.stop()
    equal("tables after the stop", gateway.run("nft list tables"), "")


def told():
    """/health is 503, with the reason, while packets do not flow, and 200 again once they may; the log says both."""
    world = World()
    gateway, server = world.gateway, world.server

    def becomes(status, *words):
        def answer():
            code, body = server.call("GET", "/health")
            return body if code == status else None
        body = wait_until(f"/health is {status}", answer, 5)
        equal("the store is well", body["store"], "ok")
        for word in words:
            check(f"/health names {word}", word in body["message"], body["message"])

    for break_it, mend_it, words in (
            ("ip link set wg0 down", "ip link set wg0 up", ("wg0", "down")),
            ("ip addr flush dev wg0", "ip addr add 192.168.2.1/24 dev wg0", ("wg0", "192.168.2.1/24")),
            ("sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1", ("net.ipv4.ip_forward",))):
        gateway.run(break_it)
        becomes(503, *words)
        gateway.run(mend_it)
        becomes(200)
    wait_until("alice reaches the site again", lambda: pings(world.alice, SITE), 40)
    equal("lines of the log that packets do not pass, and pass again", (len(world.log("do not pass")), len(world.log("pass again"))), (3, 3))

    gateway.run("ip link set wg0 down")
    becomes(503, "down")
    thief = gateway.spawn([sys.executable, "-u", "-c", "import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                           "s.bind(('0.0.0.0', 51820))\nprint('mine')\ntime.sleep(1000)"])
    wait_until("another program has the port", lambda: thief.log.read_text() == "mine\n", 10)
    gateway.run("ip link set wg0 up")
    becomes(503, "51820")
    thief.kill()
    thief.wait()
    gateway.run("ip link set wg0 down")
    gateway.run("ip link set wg0 up")
    becomes(200)
    server.stop()


def peers():
    """A client's peer that `wg` took away or changed is as it was again, at once; a peer that `wg` added may stay."""
    world = World(TUNNEL="userspace")
    gateway, server, key = world.gateway, world.server, world.client.public_key
    allowed = server.peers()[key]["allowed_ips"]
    for change in ("remove", "allowed-ips 192.168.2.200/32"):
        gateway.run(f"wg set wg0 peer {key} {change}")
        wait_until(f"the client is as stored after {change}",
                   lambda: server.peers().get(key, {}).get("allowed_ips") == allowed, 5)
    wait_until("alice reaches the site", lambda: pings(world.alice, SITE), 40)
    server.stop()


CASES = {case.__name__: case for case in (rules, told, peers)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
