#!/usr/bin/env python3
"""The story of the product, played by real programs on a small Internet of network namespaces. Usage: story.py CASE

    site ======= gateway ======= internet ======= home ======= alice
      lan  zephyr      orbit             \\\\       NAT     wifi   || phone
                                          ======= cafe =========++
                                                  NAT  ======= bob
                                                          wifi
    site       10.77.0.10                   a web server, that knows the VPN not and has no route to anything else
    gateway    10.77.0.1 to the site, 203.0.113.2 and 2001:db8:a::2 to the Internet; 192.168.2.1/24 in the VPN.
               `vpn-enabler serve`, the program under test, from VPN_BUILD_DIR (default build/check)
    home       198.51.100.2                 a router that translates IPv4 addresses and routes IPv6 (2001:db8:b1::/64)
    cafe       192.0.2.2                    another, IPv4 only
    alice      192.168.100.10 and 2001:db8:b1::10 at home, 10.11.0.10 in the cafe
    bob        10.12.0.10 in the cafe       alice and bob: stock wg-quick over Debian's wireguard-go, or over our vpn-engine

lab.py says why nothing of a run can be left behind or meet another run. A link has a name only here: the program knows none.
"""

import base64
import json
import os
import random
import re
import sys
import threading
import time

from lab import LAB_DIR, Failure, Node, Ping, alive, check, equal, link, run, wait_until
from product import BUILD_DIR, ENGINE, STOCK, Client, Gateway, WgQuick, call, connect_client, random_key

SITE, GATEWAY_AT_SITE = "10.77.0.10", "10.77.0.1"
GATEWAY, GATEWAY_V6 = "203.0.113.2", "2001:db8:a::2"
HOME, CAFE = "198.51.100.2", "192.0.2.2"
PAGE = "the page of the site\n"


class World:
    """The drawing above, and a gateway with the settings given, serving."""

    def __init__(self, **settings):
        for name in ("site", "gateway", "internet", "home", "cafe", "alice", "bob"):
            setattr(self, name, Node(name))
        self._cables()
        self._routes()
        self._web_log = self._serve_page()
        self.server = Gateway(self.gateway, **settings)

    def _cables(self):
        link(self.site, "lan", [f"{SITE}/24"], self.gateway, "zephyr", [f"{GATEWAY_AT_SITE}/24"])
        link(self.gateway, "orbit", [f"{GATEWAY}/24", f"{GATEWAY_V6}/64"],
             self.internet, "backbone", ["203.0.113.1/24", "2001:db8:a::1/64"])
        link(self.internet, "tohome", ["198.51.100.1/24", "2001:db8:b::1/64"],
             self.home, "wan", [f"{HOME}/24", "2001:db8:b::2/64"])
        link(self.internet, "tocafe", ["192.0.2.1/24"], self.cafe, "wan", [f"{CAFE}/24"])
        link(self.home, "lan", ["192.168.100.1/24", "2001:db8:b1::1/64"],
             self.alice, "wifi", ["192.168.100.10/24", "2001:db8:b1::10/64"])
        link(self.cafe, "cell", ["10.11.0.1/24"], self.alice, "phone", ["10.11.0.10/24"])
        link(self.cafe, "lan", ["10.12.0.1/24"], self.bob, "wifi", ["10.12.0.10/24"])

    def _routes(self):
        for node, routers in ((self.gateway, ("203.0.113.1", "2001:db8:a::1")), (self.home, ("198.51.100.1", "2001:db8:b::1")),
                              (self.cafe, ("192.0.2.1",)), (self.alice, ("192.168.100.1", "2001:db8:b1::1")),
                              (self.bob, ("10.12.0.1",))):
            for router in routers:
                node.run(f"ip route add default via {router}")
        self.internet.run("ip route add 2001:db8:b1::/64 via 2001:db8:b::2")
        for node in (self.internet, self.home, self.cafe):
            node.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for node in (self.home, self.cafe):
            node.run("nft -f -", stdin="table ip nat { chain out { type nat hook postrouting priority srcnat;"
                                       " oifname wan masquerade; }; }")

    def _serve_page(self):
        folder = LAB_DIR / "page"
        folder.mkdir()
        (folder / "index.html").write_text(PAGE)
        server = self.site.spawn([sys.executable, "-u", "-m", "http.server", "--bind", SITE, "--directory", folder, "80"])
        wait_until("the web server listens", lambda: self.site.run("ss -Hltn sport = 80"), 10)
        return server.log

    def visitors(self):
        """The addresses that the web server saw, in order."""
        return re.findall(r'^(\S+) - - .*"GET ', self._web_log.read_text(), re.MULTILINE)


def loses_nothing(node, target, count=10):
    report = node.run(f"ping -n -c {count} -i 0.2 -W 2 {target}", ok=False).stdout
    summary = next((line for line in report.splitlines() if "transmitted" in line), "nothing")
    check(f"{count} packets {node.name} -> {target}, none lost", summary.startswith(f"{count} packets transmitted, {count} received"),
          summary)


def sees_page(node):
    equal(f"{node.name} sees the web page of the site", node.page(f"http://{SITE}/"), PAGE)


