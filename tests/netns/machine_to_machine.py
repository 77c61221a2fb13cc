#!/usr/bin/env python3
"""Tunnels without a gateway: `vpn-enabler up`, `down` and `import`, and the guide's own commands. Usage: machine_to_machine.py CASE

    lan ======= north ======= internet ======= south
                                  ||
                                  ++========== web
    lan        10.1.0.10                        a machine beside north
    north      10.1.0.1; 203.0.113.2 and 2001:db8:a::2 to the Internet
    south      198.51.100.2 and 2001:db8:b::2
    web        192.0.2.80 and 2001:db8:c::80    a web server that writes down who calls

The reverse path filters are strict everywhere. lab.py says why nothing of a run can be left behind or meet another run.
"""

import os
import pathlib
import re
import signal
import socket
import sys

from guide import blocks
from lab import LAB_DIR, Failure, Node, alive, check, equal, link, run, wait_until
from product import BUILD_DIR, SOURCE_DIR, STOCK, Gateway, WgQuick

NORTH, NORTH_V6, SOUTH, SOUTH_V6 = "203.0.113.2", "2001:db8:a::2", "198.51.100.2", "2001:db8:b::2"
WEB, WEB_V6, LAN = "192.0.2.80", "2001:db8:c::80", "10.1.0.10"
PROGRAM = BUILD_DIR / "vpn-enabler"
PATH = f"{BUILD_DIR}:/usr/sbin:/usr/bin:/sbin:/bin"


class World:
    """The drawing above."""

    def __init__(self):
        for name in ("lan", "north", "internet", "south", "web"):
            setattr(self, name, Node(name))
        link(self.lan, "port", [f"{LAN}/24"], self.north, "port", ["10.1.0.1/24"])
        link(self.north, "uplink", [f"{NORTH}/24", f"{NORTH_V6}/64"], self.internet, "north", ["203.0.113.1/24", "2001:db8:a::1/64"])
        link(self.south, "uplink", [f"{SOUTH}/24", f"{SOUTH_V6}/64"], self.internet, "south", ["198.51.100.1/24", "2001:db8:b::1/64"])
        link(self.web, "uplink", [f"{WEB}/24", f"{WEB_V6}/64"], self.internet, "web", ["192.0.2.1/24", "2001:db8:c::1/64"])
        self.internet.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for node, gateway, gateway_v6 in ((self.north, "203.0.113.1", "2001:db8:a::1"), (self.south, "198.51.100.1", "2001:db8:b::1"),
                                          (self.web, "192.0.2.1", "2001:db8:c::1")):
            node.run(f"ip route add default via {gateway}")
            node.run(f"ip -6 route add default via {gateway_v6}")
            node.run("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 net.ipv4.conf.uplink.rp_filter=1")
            for directory in ("/etc/wireguard", "/etc/default"):
                node.run(f"mount -t tmpfs own {directory}")
        hosts = LAB_DIR / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{SOUTH} south.example.org\n{NORTH} north.example.org\n")
        names = LAB_DIR / "nsswitch.conf"  # no name server is asked: a name that is not there is none's
        names.write_text("hosts: files\n")
        for node in (self.north, self.south):
            node.run(f"mount --bind {hosts} /etc/hosts")
            node.run(f"mount --bind {names} /etc/nsswitch.conf")
        for node in (self.north, self.south):
            wait_until(f"the addresses of {node.name} are settled", lambda node=node: settled(node), 20)

    def serve_page(self):
        """The web server on both families; gives its log."""
        page = LAB_DIR / "www"
        page.mkdir()
        (page / "index.html").write_text("the page\n")
        server = self.web.spawn(f"python3 -u -m http.server 80 --bind :: --directory {page}")
        wait_until("the web server listens", lambda: ":80" in self.web.run("ss -Hltn"), 20)
        return server.log


def genkey(node):
    private = node.run([PROGRAM, "genkey"]).strip()
    return private, node.run([PROGRAM, "pubkey"], stdin=private).strip()


def write(node, name, text, mode=0o600):
    """A file below /etc/wireguard of that machine."""
    path = pathlib.Path(f"/proc/{node.pid}/root/etc/wireguard/{name}")
    path.write_text(text)
    path.chmod(mode)


def product(node, *arguments, ok=True):
    return node.run([PROGRAM, *arguments], ok=ok, seconds=90)


