#!/usr/bin/env python3
"""What the gateway's machine shows of it: the firewall, stock `wg`, what is printed. Usage: machine.py CASE

world.py draws where it happens, lab.py says why nothing of a run can be left behind or meet another run.
"""

import base64
import json
import os
import random
import re
import sys
import time

from prometheus_client.parser import text_string_to_metric_families

from lab import LAB_DIR, alive, check, equal, run, wait_until
from product import BUILD_DIR, ENGINE, WgQuick, call, connect_client, random_key
from world import GATEWAY, GATEWAY_AT_SITE, HOME, SITE, World, answered_ping, loses_nothing, sees_page


# --- firewall ---

OTHERS = """
table inet others {
    set friends { type ipv4_addr; elements = { 192.0.2.44, 198.51.100.9 } }
    chain input { type filter hook input priority filter; policy accept; ip saddr @friends accept; }
    chain forward { type filter hook forward priority filter; policy accept; ct state invalid drop; }
}
table ip nat {
    chain POSTROUTING { type nat hook postrouting priority srcnat; ip daddr 10.77.0.99 masquerade; }
}
"""


class Ruleset:
    """The nftables of the gateway: ours, and others' that stood there before."""

    def __init__(self, node):
        self._node = node
        node.run("nft -f -", stdin=OTHERS)
        self._others = self._tables()
        self._others_text = self._text(self._others)

    def _tables(self):
        return self._node.run("nft list tables").splitlines()

    def _text(self, tables):
        return "".join(self._node.run(f"nft list {table}") for table in tables)

    def ours(self, when, count):
        """Asserts how many tables are ours, and that others' are as they were; gives the text of ours."""
        ours = [table for table in self._tables() if table not in self._others]
        equal(f"{count or 'no'} table of ours {when}", len(ours), count)
        equal(f"others' tables are as they were {when}", self._text(self._others), self._others_text)
        return self._text(ours)


def firewall():
    """Our rules stand once, go with a clean stop, and nobody else's change; NAT does what it says."""
    world = World(WG_INTERFACE="vpn-7")
    gateway = world.server
    ruleset = Ruleset(world.gateway)
    gateway.start()
    rules = ruleset.ours("after the start", 1)
    equal("no link is named in the rules but our own", [name for name in ("zephyr", "orbit") if name in rules], [])
    gateway.kill()
    gateway.start()
    equal("the rules are the same after kill -9 and a start", ruleset.ours("after kill -9 and a start", 1), rules)

    alice = connect_client(gateway, world.alice)
    sees_page(world.alice)
    equal("the site saw the gateway, not alice", world.visitors()[-1], GATEWAY_AT_SITE)
    loses_nothing(world.alice, "203.0.113.1")  # the Internet through the tunnel: it leaves by the other link
    gateway.stop()
    ruleset.ours("after a clean stop", 0)

    world.site.run(f"ip route add 192.168.2.0/24 via {GATEWAY_AT_SITE}")
    gateway.settings["NAT"] = "off"
    gateway.start()
    answered_ping(world.alice, SITE).stop()
    sees_page(world.alice)
    equal("the site saw alice's own address with NAT off", world.visitors()[-1], alice.address)
    gateway.stop()
    ruleset.ours("at the end", 0)


# --- uapi ---


def uapi():
    """Stock wg works on the running gateway and on vpn-engine, which ends as wireguard-go does."""
    world = World()
    world.server.start()
    alice = connect_client(world.server, world.alice)
    uapi_of_gateway(world.server, alice)
    metrics_of_gateway(world.server, alice)
    world.server.stop()
    uapi_of_engine(world.bob)
    for what, end in (("ip link del", lambda tunnel, pid: world.bob.run(f"ip link del {tunnel.interface}")),
                      ("removing the socket", lambda tunnel, pid: tunnel.socket().unlink()),
                      ("SIGTERM", lambda tunnel, pid: os.kill(pid, 15)),
                      ("wg-quick down", lambda tunnel, pid: tunnel.down())):
        engine_ends(world.bob, what, end)