def answered_ping(node, target):
    """A stream of echo requests that is being answered."""
    ping = Ping(node, target)
    ping.first_reply_after(ping.begun)
    return ping


# --- story, engine_client ---


def story(program=STOCK):
    """A client is made with two curl calls, reaches the site, is disabled, enabled, deleted."""
    world = World()
    gateway = world.server
    gateway.start()
    alice = first_client(gateway, world.alice, program)
    alice.tunnel.up()
    loses_nothing(world.alice, SITE)
    sees_page(world.alice)

    bob, bob_address = client_of_command_line(gateway, world.bob, program)
    bob.up()
    loses_nothing(world.bob, SITE)
    loses_nothing(world.alice, bob_address)
    loses_nothing(world.bob, alice.address)
    switches(gateway, world, alice)
    for tunnel in (alice.tunnel, bob):
        tunnel.down()
    gateway.stop()


def engine_client():
    """The same story with our own engine under wg-quick at the clients."""
    story(ENGINE)


def curl(node, *words):
    return json.loads(node.run(["curl", "--silent", "--show-error", "--location", *words]))


def first_client(gateway, node, program):
    """The two calls of the documentation, as written there."""
    keys = curl(gateway.node, "--request", "GET", "http://127.0.0.1:3000/keys")
    equal("GET /keys: the names, in order", list(keys), ["public", "private", "preshared"])
    equal("the public key belongs to the private one", node.run("wg pubkey", stdin=keys["private"]).strip(), keys["public"])
    equal("the preshared key is 32 bytes", len(base64.b64decode(keys["preshared"], validate=True)), 32)
    answer = curl(gateway.node, "--request", "POST", "127.0.0.1:3000/client", "--header", "Content-Type: application/json",
                  "--data-raw", f'{{"publicKey": "{keys["public"]}", "presharedKey": "{keys["preshared"]}"}}')
    server_key = gateway.wg(f"show {gateway.interface} public-key").strip()
    expected = {"serverPublicKey": server_key, "serverIP": GATEWAY, "serverPort": 51820, "clientIP": "192.168.2.2/32",
                "allowedIPs": "0.0.0.0/0,::/0", "message": "Peer added successfully"}
    equal("POST /client: names and values, in order", list(answer.items()), list(expected.items()))
    return Client(node, keys, answer, program)


def client_of_command_line(gateway, node, program):
    """A client made on the command line: what it prints is a whole file for wg-quick. Gives its tunnel and its address."""
    text = gateway.cli("client add bob")
    address = re.search(r"^Address *= *([0-9.]+)/32$", text, re.MULTILINE).group(1)
    rows = [line for line in gateway.cli("client list").splitlines() if "bob" in line]
    check("client list shows bob and his address", len(rows) == 1 and address in rows[0], rows)
    again = gateway.cli("client add bob", ok=False)
    equal("a second bob is refused: exit code", again.returncode, 1)
    check("a second bob is refused: the error says why", "bob" in again.stderr and not again.stdout, again.stderr.strip())
    return WgQuick(node, text, program), address


def switches(gateway, world, alice):
    """Disable, enable and delete act within a second, and only on the one client."""
    key = {"publicKey": alice.public_key}
    bystander = answered_ping(world.bob, SITE)
    ping = answered_ping(world.alice, SITE)

    def act(method, path, status):
        begun = time.time()
        call(gateway, method, path, status, key)
        return begun

    for turn in ("first", "second"):
        silence = ping.silence_after(act("PUT", "/client/disable", 204))
        check(f"disable acts within 1 s, {turn} time", silence < 1, f"{silence:.3f} s")
        answered = ping.first_reply_after(act("PUT", "/client/enable", 204))
        check(f"enable acts within 1 s, {turn} time", answered < 1, f"{answered:.3f} s")
    silence = ping.silence_after(act("DELETE", "/client", 200))
    check("delete acts within 1 s", silence < 1, f"{silence:.3f} s")
    equal("a deleted client is unknown", gateway.call("PUT", "/client/enable", key)[0], 404)
    ping.stop()
    sent, received = bystander.stop()
    equal("bob lost nothing meanwhile", sent - received, 0)


# --- roaming, ipv6 ---


def roaming():
    """A client moves between networks, another gets a new address on its link, each under a running ping."""
    world = World()
    gateway = world.server
    gateway.start()
    # wireguard-go goes on sending from an address that its link has lost: it expects EINVAL where Linux 6 answers ENETUNREACH.
    # So the one whose address changes runs our engine.
    alice, bob = connect_client(gateway, world.alice), connect_client(gateway, world.bob, ENGINE)
    # The router gives bob's new address a public one of its own: the gateway sees a new source, not only a new port.
    world.cafe.run("ip addr add 192.0.2.7/24 dev wan")
    world.cafe.run("nft insert rule ip nat out ip saddr 10.12.0.77 oifname wan snat to 192.0.2.7")

    moves(gateway, alice, HOME, (("moving to the phone's network", CAFE, ["ip route replace default via 10.11.0.1 dev phone"]),
                                 ("moving home", HOME, ["ip route replace default via 192.168.100.1 dev wifi"])))
    moves(gateway, bob, CAFE, (("a new address on the same link", "192.0.2.7",
                                ["sysctl -qw net.ipv4.conf.all.promote_secondaries=1", "ip addr add 10.12.0.77/24 dev wifi",
                                 "ip addr del 10.12.0.10/24 dev wifi", "ip route replace default via 10.12.0.1 dev wifi"]),))
    gateway.stop()


