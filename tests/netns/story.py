#!/usr/bin/env python3
"""The story of the product, played by real programs on a small Internet of network namespaces. Usage: story.py CASE

                              orbit                   backbone
    site ---------------- gateway ---------------- internet ---------+----------- home -------- alice
      10.77.0.10    .1       |    203.0.113.2   .1           .1   198.51.100.2  (NAT)  .1       .10  wifi: 192.168.100.0/24
      lan      zephyr        |    2001:db8:a::2 ::1               2001:db8:b::2 (none) ::1      ::10       2001:db8:b1::/64
                             |                               |                                  .10
      a web server,          |                               |                                    |  phone: 10.11.0.0/24
      no route to            |                               |                                  .1|
      anything else          |                               +------------------ cafe ------------+
                          VPN 192.168.2.1/24                 .1     192.0.2.2   (NAT)  .1
                                                                                  +------------ bob  wifi: 10.12.0.0/24
                                                                                       .1       .10

    site      a machine of the private network; knows nothing of the VPN
    gateway   `vpn-enabler serve`, the program under test, from VPN_BUILD_DIR (default build/check)
    alice,    people outside, behind routers that translate addresses: stock wg-quick with Debian's wireguard-go, or our
    bob       vpn-engine in its place

lab.py says why nothing of a run can be left behind or meet another run.
"""

import base64
import json
import os
import pathlib
import random
import re
import sys
import threading
import time

from lab import (BUILD_DIR, LAB_DIR, Failure, Gateway, Node, Ping, alive, check, equal, link, random_key, run,
                 wait_until)

SITE, SITE_SEEN_GATEWAY = "10.77.0.10", "10.77.0.1"
GATEWAY, GATEWAY_V6, GATEWAY_VPN = "203.0.113.2", "2001:db8:a::2", "192.168.2.1"
HOME, CAFE = "198.51.100.2", "192.0.2.2"
PAGE = "the page of the site\n"
ENGINE = str(BUILD_DIR / "vpn-engine")


class World:
    """The drawing above."""

    def __init__(self):
        for name in ("site", "gateway", "internet", "home", "cafe", "alice", "bob"):
            setattr(self, name, Node(name))
        link(self.site, "lan", [f"{SITE}/24"], self.gateway, "zephyr", [f"{SITE_SEEN_GATEWAY}/24"])
        link(self.gateway, "orbit", [f"{GATEWAY}/24", f"{GATEWAY_V6}/64"],
             self.internet, "backbone", ["203.0.113.1/24", "2001:db8:a::1/64"])
        link(self.home, "wan", [f"{HOME}/24", "2001:db8:b::2/64"], self.internet, "tohome",
             ["198.51.100.1/24", "2001:db8:b::1/64"])
        link(self.cafe, "wan", [f"{CAFE}/24"], self.internet, "tocafe", ["192.0.2.1/24"])
        link(self.alice, "wifi", ["192.168.100.10/24", "2001:db8:b1::10/64"], self.home, "lan",
             ["192.168.100.1/24", "2001:db8:b1::1/64"])
        link(self.alice, "phone", ["10.11.0.10/24"], self.cafe, "cell", ["10.11.0.1/24"])
        link(self.bob, "wifi", ["10.12.0.10/24"], self.cafe, "lan", ["10.12.0.1/24"])
        for node, router in ((self.gateway, "203.0.113.1"), (self.home, "198.51.100.1"), (self.cafe, "192.0.2.1"),
                             (self.alice, "192.168.100.1"), (self.bob, "10.12.0.1"), (self.gateway, "2001:db8:a::1"),
                             (self.home, "2001:db8:b::1"), (self.alice, "2001:db8:b1::1")):
            node.run(f"ip route add default via {router}")
        self.internet.run("ip route add 2001:db8:b1::/64 via 2001:db8:b::2")
        for node in (self.internet, self.home, self.cafe):
            node.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for node in (self.home, self.cafe):
            node.run("nft -f -", stdin="table ip nat { chain out { type nat hook postrouting priority srcnat;"
                                       " oifname wan masquerade; }; }")
        self._serve_page()

    def _serve_page(self):
        folder = LAB_DIR / "page"
        folder.mkdir()
        (folder / "index.html").write_text(PAGE)
        server = self.site.spawn([sys.executable, "-u", "-m", "http.server", "--bind", SITE, "--directory", folder, "80"])
        self.web_log = server.log
        wait_until("the web server listens", lambda: self.site.run("ss -Hltn sport = 80"), 10)

    def visitors(self):
        """The addresses that the web server saw, in order."""
        return re.findall(r'^(\S+) - - .*"GET ', self.web_log.read_text(), re.MULTILINE)


