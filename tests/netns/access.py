#!/usr/bin/env python3
"""What clients reach: PEER_ALLOWED_IPS, end to end. Usage: access.py CASE

    site ========+                 +======== alice 203.0.113.10
                 +==== gateway ====+
    archive =====+                 +======== bob   203.0.114.10

    site       10.77.0.10 and 2001:db8:77::10, a machine that clients may reach
    archive    10.77.1.10 and 2001:db8:78::10, one of the next subnet
    gateway    10.77.0.1, 10.77.1.1, 2001:db8:77::1 and 2001:db8:78::1; 192.168.2.1/24 in the VPN, with WG_SUBNET6 fd00:2::1/64, too
    alice, bob stock wg-quick; what they route into the tunnel is theirs to change, and alice does: everything

What is refused is refused by the gateway alone: every machine has a route back to every other, but where a test takes it away.
"""

import json
import re
import sys

from lab import LAB_DIR, Node, check, equal, link, run, wait_until
from product import Gateway, WgQuick

SITE, ARCHIVE = "10.77.0.10", "10.77.1.10"
GATEWAY_AT_SITE, GATEWAY_AT_ARCHIVE, GATEWAY_IN_VPN = "10.77.0.1", "10.77.1.1", "192.168.2.1"
SITE_V6, ARCHIVE_V6 = "2001:db8:77::10", "2001:db8:78::10"
GATEWAY_AT_SITE_V6, GATEWAY_AT_ARCHIVE_V6, GATEWAY_IN_VPN_V6 = "2001:db8:77::1", "2001:db8:78::1", "fd00:2::1"
SUBNET6 = f"{GATEWAY_IN_VPN_V6}/64"
EVERYTHING = "10.0.0.0/8, 192.168.0.0/16, 2001:db8:77::/64, 2001:db8:78::/64, fd00:2::/64"
TOKEN = "a-token-of-the-test-0123456789abcdef"
API_PORT, SERVICE_PORT = 3000, 80


class World:
    """The drawing above, a gateway with the settings given, serving, and alice and bob connected."""

    def __init__(self, **settings):
        for name in ("site", "archive", "gateway", "alice", "bob"):
            setattr(self, name, Node(name))
        link(self.gateway, "lan0", [f"{GATEWAY_AT_SITE}/24", f"{GATEWAY_AT_SITE_V6}/64"], self.site, "lan", [f"{SITE}/24", f"{SITE_V6}/64"])
        link(self.gateway, "lan1", [f"{GATEWAY_AT_ARCHIVE}/24", f"{GATEWAY_AT_ARCHIVE_V6}/64"],
             self.archive, "lan", [f"{ARCHIVE}/24", f"{ARCHIVE_V6}/64"])
        for name, net in (("alice", "203.0.113"), ("bob", "203.0.114")):
            link(self.gateway, name, [f"{net}.1/24"], getattr(self, name), "wifi", [f"{net}.10/24"])
        self.bob.run("ip route add 203.0.113.0/24 via 203.0.114.1")
        for node, router in ((self.site, GATEWAY_AT_SITE), (self.site, GATEWAY_AT_SITE_V6),
                             (self.archive, GATEWAY_AT_ARCHIVE), (self.archive, GATEWAY_AT_ARCHIVE_V6)):
            node.run(f"ip route add default via {router}")
        self._site_log = serve(self.site)
        for node in (self.archive, self.gateway, self.bob):
            serve(node)
        self.server = Gateway(self.gateway, SERVER_IP="203.0.113.1", **settings)
        self.server.start()
        self.alice_address, self.alice_v6 = self.connect(self.alice, "alice")
        self.bob_address, self.bob_v6 = self.connect(self.bob, "bob")

    def connect(self, node, name):
        """A client made on the command line, that routes the site and the VPN into its tunnel, whatever it was told. Its addresses;
        the IPv6 one is None where the VPN has no IPv6."""
        text = self.server.cli(f"client add {name}")
        text, changed = re.subn("^AllowedIPs.*", f"AllowedIPs = {EVERYTHING}", text, flags=re.MULTILINE)
        equal(f"lines of AllowedIPs in the file of {name}", changed, 1)
        WgQuick(node, text).up()
        wait_until(f"{name} is connected", lambda: pings(node, GATEWAY_IN_VPN), 10)
        return re.search("^Address = ([0-9.]+)/32(?:, ([0-9a-f:]+)/128)?$", text, re.MULTILINE).groups()

    def restart(self, **settings):
        """The gateway with other settings; alice is connected again. None: unset."""
        self.server.stop()
        self.server.settings = {name: value for name, value in {**self.server.settings, **settings}.items() if value is not None}
        self.server.start()
        wait_until("alice is back", lambda: pings(self.alice, GATEWAY_IN_VPN), 20)

    def visitors(self):
        """The addresses that the web server of the site saw."""
        return set(re.findall(r'^(\S+) - - .*"GET ', self._site_log.read_text(), re.MULTILINE))