def moves(gateway, client, start, steps):
    """Walks a client through steps (what happens, its outer address afterwards, commands) while it pings."""
    name = client.node.name
    ping = answered_ping(client.node, SITE)

    def outer():
        return gateway.peers()[client.public_key]["endpoint"].rsplit(":", 1)[0]

    equal(f"the first endpoint of {name}", outer(), start)
    for what, address, commands in steps:
        begun = time.time()
        for command in commands:
            client.node.run(command)
        wait_until(f"wg show has {name} at {address} after {what}", lambda: outer() == address, 5)
        ping.first_reply_after(time.time())
        check(f"{name} goes on at {address} within 1 s of {what}", time.time() - begun < 1, f"{time.time() - begun:.2f} s")
    sent, received = ping.stop()
    check(f"{name} lost at most 10 packets a move", sent - received <= 10 * len(steps), f"{sent - received} of {sent}")


def ipv6():
    """A client comes over IPv6; it is made on the command line, whose file must bracket the address."""
    world = World(SERVER_IP=GATEWAY_V6)
    gateway = world.server
    gateway.start()
    text = gateway.cli("client add alice")
    check("the file's endpoint is in brackets", f"Endpoint = [{GATEWAY_V6}]:51820" in text)
    WgQuick(world.alice, text).up()
    loses_nothing(world.alice, SITE)
    sees_page(world.alice)
    [peer] = gateway.peers().values()
    check("the outer packets are IPv6", peer["endpoint"].startswith("[2001:db8:b1::10]:"), peer["endpoint"])
    text = gateway.cli("client add bob").replace(f"[{GATEWAY_V6}]", GATEWAY)
    WgQuick(world.bob, text, ENGINE).up()
    loses_nothing(world.bob, world.alice.run("ip -4 -o addr show dev to-alice").split()[3].removesuffix("/32"))
    gateway.stop()


# --- rekey, restart ---


def rekey():
    """Three minutes across a rekey, none lost: with wireguard-go, with our engine, and from the gateway's side."""
    world = World()
    gateway = world.server
    gateway.start()
    alice, bob = connect_client(gateway, world.alice), connect_client(gateway, world.bob, ENGINE)
    loses_nothing(world.alice, SITE)
    loses_nothing(world.bob, SITE)
    first = {client: client.tunnel.last_handshake() for client in (alice, bob)}
    begun = time.time()
    streams = [Ping(node, target, 0.2) for node, target in
               ((world.alice, SITE), (world.bob, SITE), (world.gateway, alice.address), (world.gateway, bob.address))]
    wait_until("185 s of traffic", lambda: time.time() > begun + 185, 200)
    for client, handshake in first.items():
        check(f"{client.node.name} made new keys", client.tunnel.last_handshake() > handshake + 100)
    for ping in streams:
        sent, received = ping.stop()
        check(f"{ping.what} lost nothing across the rekey", sent == received and sent > 850, f"{received} of {sent}")
    switches(gateway, world, alice)  # again, now that the gateway has forgotten what it knew of the time before its start
    gateway.stop()


def restart():
    """The gateway is restarted and killed: clients go on within 5 s; those that send nothing are called within 15 s."""
    world = World()
    gateway = world.server
    gateway.start()
    alice, bob = connect_client(gateway, world.alice), connect_client(gateway, world.bob, keepalive=False)
    loses_nothing(world.alice, SITE)
    loses_nothing(world.bob, SITE)
    talking = answered_ping(world.alice, SITE)

    def goes_on(what, end, before_start=lambda: None):
        end()
        ended = time.time()
        before_start()
        gateway.start()
        gap = talking.first_reply_after(ended)
        check(f"a client that talks goes on within 5 s of {what}", gap < 5, f"{gap:.2f} s")
        return ended

    for what, end in (("a clean restart", gateway.stop), ("kill -9", gateway.kill)):
        last = bob.tunnel.last_handshake()  # bob sends nothing, and nobody sends to him
        ended = goes_on(what, end)
        wait_until("bob is called", lambda: bob.tunnel.last_handshake() > last, 20)
        check(f"a client that is silent is called within 15 s of {what}", time.time() - ended < 15, f"{time.time() - ended:.2f} s")
        loses_nothing(world.gateway, bob.address)
    # With nothing kept of where clients were, the receiver index of a packet still names its client.
    goes_on("kill -9 and the loss of the endpoints", gateway.kill, (LAB_DIR / "state" / "endpoints").unlink)
    talking.stop()
    gateway.stop()


# --- fill, crash ---


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
    uapi_of_gateway(world.server, connect_client(world.server, world.alice))
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


CASES = {case.__name__: case for case in (story, engine_client, roaming, ipv6, rekey, restart, fill, crash, firewall, uapi, secrets)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