def uapi_of_gateway(gateway, alice):
    loses_nothing(alice.node, SITE)
    shown = gateway.wg(f"show {gateway.interface}")
    for line in (f"interface: {gateway.interface}", "  listening port: 51820", f"peer: {alice.public_key}",
                 "  preshared key: (hidden)", f"  allowed ips: {alice.address}/32", "  persistent keepalive: every 25 seconds"):
        check(f"wg show says `{line.strip()}`", line in shown.splitlines())
    check("wg show knows handshake, endpoint and transfer", all(word in shown for word in ("latest handshake", HOME, "transfer")))
    conf = call(gateway, "GET", "/info/conf", 200)
    equal("GET /info/conf is what wg showconf prints", conf.strip(), gateway.wg(f"showconf {gateway.interface}").strip())

    ping = answered_ping(alice.node, SITE)
    file = LAB_DIR / "sync.conf"
    file.write_text(conf)
    gateway.wg(f"syncconf {gateway.interface} {file}")
    other = random_key()
    gateway.wg(f"set {gateway.interface} peer {other} allowed-ips 192.168.2.200/32 persistent-keepalive 7 endpoint 203.0.113.99:7")
    peer = gateway.peers()[other]
    equal("wg set adds a peer", (peer["allowed_ips"], peer["keepalive"], peer["endpoint"]),
          ("192.168.2.200/32", "7", "203.0.113.99:7"))
    gateway.wg(f"set {gateway.interface} peer {other} remove")
    equal("wg set removes it", list(gateway.peers()), [alice.public_key])
    ping.first_reply_after(time.time())
    sent, received = ping.stop()
    equal("alice lost nothing under syncconf and set", sent - received, 0)


def metrics_of_gateway(gateway, alice):
    """What /metrics says, read by Prometheus' own parser: what passed, and why a packet of ours was dropped."""
    loses_nothing(alice.node, SITE)
    families = {family.name: family for family in text_string_to_metric_families(call(gateway, "GET", "/metrics", 200))}
    for name in ("engine_udp_datagrams_received", "engine_tun_packets_read", "api_connections"):
        check(f"/metrics counts {name}", families[f"vpn_enabler_{name}"].samples[0].value > 0)
    clients = {sample.labels["state"]: sample.value for sample in families["vpn_enabler_clients"].samples}
    equal("/metrics counts the clients", clients, {"enabled": 1, "disabled": 0})
    check("/metrics names the reasons of drops",
          "no_peer" in {sample.labels["reason"] for sample in families["vpn_enabler_engine_drops"].samples})


def uapi_of_engine(node):
    """Everything that wg can set, it reads back."""
    node.run([ENGINE, "eng0"])
    keys = [random_key() for _ in range(3)]
    private, preshared = node.run("wg genkey").strip(), node.run("wg genpsk").strip()
    blocks = [f"[Interface]\nListenPort = 4242\nFwMark = 0x99\nPrivateKey = {private}\n",
              f"[Peer]\nPublicKey = {keys[0]}\nPresharedKey = {preshared}\nAllowedIPs = 10.1.0.0/16, fd00:1::/64\n"
              "Endpoint = 192.0.2.2:51820\nPersistentKeepalive = 25\n",
              f"[Peer]\nPublicKey = {keys[1]}\nAllowedIPs = 0.0.0.0/0\nEndpoint = [2001:db8:b::2]:51820\n",
              f"[Peer]\nPublicKey = {keys[2]}\n"]
    file = LAB_DIR / "set.conf"

    def parsed(text):  # peers, the lines of a peer and its allowed IPs are sets: their order says nothing
        return sorted(sorted(str(sorted(re.split("[ ,]+", line))) for line in block.splitlines())
                      for block in text.strip().split("\n\n"))

    file.write_text("\n".join(blocks))
    node.run(f"wg setconf eng0 {file}")
    equal("showconf gives back what setconf set", parsed(node.run("wg showconf eng0")), parsed("\n".join(blocks)))
    file.write_text("\n".join(blocks[:2]))
    node.run(f"wg syncconf eng0 {file}")
    equal("syncconf removes who is not named", node.run("wg show eng0 peers").split(), [keys[0]])
    node.run(f"wg set eng0 listen-port 4243 fwmark 0 peer {keys[0]} preshared-key /dev/null allowed-ips 10.9.0.0/24"
             " persistent-keepalive off")
    interface, peer = [line.split("\t") for line in node.run("wg show eng0 dump").splitlines()]
    equal("set changes the interface", interface[2:], ["4243", "off"])
    equal("set changes a peer", peer[:4] + peer[7:], [keys[0], "(none)", "192.0.2.2:51820", "10.9.0.0/24", "off"])
    second = node.run([ENGINE, "eng0"], ok=False)
    check("a second engine on the same interface is an error", second.returncode == 1 and second.stderr, second.stderr.strip())
    [pid] = node.pids("vpn-engine")
    os.kill(pid, 15)
    wait_until("the engine ends on SIGTERM", lambda: not alive(pid), 5)