class Counter:
    """Counts the packets of some kinds that arrive at a node."""

    def __init__(self, node, *kinds):
        self._node = node
        rules = "\n".join(f"{kind} counter name seen" for kind in kinds)
        node.run("nft -f -", stdin="table inet witness {\ncounter seen {}\nchain arriving {\n"
                                   f"type filter hook prerouting priority raw\n{rules}\n}}\n}}\n")

    def packets(self):
        return int(self._node.run("nft list counter inet witness seen").split("packets ")[1].split()[0])


def serve(node):
    """A web server at every address of the node. Its log."""
    server = node.spawn([sys.executable, "-u", "-m", "http.server", "--bind", "::", "--directory", LAB_DIR, str(SERVICE_PORT)])
    wait_until("the web server listens", lambda: node.run(f"ss -Hltn sport = {SERVICE_PORT}"), 10)
    return server.log


def pings(node, target, *options):
    return node.run(["ping", "-n", "-c", "1", "-W", "1", *options, target], ok=False).returncode == 0


def opens(node, target, port=SERVICE_PORT):
    """Whether a web server answers there."""
    host = f"[{target}]" if ":" in target else target
    return node.run(["curl", "--silent", "--output", "/dev/null", "--max-time", "2", f"http://{host}:{port}/"], ok=False).returncode == 0


def reaches(world, expected):
    """Asserts by ping and by TCP what alice reaches: {what: (address, whether ping is answered, whether TCP is)}."""
    for what, (address, ping, tcp) in expected.items():
        equal(f"alice pings {what}: {ping}", pings(world.alice, address), ping)
        equal(f"alice opens {what}: {tcp}", opens(world.alice, address), tcp)


def lan_only():
    """A subnet of the site is allowed: nothing else is reached; those who call a client are answered."""
    world = World(PEER_ALLOWED_IPS="10.77.0.0/24")
    reaches(world, {"the site": (SITE, True, True),
                    "the next subnet": (ARCHIVE, False, False),
                    "another client": (world.bob_address, False, False),
                    "the gateway in the VPN": (GATEWAY_IN_VPN, True, False),
                    "the gateway's address in the allowed subnet": (GATEWAY_AT_SITE, True, True),
                    "the gateway's other address": (GATEWAY_AT_ARCHIVE, False, False)})
    check("a machine that clients may not reach reaches one", opens(world.archive, world.bob_address))
    check("and pings it", pings(world.archive, world.bob_address))
    check("so does the gateway", opens(world.gateway, world.bob_address))
    world.server.stop()


def vpn_only():
    """Only the VPN's own subnet is allowed: clients reach each other and the gateway's services there, and no site."""
    world = World(PEER_ALLOWED_IPS="192.168.2.0/24")
    reaches(world, {"the site": (SITE, False, False),
                    "another client": (world.bob_address, True, True),
                    "the gateway in the VPN": (GATEWAY_IN_VPN, True, True),
                    "the gateway's address at the site": (GATEWAY_AT_SITE, False, False)})
    world.server.stop()