class Client:
    """A client as the person outside has it: the two answers of the API, and wg-quick."""

    def __init__(self, node, keys, answer, program="wireguard-go"):
        self.node, self.keys, self.answer, self.program = node, keys, answer, program
        self.address = answer["clientIP"].split("/")[0]
        self.interface = "tunnel-" + node.name

    def wg_quick(self, keepalive="PersistentKeepalive = 25\n"):
        host = self.answer["serverIP"]
        endpoint = f"[{host}]" if ":" in host else host
        return (f"[Interface]\nPrivateKey = {self.keys['private']}\nAddress = {self.answer['clientIP']}\n\n"
                f"[Peer]\nPublicKey = {self.answer['serverPublicKey']}\nPresharedKey = {self.keys['preshared']}\n"
                f"AllowedIPs = {self.answer['allowedIPs']}\nEndpoint = {endpoint}:{self.answer['serverPort']}\n{keepalive}")

    def up(self, text=None):
        wg_quick_up(self.node, self.interface, text or self.wg_quick(), self.program)

    def down(self):
        self.node.run(["wg-quick", "down", LAB_DIR / f"{self.interface}.conf"])

    def last_handshake(self):
        return int(self.node.run(f"wg show {self.interface} latest-handshakes").split()[1])


def wg_quick_up(node, interface, text, program):
    file = LAB_DIR / f"{interface}.conf"
    file.write_text(text)
    file.chmod(0o600)
    node.run(["wg-quick", "up", file], env={"WG_QUICK_USERSPACE_IMPLEMENTATION": program})
    if not os.path.exists(f"/proc/{node.pid}/root/run/wireguard/{interface}.sock"):
        raise Failure(f"wg-quick did not use {program}: this kernel has WireGuard itself, and the test wants a userspace peer")


def call(gateway, method, path, expected, body=None):
    """One call of the API that must answer with this status."""
    status, answer = gateway.call(method, path, body)
    if status != expected:
        raise Failure(f"{method} {path}: expected {expected}, got {status} {answer}")
    return answer


def add_client(gateway, node, program="wireguard-go"):
    keys = call(gateway, "GET", "/keys", 200)
    answer = call(gateway, "POST", "/client", 200, {"publicKey": keys["public"], "presharedKey": keys["preshared"]})
    return Client(node, keys, answer, program)


def answered_ping(node, target):
    """A stream of echo requests that is being answered."""
    ping = Ping(node, target)
    ping.first_reply_after(ping.begun)
    return ping


def curl(gateway, *words):
    return json.loads(gateway.node.run(["curl", "--silent", "--show-error", "--location", *words]))


def loses_nothing(node, target, count=10):
    report = node.run(f"ping -n -c {count} -i 0.2 -W 2 {target}", ok=False).stdout
    check(f"{count} packets {node.name} -> {target}, none lost", f"{count} packets transmitted, {count} received" in report,
          report.splitlines()[-2] if report else "nothing")


# --- the cases -----------------------------------------------------------------------------------------------------------