def engine_ends(node, what, end):
    tunnel = WgQuick(node, f"[Interface]\nPrivateKey = {node.run('wg genkey')}Address = 10.5.0.1/24\n", ENGINE)
    tunnel.up()
    [pid] = node.pids("vpn-engine")
    end(tunnel, pid)
    wait_until(f"the engine ends on {what}", lambda: not alive(pid), 5)
    wait_until(f"the link is gone after {what}", lambda: tunnel.interface not in node.run("ip -brief link"), 5)
    check(f"the engine ends, with link and socket, on {what}", not tunnel.socket().exists())


# --- secrets ---


def secrets():
    """With LOG_LEVEL=debug nothing secret is printed or logged, in base64 or in hex."""
    private, token, wrong_token = random_key(), random.randbytes(24).hex(), random.randbytes(24).hex()
    malformed = random_key()[:-2] + "*="
    world = World(LOG_LEVEL="debug", WG_PRIVATE_KEY=private, API_ADDRESS="0.0.0.0", API_TOKEN=token)
    gateway = world.server
    gateway.start()
    alice = connect_client(gateway, world.alice)
    loses_nothing(world.alice, SITE)
    for bearer, expected in ((token, "400"), (wrong_token, "401")):
        got = world.internet.run(["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
                                  "--header", f"Authorization: Bearer {bearer}", "--json",
                                  json.dumps({"publicKey": random_key(), "presharedKey": malformed}), f"http://{GATEWAY}:3000/client"])
        equal(f"a malformed create from outside is answered {expected}", got, expected)
    key = {"publicKey": alice.public_key}
    call(gateway, "PUT", "/client/disable", 204, key)
    call(gateway, "PUT", "/client/enable", 204, key)
    answered_ping(world.alice, SITE).stop()
    gateway.kill()
    gateway.settings["LOG_FORMAT"] = "json"
    gateway.start()
    call(gateway, "GET", "/info", 200)
    call(gateway, "GET", "/info/conf", 200)
    call(gateway, "DELETE", "/client", 200, key)
    gateway.stop()
    refused = world.gateway.run([BUILD_DIR / "vpn-enabler", "serve"], {"WG_PRIVATE_KEY": malformed}, ok=False)
    equal("a bad private key ends with exit code 2", refused.returncode, 2)

    printed = refused.stdout + refused.stderr + "".join(log.read_text() for log in LAB_DIR.glob("*-vpn-enabler.log"))
    check("the gateway did log, as text and as JSON", " info " in printed and '"info"' in printed, f"{len(printed)} characters")
    for name, value in {"the gateway's private key": private, "the token": token, "a wrong token": wrong_token,
                        "alice's private key": alice.keys["private"], "alice's preshared key": alice.keys["preshared"],
                        "a malformed key": malformed}.items():
        equal(f"{name} is printed nowhere", [form for form in forms(value) if form in printed.lower()], [])


def forms(value):
    """The ways in which a secret could show, in lower case: as it is, base64 without padding, URL-safe, hexadecimal."""
    bare = value.rstrip("=")
    result = {bare, bare.replace("+", "-").replace("/", "_")}
    if re.fullmatch(r"[A-Za-z0-9+/]{43}=", value):
        result.add(base64.b64decode(value).hex())
    return {form.lower() for form in result}


CASES = {case.__name__: case for case in (firewall, uapi, secrets)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