def everything():
    """The default: the site's networks, clients, the gateway; but no API."""
    world = World()
    reaches(world, {"the site": (SITE, True, True),
                    "the next subnet": (ARCHIVE, True, True),
                    "another client": (world.bob_address, True, True),
                    "the gateway in the VPN": (GATEWAY_IN_VPN, True, True),
                    "the gateway's address at the site": (GATEWAY_AT_SITE, True, True)})
    for address in (GATEWAY_IN_VPN, GATEWAY_AT_SITE):
        check(f"no API for alice at {address}", not opens(world.alice, address, API_PORT))
    world.server.stop()


def api():
    """The API on every address: clients find it where they reach the gateway, and need the token; with API_AUTH=off it is closed to them."""
    world = World(API_ADDRESS="0.0.0.0", API_TOKEN=TOKEN, PEER_ALLOWED_IPS="192.168.2.0/24")

    def status(*options):
        return world.alice.run(["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "5", *options,
                                f"http://{GATEWAY_IN_VPN}:{API_PORT}/clients"], ok=False).stdout
    equal("the API without the token", status(), "401")
    equal("the API with the token", status("--header", f"Authorization: Bearer {TOKEN}"), "200")
    check("no API where the gateway is not reached", not opens(world.alice, GATEWAY_AT_SITE, API_PORT))
    check("the site finds it", opens(world.site, GATEWAY_AT_SITE, API_PORT))
    world.restart(API_AUTH="off")
    check("no API without a token for clients", not opens(world.alice, GATEWAY_IN_VPN, API_PORT))
    check("but another service of the gateway", opens(world.alice, GATEWAY_IN_VPN))
    check("the site finds the API", opens(world.site, GATEWAY_AT_SITE, API_PORT))
    world.server.stop()


def spoofed():
    """A client's packets with an inner source that is not its own get nowhere: another client's, the site's, an IPv6 one."""
    world = World()
    world.gateway.run("sysctl -qw net.ipv6.conf.all.forwarding=1")
    spoofs(world, (world.bob_address, SITE), ("192.168.2.77", SITE), (ARCHIVE, SITE), ("fd00:2::99", SITE_V6))
    world.server.stop()


def spoofs(world, *spoofed):
    """Asserts that alice gets nowhere from a foreign source to a target, and from her own to the site."""
    seen = Counter(world.site, "icmp type echo-request", "icmpv6 type echo-request")
    for source, target in spoofed:
        world.alice.run(f"ip addr add {source}/{128 if ':' in source else 32} dev to-alice")
        check(f"nothing comes back from {target} to the source {source}", not pings(world.alice, target, "-I", source))
    equal("pings that the site saw", seen.packets(), 0)
    own, target = (world.alice_v6, SITE_V6) if world.alice_v6 else (world.alice_address, SITE)
    check(f"with her own address {own} alice is answered", pings(world.alice, target, "-I", own))
    equal("pings that the site saw then", seen.packets(), 1)


def ipv6():
    """A machine of the site that has IPv6 alone and no way to the VPN is reached through NAT, the next subnet is not; clients reach each other."""
    world = World(WG_SUBNET6=SUBNET6, PEER_ALLOWED_IPS="2001:db8:77::/64,fd00:2::/64")
    world.site.run("ip -4 addr flush dev lan")
    world.site.run("ip -6 route del default")
    reaches(world, {"the site": (SITE_V6, True, True),
                    "the next subnet": (ARCHIVE_V6, False, False),
                    "another client": (world.bob_v6, True, True),
                    "the gateway in the VPN": (GATEWAY_IN_VPN_V6, True, True),
                    "the gateway's address in the allowed subnet": (GATEWAY_AT_SITE_V6, True, True),
                    "the gateway's other address": (GATEWAY_AT_ARCHIVE_V6, False, False),
                    "the next subnet in IPv4": (ARCHIVE, False, False)})
    equal("the site's visitors", world.visitors(), {GATEWAY_AT_SITE_V6})
    check("no API for alice", not opens(world.alice, GATEWAY_IN_VPN_V6, API_PORT))
    check("a machine that clients may not reach reaches one", opens(world.archive, world.bob_v6))
    spoofs(world, (world.bob_v6, SITE_V6), ("fd00:2::99", SITE_V6), (ARCHIVE_V6, SITE_V6), (GATEWAY_IN_VPN_V6, SITE_V6))
    world.server.stop()