def refused(node, code, *arguments):
    """What the program says when it does not do it."""
    done = product(node, *arguments, ok=False)
    if done.returncode != code:
        raise Failure(f"{arguments}: expected exit code {code}, got {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr


def settled(node):
    """Every interface has the link-local address that the kernel gives it, and none is in doubt: what comes later looks like a change."""
    links = node.run("ip -o link show up").splitlines()
    addresses = node.run("ip -6 -o address show scope link").splitlines()
    return len(addresses) == len(links) - 1 and not any("tentative" in address for address in addresses)  # lo has none


def state(node):
    """All that a tunnel may change on a machine, as text to compare."""
    commands = ("ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all", "nft list ruleset", "ip -brief address",
                "ls /run/wireguard", "cat /etc/resolv.conf")
    return {command: re.sub(r"expires \d+sec|pref \w+", "", node.run(command)) for command in commands}


def same_state(what, node, before):
    after = state(node)
    changed = {command: (before[command], after[command]) for command in before if before[command] != after[command]}
    equal(what, changed, {})


def engines(node):
    return [pid for pid in node.pids("vpn-enabler") if alive(pid)]


def has_link(node, name):
    return node.run(f"ip link show dev {name}", ok=False).returncode == 0


def is_up(node, name):
    return has_link(node, name) and f"{name}: <" in (text := node.run(f"ip link show dev {name}")) and ",UP" in text


def pings(what, node, address, size=56):
    family = "-6" if ":" in address else "-4"
    done = node.run(f"ping {family} -c 3 -i 0.2 -W 5 -M do -s {size} {address}", ok=False)
    check(what, done.returncode == 0, done.stdout.splitlines()[-2] if done.returncode == 0 else done.stdout + done.stderr)


class Pair:
    """Keys of north and south, and the usual files."""

    def __init__(self, world):
        self.north_key, self.south_key = genkey(world.north), genkey(world.south)

    def north(self, more="", peer_more="", allowed="10.99.0.2/32, fd99::2/128", endpoint="south.example.org:51820"):
        return (f"[Interface]\nPrivateKey = {self.north_key[0]}\nAddress = 10.99.0.1/24, fd99::1/64\nListenPort = 51820\n{more}\n"
                f"[Peer]\nPublicKey = {self.south_key[1]}\nAllowedIPs = {allowed}\nEndpoint = {endpoint}\n{peer_more}")

    def south(self, more="", allowed="10.99.0.1/32, fd99::1/128"):
        return (f"[Interface]\nPrivateKey = {self.south_key[0]}\nAddress = 10.99.0.2/24, fd99::2/64\nListenPort = 51820\n{more}\n"
                f"[Peer]\nPublicKey = {self.north_key[1]}\nAllowedIPs = {allowed}\n")


def two_machines():
    """Up on both ends, by our own engine: IPv4 and IPv6, whole packets; down leaves nothing."""
    world = World()
    pair = Pair(world)
    before = {node: state(node) for node in (world.north, world.south)}
    write(world.north, "office.conf", pair.north())
    write(world.south, "office.conf", pair.south())
    said = product(world.south, "up", "office", "--tunnel", "userspace")
    equal("what up says", said, "office is up: userspace, 10.99.0.2/24, fd99::2/64, MTU 1420\n")
    product(world.north, "up", "/etc/wireguard/office.conf")
    pings("a ping", world.north, "10.99.0.2")
    pings("one over IPv6", world.south, "fd99::1")
    pings("one as large as the tunnel takes", world.north, "10.99.0.2", size=1420 - 28)
    check("the interface is one for wg", pair.south_key[1] in world.north.run("wg show office"))
    check("up a second time is refused", "office is up already" in refused(world.north, 1, "up", "office"))
    pings("and harms nothing", world.north, "10.99.0.2")
    product(world.north, "down", "office")
    product(world.south, "down", "/etc/wireguard/office.conf")
    for node in (world.north, world.south):
        same_state(f"down leaves {node.name} as it was", node, before[node])
        equal(f"no engine is left on {node.name}", engines(node), [])
    check("down a second time says so", "office is not up" in refused(world.north, 1, "down", "office"))


def stock_peer():
    """The other end is stock wg-quick over wireguard-go; SaveConfig keeps what the interface was."""
    world = World()
    pair = Pair(world)
    stock = WgQuick(world.south, pair.south(), STOCK, "far")
    stock.up()
    write(world.north, "near.conf", pair.north(more="SaveConfig = true\nMTU = 1380\nTable = auto"))
    product(world.north, "up", "near")
    pings("stock wg-quick answers", world.north, "10.99.0.2", size=1380 - 28)
    equal("the file's MTU", world.north.run("cat /sys/class/net/near/mtu").strip(), "1380")
    world.north.run("ip address add 10.98.0.1/24 dev near")
    extra = genkey(world.north)[1]
    world.north.run(f"wg set near peer {extra} allowed-ips 10.98.0.7/32 persistent-keepalive 21")
    product(world.north, "down", "near")
    saved = world.north.run("cat /etc/wireguard/near.conf")
    for line in ("Address = 10.98.0.1/24", "MTU = 1380", "SaveConfig = true", f"PublicKey = {extra}", "PersistentKeepalive = 21",
                 f"Endpoint = {SOUTH}:51820", f"PrivateKey = {pair.north_key[0]}"):
        check(f"saved: {line.partition(' = ')[0]}", line in saved.splitlines(), "" if line in saved else saved)
    equal("for root alone", world.north.run("stat -c %a /etc/wireguard/near.conf").strip(), "600")
    product(world.north, "up", "near")
    pings("and up again from what was saved", world.north, "10.99.0.2")
    check("with the new peer", extra in world.north.run("wg show near peers"))
    product(world.north, "down", "near")


def full_tunnel():
    """A default route through the tunnel: the Internet sees south, the encrypted packets do not loop, the LAN stays near."""
    world = World()
    pair = Pair(world)
    log = world.serve_page()
    world.south.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
    world.south.run("nft -f -", stdin="""table inet nat {
        chain post {
            type nat hook postrouting priority srcnat
            ip saddr 10.99.0.0/24 oifname "uplink" masquerade
            ip6 saddr fd99::/64 oifname "uplink" masquerade
        }
    }
    """)
    write(world.south, "exit.conf", pair.south())
    product(world.south, "up", "exit")
    world.lan.run("ip route add 10.99.0.1 via 10.1.0.1")
    before = state(world.north)
    for endpoint in ("south.example.org:51820", f"[{SOUTH_V6}]:51820"):
        write(world.north, "wan.conf", pair.north(allowed="0.0.0.0/0, ::/0", endpoint=endpoint))
        product(world.north, "up", "wan")
        for address, seen in ((WEB, SOUTH), (f"[{WEB_V6}]", SOUTH_V6)):
            equal(f"the page of {address}, through the tunnel", world.north.page(f"http://{address}/"), "the page\n")
            caller = log.read_text().splitlines()[-1].split()[0].removeprefix("::ffff:")
            equal("the web server saw south", caller, seen)
        pings("the LAN is reached directly", world.north, LAN)
        check("by its own cable", "dev port" in world.north.run(f"ip route get {LAN}"))
        sent = int(world.north.run("wg show wan transfer").split()[-1])
        check("no packet went round in the tunnel", sent < 50_000, f"{sent} bytes sent")
        ask = "ping -c 2 -i 0.2 -W 1 10.99.0.1"
        check("a neighbour does not reach the tunnel's address", world.lan.run(ask, ok=False).returncode != 0)
        world.north.run("nft flush chain inet vpn_tunnel_wan guard")
        check("which it would without the guard", world.lan.run(ask, ok=False).returncode == 0)
        product(world.north, "down", "wan")
        same_state("rules, routes and nftables are as they were", world.north, before)
    equal("and the page comes directly", world.north.page(f"http://{WEB}/"), "the page\n")
    equal("from north", log.read_text().splitlines()[-1].split()[0].removeprefix("::ffff:"), NORTH)


def two_full_tunnels():
    """Two default routes at once, each with rules of its own: taking down the one leaves the other whole."""
    world = World()
    pair = Pair(world)
    before = state(world.north)
    write(world.north, "one.conf", pair.north(allowed="0.0.0.0/0"))
    product(world.north, "up", "one")
    with_one = state(world.north)
    write(world.north, "two.conf", pair.north(allowed="0.0.0.0/0").replace("10.99.0.1/24, fd99::1/64", "10.98.0.1/24").replace(
        "ListenPort = 51820", "ListenPort = 51821"))
    product(world.north, "up", "two")
    marks = [world.north.run(f"wg show {name} fwmark").strip() for name in ("one", "two")]
    equal("each has a mark of its own", marks, ["0xca6c", "0xca6d"])
    product(world.north, "down", "two")
    same_state("the first is as it was without the second", world.north, with_one)
    product(world.north, "up", "two")
    product(world.north, "down", "one")
    check("the second goes on", "not from all fwmark 0xca6d lookup 51821" in world.north.run("ip rule"), world.north.run("ip rule"))
    product(world.north, "down", "two")
    same_state("nothing is left of either", world.north, before)


def tables():
    """Table = off, a number; FwMark with a default route; a route that comes with the address."""
    world = World()
    pair = Pair(world)
    before = state(world.north)

    def routes_of(more, allowed):
        write(world.north, "t.conf", pair.north(more=more, allowed=allowed))
        product(world.north, "up", "t")
        result = state(world.north)
        product(world.north, "down", "t")
        same_state(f"nothing is left of it ({more})", world.north, before)
        return result

    off = routes_of("Table = off", "0.0.0.0/0, 172.16.0.0/12")
    equal("Table = off makes no rule", off["ip rule"], before["ip rule"])
    check("and no route", "172.16.0.0/12" not in off["ip route show table all"])
    check("but the address's", "10.99.0.0/24 dev t" in off["ip route show table all"])
    number = routes_of("Table = 1234", "0.0.0.0/0, ::/0, 172.16.0.0/12")
    for line in ("172.16.0.0/12 dev t table 1234", "default dev t table 1234"):
        check(f"Table = 1234: {line}", line in number["ip route show table all"], "" if line in number["ip route show table all"] else number)
    check("and over IPv6", "default dev t table 1234" in number["ip -6 route show table all"])
    equal("but no rule", number["ip rule"], before["ip rule"])
    marked = routes_of("FwMark = 0x4d", "0.0.0.0/0, 10.99.0.0/24, 172.16.0.0/12")
    check("FwMark is the mark of the rule", "not from all fwmark 0x4d lookup 77" in marked["ip rule"], marked["ip rule"])
    check("and the table's number", "default dev t table 77" in marked["ip route show table all"])
    check("other networks are in the main table", "172.16.0.0/12 dev t proto static" in marked["ip route show table all"])


def all_or_nothing():
    """What fails in the middle is undone; what a crash leaves, down and up remove."""
    world = World()
    pair = Pair(world)
    north = world.north
    north.run("ip route add 172.16.0.0/12 via 203.0.113.1")
    before = state(north)

    write(north, "half.conf", pair.north(allowed="0.0.0.0/0, 172.16.0.0/12"))
    check("a route of somebody else's", "there is a route to that network already" in refused(north, 1, "up", "half"))
    same_state("nothing is left", north, before)
    equal("nor an engine", engines(north), [])

    write(north, "half.conf", pair.north(more="DNS = 10.99.0.2", allowed="0.0.0.0/0"))
    said = refused(north, 1, "up", "half")
    check("DNS without systemd-resolved says what to do", "apt install systemd-resolved" in said and "--ignore-dns" in said, said)
    same_state("nothing is left", north, before)
    product(north, "up", "half", "--ignore-dns")
    product(north, "down", "half")

    with_hooks = pair.north(more="PostUp = touch /run/lab/hooked; iptables -t nat -A POSTROUTING -j MASQUERADE\nPreDown = true")
    write(north, "half.conf", with_hooks)
    said = refused(north, 2, "up", "half")
    check("a line for a shell is refused", "line 5: PostUp, and 1 more" in said and "vpn-enabler import" in said, said)
    same_state("nothing was made", north, before)
    done = product(north, "up", "half", "--ignore-hooks", ok=False)
    check("--ignore-hooks goes on without", done.returncode == 0 and "going on without" in done.stderr, done.stderr)
    product(north, "down", "half")
    check("no line was run", not (LAB_DIR / "hooked").exists())

    write(north, "half.conf", "[Interface]\nPrivateKey = nonsense\n", mode=0o644)
    check("a wrong file is named", "/etc/wireguard/half.conf: line 2: PrivateKey is not a key" in refused(north, 2, "up", "half"))
    write(north, "half.conf", pair.north(endpoint="nowhere.example.org:51820"))
    check("a name that is none's", "cannot look up nowhere.example.org" in refused(north, 1, "up", "half"))
    north.run("ip link add half type veth peer name other")
    write(north, "half.conf", pair.north(), mode=0o644)
    check("an interface of somebody else's", "`vpn-enabler up` did not make it" in refused(north, 1, "up", "half"))
    check("stays", refused(north, 1, "down", "half") and "half@other" in north.run("ip -brief link"))
    north.run("ip link del half")
    north.run("chmod 755 /etc/wireguard")
    done = product(north, "up", "half", ok=False)
    check("a key that everyone reads is told of", done.returncode == 0 and "`chmod 600` closes it" in done.stderr, done.stderr)
    product(north, "down", "half")
    same_state("nothing is left of all that", north, before)

    crashes(north, pair, before)


def crashes(north, pair, before):
    """An engine that is killed, an interface that somebody removes, an `up` that is killed in the middle."""
    write(north, "half.conf", pair.north(allowed="0.0.0.0/0, ::/0"))
    for how in ("the engine is killed", "the interface is removed"):
        product(north, "up", "half")
        if how == "the engine is killed":
            [engine] = engines(north)
            os.kill(engine, signal.SIGKILL)
        else:
            north.run("ip link del half")
        wait_until("the interface is gone", lambda: not has_link(north, "half"), 10)
        wait_until("the engine has ended", lambda: not engines(north), 10)
        product(north, "down", "half")
        same_state(f"{how}: down removes the rest", north, before)
    product(north, "up", "half")
    [engine] = engines(north)
    os.kill(engine, signal.SIGKILL)
    wait_until("the interface is gone", lambda: not has_link(north, "half"), 10)
    done = product(north, "up", "half", ok=False)
    check("up after a kill removes it too", done.returncode == 0 and "what is left of it is removed first" in done.stderr, done.stderr)
    product(north, "down", "half")
    same_state("and leaves nothing", north, before)

    # A D-Bus that takes connections and says nothing holds `up` after its interface is made.
    write(north, "half.conf", pair.north(more="DNS = 10.99.0.2", allowed="0.0.0.0/0, ::/0"))
    pathlib.Path("/run/dbus").mkdir()
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind("/run/dbus/system_bus_socket")
        bus.listen(8)
        for command in ("down", "up"):
            under_way = north.spawn([PROGRAM, "up", "half"])
            wait_until("up is at its DNS", lambda: is_up(north, "half"), 20)
            under_way.kill()
            under_way.wait(10)
            check("the interface is half made", has_link(north, "half") and engines(north))
            if command == "down":
                product(north, "down", "half")
            else:
                said = refused(north, 1, "up", "half")
                check("up says that it is there", "half is up already" in said, said)
                product(north, "down", "half")
            same_state(f"killed in the middle, then {command}", north, before)
            equal("no engine is left", engines(north), [])


def imported():
    """A stock server becomes a gateway: its client goes on as it is."""
    world = World()
    pair = Pair(world)
    (alice, alice_public), (_, bob_public) = pair.north_key, genkey(world.north)
    server = (f"[Interface]\nPrivateKey = {pair.south_key[0]}\nAddress = 10.99.0.1/24, fd99::1/64\nListenPort = 51820\n"
              "PostUp = echo iptables -t nat -A POSTROUTING -j MASQUERADE\n\n"
              f"# Name = alice\n[Peer]\nPublicKey = {alice_public}\nAllowedIPs = 10.99.0.7/32, fd99::10.99.0.7/128\n\n"
              f"### Client bob\n[Peer]\nPublicKey = {bob_public}\nAllowedIPs = 10.99.0.8/32, fd99::8/128\n")
    stock = WgQuick(world.south, server, STOCK, "wg0")
    stock.up()
    client = WgQuick(world.north, f"[Interface]\nPrivateKey = {alice}\nAddress = 10.99.0.7/32, fd99::10.99.0.7/128\n[Peer]\n"
                     f"PublicKey = {pair.south_key[1]}\nAllowedIPs = 10.99.0.0/24, fd99::/64\nEndpoint = {SOUTH}:51820\nPersistentKeepalive = 1\n")
    client.up()
    for address in ("10.99.0.1", "fd99::1"):
        pings("the client reaches the stock server", world.north, address)

    state_dir = LAB_DIR / "state"
    looked = product(world.south, "import", LAB_DIR / "wg0.conf", "--state-dir", state_dir, "--dry-run", ok=False)
    check("a dry run says what would be", looked.returncode == 0 and "2 would be imported" in looked.stderr, looked.stderr)
    check("and makes nothing", not state_dir.exists())
    done = product(world.south, "import", LAB_DIR / "wg0.conf", "--state-dir", state_dir, ok=False)
    check("the import", done.returncode == 0 and "2 clients: 2 imported; the private key: kept" in done.stderr, done.stderr)
    check("says what became of the hook", "PostUp in line 5: NAT=on does this" in done.stderr, done.stderr)
    check("and whose IPv6 address is another", "(bob): its IPv6 address fd99::8 is not" in done.stderr and "(alice)" not in done.stderr, done.stderr)
    again = product(world.south, "import", LAB_DIR / "wg0.conf", "--state-dir", state_dir, ok=False)
    check("once more changes nothing", "0 imported, 2 already there" in again.stderr, again.stderr)

    stock.down()
    settings = LAB_DIR / "vpn-enabler.env"
    settings.write_text(done.stdout)
    gateway = Gateway(world.south, STATE_DIR=state_dir, SERVER_IP=SOUTH)
    gateway.process = world.south.spawn([PROGRAM, "serve", "--config", settings], gateway.settings)
    wait_until("the gateway serves", gateway._serves, 20)
    for address in ("10.99.0.1", "fd99::1"):
        wait_until(f"the client is back at {address}, unchanged",
                   lambda: world.north.run(f"ping -c 1 -W 1 {address}", ok=False).returncode == 0, 60)
    rows = gateway.cli("client list").splitlines()
    check("both are clients, by their names", any("alice" in row and "10.99.0.7" in row for row in rows)
          and any("bob" in row and "10.99.0.8" in row for row in rows), rows)
    check("a gateway that runs is not imported into", "in use" in refused(
        world.south, 2, "import", LAB_DIR / "wg0.conf", "--state-dir", state_dir))
    gateway.stop()


def guide():
    """docs/machine-to-machine.md, command by command: two machines, then a Kubernetes node's way to its API server."""
    world = World()
    before = {name: state(getattr(world, name)) for name in ("north", "south")}
    keys = {}
    serve_api_server_and_kubelet(world)
    ran = 0
    for machine, commands in blocks(SOURCE_DIR / "docs/machine-to-machine.md"):
        if machine not in ("north", "south"):
            continue
        node = getattr(world, machine)
        for name in ("north", "south"):
            key = pathlib.Path(f"/proc/{getattr(world, name).pid}/root/etc/wireguard/key.pub")
            if name.upper() + "_PUBLIC_KEY" in commands:
                keys[name] = keys.get(name) or key.read_text().strip()
                commands = commands.replace(name.upper() + "_PUBLIC_KEY", keys[name])
        print(f"{machine}$ " + commands.replace("\n", f"\n{machine}$ "), flush=True)
        print(node.run(["bash", "-euo", "pipefail", "-c", commands], env={"PATH": PATH}, seconds=120), flush=True)
        ran += 1
    check("the guide has commands", ran >= 8, ran)
    for name in ("north", "south"):
        node = getattr(world, name)
        same_state(f"at the end {name} is as it was", node, before[name])
        equal(f"no engine is left on {name}", engines(node), [])


def serve_api_server_and_kubelet(world):
    """What listens where Kubernetes would: TLS on north's port 6443 and south's 10250."""
    certificate = LAB_DIR / "certificate.pem"
    world.north.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
                     "/CN=kubernetes", "-keyout", certificate, "-out", str(certificate) + ".crt"])
    certificate.write_text(certificate.read_text() + pathlib.Path(str(certificate) + ".crt").read_text())
    script = LAB_DIR / "kubernetes.py"
    script.write_text(
        "import http.server, ssl, sys\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')\n"
        "server = http.server.HTTPServer(('', int(sys.argv[1])), Answer)\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[2])\n"
        "server.socket = context.wrap_socket(server.socket, server_side=True)\n"
        "server.serve_forever()\n")
    for node, port in ((world.north, 6443), (world.south, 10250)):
        node.spawn(["python3", script, port, certificate])
        wait_until("it listens", lambda node=node, port=port: f":{port}" in node.run("ss -Hltn"), 20)


CASES = {case.__name__: case for case in (two_machines, stock_peer, full_tunnel, two_full_tunnels, tables, all_or_nothing, imported, guide)}

if __name__ == "__main__":
    sys.exit(run(CASES[sys.argv[1]]))