def story(program="wireguard-go"):
    """A client is made with two curl calls, reaches the site, is disabled, enabled, deleted."""
    world = World()
    gateway = Gateway(world.gateway)
    gateway.start()
    alice = first_client(gateway, world.alice, program)
    alice.up()
    loses_nothing(world.alice, SITE)
    equal("alice sees the web page of the site", world.alice.page(f"http://{SITE}/"), PAGE)

    bob = cli_client(gateway, world.bob, program)
    loses_nothing(world.bob, SITE)
    loses_nothing(world.alice, bob)
    loses_nothing(world.bob, alice.address)
    switches(gateway, world, alice)
    gateway.stop()


def first_client(gateway, node, program):
    """The two calls of the documentation, as written there."""
    keys = curl(gateway, "--request", "GET", "http://127.0.0.1:3000/keys")
    equal("GET /keys: the names, in order", list(keys), ["public", "private", "preshared"])
    equal("the public key belongs to the private one", node.run("wg pubkey", stdin=keys["private"]).strip(), keys["public"])
    equal("the preshared key is 32 bytes", len(base64.b64decode(keys["preshared"], validate=True)), 32)
    answer = curl(gateway, "--request", "POST", "127.0.0.1:3000/client", "--header", "Content-Type: application/json",
                  "--data-raw", f'{{"publicKey": "{keys["public"]}", "presharedKey": "{keys["preshared"]}"}}')
    server_key = gateway.wg(f"show {gateway.interface} public-key").strip()
    expected = {"serverPublicKey": server_key, "serverIP": GATEWAY, "serverPort": 51820, "clientIP": "192.168.2.2/32",
                "allowedIPs": "0.0.0.0/0,::/0", "message": "Peer added successfully"}
    equal("POST /client: names and values, in order", list(answer.items()), list(expected.items()))
    return Client(node, keys, answer, program)


def cli_client(gateway, node, program):
    """A client made on the command line: what it prints is a whole file for wg-quick. Gives its address."""
    text = gateway.cli("client add bob")
    wg_quick_up(node, "tunnel-bob", text, program)
    row = [line for line in gateway.cli("client list").splitlines() if "bob" in line]
    address = re.search(r"^Address *= *([0-9.]+)/32$", text, re.MULTILINE).group(1)
    check("client list shows bob and his address", len(row) == 1 and address in row[0], row)
    again = gateway.cli("client add bob", ok=False)
    equal("a second bob is refused: exit code", again.returncode, 1)
    check("a second bob is refused: the error says why", "bob" in again.stderr and not again.stdout, again.stderr.strip())
    return address


def switches(gateway, world, alice):
    """Disable, enable and delete act within a second, and only on the one client."""
    key = {"publicKey": alice.keys["public"]}
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


def engine_client():
    """The same story with our own engine under wg-quick at the clients."""
    story(ENGINE)


def roaming():
    """A client moves between networks, another gets a new address on its link, each under a running ping."""
    world = World()
    gateway = Gateway(world.gateway)
    gateway.start()
    # wireguard-go keeps sending from an address that its link has lost (Linux 6 answers ENETUNREACH, it expects EINVAL), so the
    # one whose address changes runs our engine.
    alice, bob = add_client(gateway, world.alice), add_client(gateway, world.bob, ENGINE)
    alice.up()
    bob.up()
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
    name, node = client.node.name, client.node
    ping = answered_ping(node, SITE)

    def outer():
        return gateway.peers()[client.keys["public"]]["endpoint"].rsplit(":", 1)[0]

    equal(f"the first endpoint of {name}", outer(), start)
    for what, address, commands in steps:
        begun = time.time()
        for command in commands:
            node.run(command)
        wait_until(f"wg show has {name} at {address} after {what}", lambda: outer() == address, 5)
        ping.first_reply_after(time.time())
        check(f"{name} goes on at {address} within 1 s of {what}", time.time() - begun < 1, f"{time.time() - begun:.2f} s")
    sent, received = ping.stop()
    check(f"{name} lost at most 10 packets a move", sent - received <= 10 * len(steps), f"{sent - received} of {sent}")


