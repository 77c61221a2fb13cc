#!/usr/bin/env python3
"""The story of the product, played by real programs on a small Internet of network namespaces. Usage: story.py CASE

world.py draws where it happens, lab.py says why nothing of a run can be left behind or meet another run.
"""

import base64
import json
import re
import sys
import time

from lab import LAB_DIR, Ping, check, equal, run, wait_until
from product import ENGINE, STOCK, Client, WgQuick, call, connect_client
from world import CAFE, GATEWAY, GATEWAY_V6, HOME, SITE, World, answered_ping, loses_nothing, sees_page


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


CASES = {case.__name__: case for case in (story, engine_client, roaming, ipv6, rekey, restart)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