def ipv6_lan_only():
    """IPv6 in the VPN and prefixes of IPv4 alone: of IPv6, the gateway's ping is all that is left."""
    world = World(WG_SUBNET6=SUBNET6, PEER_ALLOWED_IPS="10.77.0.0/24")
    reaches(world, {"the site in IPv4": (SITE, True, True),
                    "the site": (SITE_V6, False, False),
                    "another client": (world.bob_v6, False, False),
                    "the gateway in the VPN": (GATEWAY_IN_VPN_V6, True, False),
                    "the gateway's address at the site": (GATEWAY_AT_SITE_V6, False, False)})
    world.server.stop()


def ipv6_without_nat():
    """NAT=off: the site sees the client's own IPv6 address, and routes it back."""
    world = World(WG_SUBNET6=SUBNET6, NAT="off")
    check("alice opens the site", opens(world.alice, SITE_V6))
    equal("the site's visitors", world.visitors(), {world.alice_v6})
    world.server.stop()


def ipv6_over_restarts():
    """WG_SUBNET6 set and taken back: clients of before have their address at once, keep it when the subnet grows, and lose it again."""
    world = World()
    check("no IPv6 in the VPN yet", world.alice_v6 is None)

    def address_of_alice():
        return json.loads(world.server.cli("client show alice --json"))[0].get("clientIP6")

    def has_both(when):
        check(f"alice opens the site in IPv6 {when}", opens(world.alice, SITE_V6))
        check(f"and in IPv4 {when}", opens(world.alice, SITE))
    world.restart(WG_SUBNET6=SUBNET6)
    address = address_of_alice()
    world.alice.run(f"ip addr add {address} dev to-alice")
    has_both("now")
    world.restart(WG_SUBNET="192.168.2.1/16")
    has_both("in a larger subnet")
    equal("her IPv6 address there", address_of_alice(), address)
    world.restart(WG_SUBNET6=None)
    equal("her IPv6 address at last", address_of_alice(), None)
    check("the site is not there in IPv6", not opens(world.alice, SITE_V6))
    check("nor is the gateway", not pings(world.alice, GATEWAY_IN_VPN_V6))
    check("the site is there in IPv4", opens(world.alice, SITE))
    world.server.stop()


FLOOD = """
import itertools, socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for target in itertools.cycle(sys.argv[1:]):
    try:
        out.sendto(b"let me in", (target, 4000))
    except OSError:
        pass  # the queue is full
"""


def never_open():
    """Starts, stops and kills under a flood of forbidden packets: none arrives."""
    world = World(PEER_ALLOWED_IPS="10.77.0.0/24")
    gateway = world.server
    arrived = [Counter(node, "udp dport 4000") for node in (world.archive, world.bob)]
    refused = Counter(world.gateway, f'iifname "{gateway.interface}" udp dport 4000')
    world.alice.spawn([sys.executable, "-c", FLOOD, ARCHIVE, world.bob_address])

    def closed(when):
        before = refused.packets()
        wait_until(f"the flood reaches the gateway {when}", lambda: refused.packets() > before + 1000, 20)
        equal(f"forbidden packets that arrived {when}", [counter.packets() for counter in arrived], [0, 0])

    closed("while it serves")
    for what, end, allowed in (("a clean stop", gateway.stop, "10.77.0.0/24,10.78.0.0/16"), ("kill -9", gateway.kill, "10.77.0.0/24")):
        end()
        gateway.settings["PEER_ALLOWED_IPS"] = allowed
        gateway.start()
        closed(f"over {what} and a start")
    gateway.stop()
    equal("forbidden packets that arrived over the last stop", [counter.packets() for counter in arrived], [0, 0])


CASES = {case.__name__: case for case in (lan_only, vpn_only, everything, api, spoofed, ipv6, ipv6_lan_only, ipv6_without_nat,
                                          ipv6_over_restarts, never_open)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