def ipv6():
    """A client comes over IPv6; it is made on the command line, whose file must bracket the address."""
    world = World()
    gateway = Gateway(world.gateway, SERVER_IP=GATEWAY_V6)
    gateway.start()
    text = gateway.cli("client add alice")
    check("the file's endpoint is in brackets", f"Endpoint = [{GATEWAY_V6}]:51820" in text)
    wg_quick_up(world.alice, "tunnel-alice", text, "wireguard-go")
    loses_nothing(world.alice, SITE)
    equal("the web page over IPv6", world.alice.page(f"http://{SITE}/"), PAGE)
    [peer] = gateway.peers().values()
    check("the outer packets are IPv6", peer["endpoint"].startswith("[2001:db8:b1::10]:"), peer["endpoint"])
    bob = add_client(gateway, world.bob)
    bob.answer["serverIP"] = GATEWAY
    bob.up()
    loses_nothing(world.bob, SITE)
    gateway.stop()


def rekey():
    """Three minutes across rekeys, none lost: with wireguard-go, with our engine, and from the gateway's side."""
    world = World()
    gateway = Gateway(world.gateway)
    gateway.start()
    alice, bob = add_client(gateway, world.alice), add_client(gateway, world.bob, ENGINE)
    alice.up()
    bob.up()
    loses_nothing(world.alice, SITE)
    loses_nothing(world.bob, SITE)
    first = {client: client.last_handshake() for client in (alice, bob)}
    pings = {alice: Ping(world.alice, SITE, 0.2), bob: Ping(world.bob, SITE, 0.2)}
    inward = Ping(world.gateway, alice.address, 0.2)
    wait_until("185 s of traffic", lambda: time.time() > inward.begun + 185, 200)
    for client, ping in pings.items():
        sent, received = ping.stop()
        check(f"{client.node.name} made new keys", client.last_handshake() > first[client] + 100)
        check(f"{client.node.name} lost nothing across the rekey", sent == received and sent > 850, f"{received} of {sent}")
    sent, received = inward.stop()
    check("gateway -> alice lost nothing across the rekey", sent == received and sent > 850, f"{received} of {sent}")
    gateway.stop()


def restart():
    """The gateway is restarted and killed: clients go on within 5 s; those that send nothing are called within 15 s."""
    world = World()
    gateway = Gateway(world.gateway)
    gateway.start()
    alice, bob = add_client(gateway, world.alice), add_client(gateway, world.bob)
    alice.up()
    bob.up(bob.wg_quick(keepalive=""))  # bob's side is silent unless somebody calls him
    loses_nothing(world.alice, SITE, 20)
    loses_nothing(world.bob, SITE, 20)
    talking = answered_ping(world.alice, SITE)
    for what, end in (("a clean restart", gateway.stop), ("kill -9", gateway.kill), ("kill -9 again", gateway.kill)):
        end()
        ended = time.time()
        calling = Ping(world.gateway, bob.address)
        gateway.start()
        gap = talking.first_reply_after(ended)
        check(f"a client that talks goes on within 5 s of {what}", gap < 5, f"{gap:.2f} s")
        gap = calling.first_reply_after(ended, 60)
        check(f"a client that is silent is reached within 15 s of {what}", gap < 15, f"{gap:.2f} s")
        calling.stop()
    talking.stop()
    gateway.stop()


def fill():
    """253 clients fill a /24; the next is told so; a freed address is given again."""
    world = World()
    gateway = Gateway(world.gateway)
    gateway.start()
    keys = [random_key() for _ in range(253)]
    addresses = [call(gateway, "POST", "/client", 200, {"publicKey": key})["clientIP"] for key in keys]
    equal("253 clients have the addresses .2 to .254, lowest first", addresses, [f"192.168.2.{i}/32" for i in range(2, 255)])
    status, answer = gateway.call("POST", "/client", {"publicKey": random_key()})
    equal("the 254th is refused", status, 507)
    check("the refusal says how many the subnet holds", "253" in answer["message"], answer["message"])
    equal("each client is a peer with its address", {key: peer["allowed_ips"] for key, peer in gateway.peers().items()},
          dict(zip(keys, addresses)))
    call(gateway, "DELETE", "/client", 200, {"publicKey": keys[100]})
    answer = call(gateway, "POST", "/client", 200, {"publicKey": random_key()})
    equal("a freed address is given again", answer["clientIP"], addresses[100])
    gateway.stop()


class Creators:
    """A stream of creates from a few threads, and what was acknowledged."""

    def __init__(self, gateway, threads=4):
        self.gateway, self.acknowledged, self.refused = gateway, [], []
        self.serving, self._stop = threading.Event(), False
        self._threads = [threading.Thread(target=self._create) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _create(self):
        while not self._stop:
            self.serving.wait()
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
        self._stop = True
        self.serving.set()
        for thread in self._threads:
            thread.join()


def crash():
    """kill -9 a hundred times under a stream of creates: every acknowledged client is there, none twice."""
    gateway = Gateway(World().gateway, WG_SUBNET="10.66.0.1/16")
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
    stored = [(client["publicKey"], client["clientIP"]) for client in json.loads(gateway.cli("client list --json"))]
    acknowledged = creators.acknowledged
    check("every acknowledged client is there, with its address", set(acknowledged) <= set(stored),
          f"{len(acknowledged)} acknowledged, {len(stored)} stored")
    equal("no key is stored twice", len({key for key, _ in stored}), len(stored))
    equal("no address is given twice", len({address for _, address in stored}), len(stored))
    equal("the tunnel holds what the store holds", {key: peer["allowed_ips"] for key, peer in gateway.peers().items()},
          dict(stored))
    gateway.stop()


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


def firewall():
    """Our rules stand once, go with a clean stop, and nobody else's change; NAT does what it says."""
    world = World()
    node = world.gateway
    node.run("nft -f -", stdin=OTHERS)
    others = node.run("nft list ruleset")
    gateway = Gateway(node, WG_INTERFACE="vpn-7")

    def tables():
        return node.run("nft list tables").split("\n")[:-1]

    before = tables()

    def ours():
        return [table for table in tables() if table not in before]

    def others_now():
        return "".join(node.run(f"nft list {table}") for table in before)

    def stands_once(when):
        equal(f"one table of ours {when}", len(ours()), 1)
        equal(f"others' tables are as they were {when}", others_now(), others)

    gateway.start()
    stands_once("after the start")
    rules = node.run(f"nft list {ours()[0]}")
    equal("no link is named in the rules but our own", [name for name in ("zephyr", "orbit", "eth0") if name in rules], [])
    gateway.kill()
    gateway.start()
    stands_once("after kill -9 and a start")
    equal("the rules are the same after kill -9 and a start", node.run(f"nft list {ours()[0]}"), rules)

    alice = add_client(gateway, world.alice)
    alice.up()
    equal("alice sees the page", world.alice.page(f"http://{SITE}/"), PAGE)
    equal("the site saw the gateway, not alice", world.visitors()[-1], SITE_SEEN_GATEWAY)
    loses_nothing(world.alice, "203.0.113.1")  # the Internet through the tunnel leaves by the other link
    gateway.stop()
    equal("our table is gone after a clean stop", ours(), [])
    equal("others' tables are as they were after a clean stop", others_now(), others)

    world.site.run(f"ip route add 192.168.2.0/24 via {SITE_SEEN_GATEWAY}")
    gateway = Gateway(node, WG_INTERFACE="vpn-7", NAT="off")
    gateway.start()
    wait_until("alice sees the page with NAT off",
               lambda: world.alice.run(f"curl --silent --max-time 1 http://{SITE}/", ok=False).stdout == PAGE, 20)
    equal("the site saw alice's own address with NAT off", world.visitors()[-1], alice.address)
    gateway.stop()
    equal("others' tables are as they were at the end", node.run("nft list ruleset"), others)


def uapi():
    """Stock wg works on the running gateway and on vpn-engine, which ends as wireguard-go does."""
    world = World()
    gateway = Gateway(world.gateway)
    gateway.start()
    uapi_of_gateway(gateway, add_client(gateway, world.alice))
    gateway.stop()
    uapi_of_engine(world.bob)
    for what, end in (("ip link del", lambda pid: world.bob.run("ip link del eng0")),
                      ("removing the socket", lambda pid: world.bob.run("rm /run/wireguard/eng0.sock")),
                      ("SIGTERM", lambda pid: os.kill(pid, 15)),
                      ("wg-quick down", lambda pid: world.bob.run(["wg-quick", "down", LAB_DIR / "eng0.conf"]))):
        engine_ends(world.bob, what, end)


def uapi_of_gateway(gateway, alice):
    alice.up()
    loses_nothing(alice.node, SITE)
    key = alice.keys["public"]
    shown = gateway.wg(f"show {gateway.interface}")
    for line in (f"interface: {gateway.interface}", "  listening port: 51820", f"peer: {key}", "  preshared key: (hidden)",
                 f"  allowed ips: {alice.address}/32", "  persistent keepalive: every 25 seconds"):
        check(f"wg show says `{line.strip()}`", line in shown.splitlines())
    check("wg show knows handshake, endpoint and transfer", all(word in shown for word in ("latest handshake", HOME, "transfer")))
    status, conf = gateway.call("GET", "/info/conf")
    equal("GET /info/conf is what wg showconf prints", (status, conf.strip()), (200, gateway.wg(f"showconf {gateway.interface}").strip()))

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
    equal("wg set removes it", sorted(gateway.peers()), [key])
    sent, received = ping.stop()
    equal("alice lost nothing under syncconf and set", sent - received, 0)


def uapi_of_engine(node):
    """Everything that wg can set, it reads back."""
    node.run([ENGINE, "eng0"])
    keys = [random_key() for _ in range(3)]
    private, preshared = node.run("wg genkey").strip(), node.run("wg genpsk").strip()
    conf = (f"[Interface]\nListenPort = 4242\nFwMark = 0x99\nPrivateKey = {private}\n\n"
            f"[Peer]\nPublicKey = {keys[0]}\nPresharedKey = {preshared}\nAllowedIPs = 10.1.0.0/16, fd00:1::/64\n"
            f"Endpoint = 192.0.2.2:51820\nPersistentKeepalive = 25\n\n"
            f"[Peer]\nPublicKey = {keys[1]}\nAllowedIPs = 0.0.0.0/0\nEndpoint = [2001:db8:b::2]:51820\n\n"
            f"[Peer]\nPublicKey = {keys[2]}\n\n")
    file = LAB_DIR / "eng0-set.conf"
    file.write_text(conf)

    def blocks(text):
        return sorted(sorted(block.split("\n")) for block in text.strip().split("\n\n"))

    node.run(f"wg setconf eng0 {file}")
    equal("showconf gives back what setconf set", blocks(node.run("wg showconf eng0")), blocks(conf))
    file.write_text(conf.split(f"[Peer]\nPublicKey = {keys[1]}")[0])
    node.run(f"wg syncconf eng0 {file}")
    equal("syncconf removes what is not named", node.run("wg show eng0 peers").split(), [keys[0]])
    node.run(f"wg set eng0 listen-port 4243 fwmark 0 peer {keys[0]} preshared-key /dev/null allowed-ips 10.9.0.0/24"
             " persistent-keepalive off")
    equal("set changes one peer", node.run("wg show eng0 dump").splitlines()[1].split("\t"),
          [keys[0], "(none)", "192.0.2.2:51820", "10.9.0.0/24", "0", "0", "0", "off"])
    equal("set changes the interface", node.run("wg show eng0 dump").splitlines()[0].split("\t")[2:], ["4243", "off"])
    second = node.run([ENGINE, "eng0"], ok=False)
    check("a second engine on the same interface is an error", second.returncode != 0 and second.stderr, second.stderr.strip())
    [pid] = node.pids("vpn-engine")
    os.kill(pid, 15)
    wait_until("the engine ends on SIGTERM", lambda: not alive(pid), 5)


def engine_ends(node, what, end):
    wg_quick_up(node, "eng0", f"[Interface]\nPrivateKey = {node.run('wg genkey')}Address = 10.5.0.1/24\n", ENGINE)
    [pid] = node.pids("vpn-engine")
    end(pid)
    wait_until(f"the engine ends on {what}", lambda: not alive(pid), 5)
    wait_until(f"the link is gone after {what}", lambda: "eng0" not in node.run("ip -brief link"), 5)
    socket = pathlib.Path(f"/proc/{node.pid}/root/run/wireguard/eng0.sock")
    wait_until(f"the socket is gone after {what}", lambda: not socket.exists(), 5)
    print(f"  ok  the engine ends, with link and socket, on {what}")


def secrets():
    """With LOG_LEVEL=debug nothing secret is printed or logged, in base64 or in hex."""
    world = World()
    private = world.gateway.run("wg genkey").strip()
    token = random.randbytes(24).hex()
    gateway = Gateway(world.gateway, LOG_LEVEL="debug", WG_PRIVATE_KEY=private, API_ADDRESS="0.0.0.0", API_TOKEN=token)
    gateway.start()
    secret = {"the server's private key": private, "the token": token}
    alice = add_client(gateway, world.alice)
    secret |= {"alice's private key": alice.keys["private"], "alice's preshared key": alice.keys["preshared"]}
    alice.up()
    loses_nothing(world.alice, SITE)

    url = "http://203.0.113.2:3000/client"
    almost = random_key()[:-2] + "*="
    secret |= {"a malformed preshared key": almost, "a wrong token": "wrong" + random.randbytes(24).hex()}
    for header, expected in ((f"Bearer {token}", "400"), (f"Bearer {secret['a wrong token']}", "401")):
        got = world.internet.run(["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--header",
                                  f"Authorization: {header}", "--json",
                                  f'{{"publicKey": "{random_key()}", "presharedKey": "{almost}"}}', url])
        equal(f"a create with a malformed preshared key answers {expected}", got, expected)
    key = {"publicKey": alice.keys["public"]}
    call(gateway, "PUT", "/client/disable", 204, key)
    call(gateway, "PUT", "/client/enable", 204, key)
    answered_ping(world.alice, SITE).stop()
    gateway.kill()
    gateway.start()
    call(gateway, "GET", "/info", 200)
    call(gateway, "GET", "/info/conf", 200)
    call(gateway, "DELETE", "/client", 200, key)
    gateway.stop()
    bad = Gateway(world.gateway, WG_PRIVATE_KEY=private[:-2] + "x=")
    code = bad.node.run([BUILD_DIR / "vpn-enabler", "serve"], bad.settings, ok=False)
    equal("a bad private key ends with exit code 2", code.returncode, 2)
    secret["a malformed private key"] = private[:-2]
    printed = code.stdout + code.stderr + "".join(log.read_text(errors="replace") for log in LAB_DIR.glob("*-vpn-enabler.log"))
    check("the gateway did log", "debug" in printed.lower(), f"{len(printed)} characters")
    for name, value in secret.items():
        equal(f"{name} is printed nowhere", [form for form in forms(value) if form in printed.lower()], [])


def forms(value):
    """The ways in which a secret could show: as it is, base64 without its padding, URL-safe, and hexadecimal; in lower case."""
    result = {value.rstrip("="), value.rstrip("=").replace("+", "-").replace("/", "_")}
    if value.endswith("=") and re.fullmatch(r"[A-Za-z0-9+/]{43}=", value):
        result.add(base64.b64decode(value).hex())
    return {form.lower() for form in result}


CASES = {case.__name__: case for case in (story, engine_client, roaming, ipv6, rekey, restart, fill, crash, firewall, uapi, secrets)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
