#!/usr/bin/env python3
"""vpn-engine against Debian's wireguard-go and against itself, configured by stock `wg`. Usage: engine.py CASE

    west ================================= east
    10.9.0.1, 2001:db8:9::1   veth   10.9.0.2, 2001:db8:9::2
    tun0: 10.8.0.1, fd00:8::1        tun0: 10.8.0.2, fd00:8::2

lab.py says why nothing of a run can be left behind or meet another run.
"""

import pathlib
import sys
import time
from itertools import chain, islice

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "netns"))

from lab import LAB_DIR, Node, alive, check, equal, link, run, wait_until  # noqa: E402
from product import ENGINE, STOCK, random_key  # noqa: E402

TRANSFER = pathlib.Path(__file__).resolve().parent / "transfer.py"
OUTER = {"west": ("10.9.0.1", "2001:db8:9::1"), "east": ("10.9.0.2", "2001:db8:9::2")}
INNER = {"west": ("10.8.0.1", "fd00:8::1"), "east": ("10.8.0.2", "fd00:8::2")}
IPV4, IPV6 = 0, 1


class Peer:
    """One end: a node whose tun0 is served by `program`, with ENGINE_OFFLOADS and ENGINE_WORKERS as given."""

    def __init__(self, name, program, offloads, workers):
        self.name, self.program = name, program
        self.environment = {"ENGINE_OFFLOADS": offloads, "ENGINE_WORKERS": workers}
        self.node = Node(name)

    def start(self):
        self.node.run([self.program, "tun0"], env=self.environment)
        self.node.run("ip link set tun0 mtu 1420 up")
        self.node.run(f"ip addr add {INNER[self.name][IPV4]}/24 dev tun0")
        self.node.run(f"ip addr add {INNER[self.name][IPV6]}/64 dev tun0 nodad")
        key = self.node.run("wg genkey")
        self.public_key = self.node.run("wg pubkey", stdin=key).strip()
        self.node.run("wg set tun0 private-key /dev/stdin", stdin=key)

    def show(self, what):
        return self.node.run(f"wg show tun0 {what}").strip()


class World:
    """The drawing above; the ends know each other, west calls east over the outer family given."""

    def __init__(self, west=ENGINE, east=ENGINE, outer=IPV4, offloads=("all", "all"), workers="auto"):
        self.west, self.east = Peer("west", west, offloads[0], workers), Peer("east", east, offloads[1], workers)
        link(self.west.node, "veth", [f"{OUTER['west'][IPV4]}/24", f"{OUTER['west'][IPV6]}/64"],
             self.east.node, "veth", [f"{OUTER['east'][IPV4]}/24", f"{OUTER['east'][IPV6]}/64"])
        self.west.start()
        self.east.start()
        preshared = self.west.node.run("wg genpsk")
        address = OUTER["east"][outer]
        endpoint = f"[{address}]:51820" if outer == IPV6 else f"{address}:51820"
        self.east.node.run(["wg", "set", "tun0", "listen-port", "51820", "peer", self.west.public_key, "preshared-key",
                            "/dev/stdin", "allowed-ips", f"{INNER['west'][IPV4]}/32,{INNER['west'][IPV6]}/128"], stdin=preshared)
        self.west.node.run(["wg", "set", "tun0", "peer", self.east.public_key, "preshared-key", "/dev/stdin", "allowed-ips",
                            f"{INNER['east'][IPV4]}/32,{INNER['east'][IPV6]}/128", "endpoint", endpoint], stdin=preshared)


def pings(node, target, count=5, extra=""):
    # Having sent the last, ping waits for as long as its interval: a quarter of a second, for a loaded machine.
    report = node.run(f"ping -n -c {count} -i 0.25 -W 3 {extra} {target}", ok=False, seconds=60).stdout
    check(f"{count} pings {node.name} -> {target} {extra}", f" {count} received" in report, report.splitlines()[-2:])


def transfers(sender, receiver, address, port, mebibytes=100):
    server = receiver.node.spawn([sys.executable, TRANSFER, "serve", address, str(port)])
    wait_until("the server listens", lambda: receiver.node.run(f"ss -Hltn sport = {port}"), 10)
    begun = time.monotonic()
    sent = sender.node.run([sys.executable, TRANSFER, "send", address, str(port), str(mebibytes)], seconds=60)
    server.wait(30)
    equal(f"{mebibytes} MiB {sender.name} -> {receiver.name} {address} intact ({time.monotonic() - begun:.1f} s)",
          server.log.read_text(), sent)


def talks(west, east, workers="auto"):
    """Traffic of every kind between two programs, over both outer families."""
    for outer, what in ((IPV4, "IPv4"), (IPV6, "IPv6")):
        print(f"-- outer {what}")
        world = World(west, east, outer, workers=workers)
        for inner in (IPV4, IPV6):
            pings(world.west.node, INNER["east"][inner])
            pings(world.east.node, INNER["west"][inner])
            transfers(world.west, world.east, INNER["east"][inner], 5001)
            transfers(world.east, world.west, INNER["west"][inner], 5002)
        check("wg shows the handshake", int(world.west.show("latest-handshakes").split()[1]) > time.time() - 60)
        received, sent = map(int, world.west.show("transfer").split()[1:])
        check("wg shows what passed", min(received, sent) > 200 * 2**20, (received, sent))
        endpoint = world.east.show("endpoints").split()[1]
        check("east learned where west is", OUTER["west"][outer] in endpoint, endpoint)


def ours_to_stock():
    talks(ENGINE, STOCK)


def stock_to_ours():
    talks(STOCK, ENGINE)


def ours_to_ours():
    talks(ENGINE, ENGINE, workers="4")


def mtu_edges():
    """Packets of exactly the MTU pass whole; an outer link that is too small fragments them, and nothing is lost."""
    for program in (STOCK, ENGINE):
        world = World(ENGINE, program)
        pings(world.west.node, INNER["east"][IPV4], extra="-M do -s 1392")  # 1420 with its headers
        pings(world.west.node, INNER["east"][IPV6], extra="-M do -s 1372")
        pings(world.east.node, INNER["west"][IPV4], extra="-M do -s 1391")
        for peer in (world.west, world.east):
            peer.node.run("ip link set veth mtu 1300")
        pings(world.west.node, INNER["east"][IPV4], extra="-M do -s 1392")
        transfers(world.west, world.east, INNER["east"][IPV4], 5003, 20)
        transfers(world.east, world.west, INNER["west"][IPV6], 5004, 20)
        for peer in (world.west, world.east):
            peer.node.run("ip link set tun0 mtu 1280")
        pings(world.west.node, INNER["east"][IPV4], extra="-M do -s 1252")
        transfers(world.west, world.east, INNER["east"][IPV4], 5005, 20)


def largest():
    """Packets of the largest MTU pass whole, in datagrams as large as UDP has them."""
    world = World()
    for peer in (world.west, world.east):
        peer.node.run("ip link set veth mtu 65535")
        peer.node.run("ip link set tun0 mtu 65475")
    for address in (INNER["east"][IPV4], INNER["east"][IPV6]):
        header = 48 if ":" in address else 28
        pings(world.west.node, address, 3, f"-M do -s {65475 - header}")
        pings(world.west.node, address, 3, f"-M do -s {65474 - header}")
    transfers(world.west, world.east, INNER["east"][IPV4], 5006, 20)


def offloads():
    """ENGINE_OFFLOADS switches them off at one end, at both, or one of them; the log says which are on."""
    for ends in (("none", "all"), ("all", "none"), ("none", "none"), ("no-uso,no-gro", "gso")):
        print(f"-- west {ends[0]}, east {ends[1]}")
        world = World(offloads=ends)
        for inner in (IPV4, IPV6):
            pings(world.west.node, INNER["east"][inner], 2)
            transfers(world.west, world.east, INNER["east"][inner], 5001, 20)
            transfers(world.east, world.west, INNER["west"][inner], 5002, 20)
    node = Node("machine")
    engine = node.spawn([ENGINE, "tun0", "-f"], env={"ENGINE_OFFLOADS": "no-uso", "LOG_LEVEL": "verbose"})
    wait_until("the socket answers", lambda: node.run("wg show tun0", ok=False).returncode == 0, 5)
    check("the log says which are on", "offloads interface=tun0 tso=on uso=off gso=on gro=on" in engine.log.read_text(),
          engine.log.read_text())
    refused = node.run(["env", "ENGINE_OFFLOADS=lro", ENGINE, "tun1"], ok=False)
    check("another word is refused, with a right one", refused.returncode == 2 and "for example ENGINE_OFFLOADS=" in refused.stderr,
          refused.stderr.strip())


def unreachable():
    """The sender is told at once that nobody has the destination, and that a peer's address is not known."""
    world = World()
    world.east.node.run(["wg", "set", "tun0", "peer", world.west.public_key, "allowed-ips", "10.8.0.1/32,10.8.0.77/32"])
    for node, target in ((world.west.node, "10.8.0.99"), (world.west.node, "fd00:8::99"), (world.east.node, "10.8.0.77")):
        report = node.run(f"ping -n -c 1 -W 5 {target}", ok=False).stdout
        check(f"{node.name} hears that {target} is unreachable", "Unreachable" in report or "unreachable" in report, report)


def listeners(node, port):
    """How many sockets listen on a UDP port, of IPv4 and of IPv6."""
    addresses = [line.split()[3] for line in node.run(f"ss -Hlun sport = {port}").splitlines()]
    return sum(a.startswith("0.0.0.0:") for a in addresses), sum(a.startswith("[::]:") for a in addresses)


def ports():
    """Ports open with the link and close with it; a taken port is refused and changes nothing."""
    world = World(workers="3")
    west = world.west.node
    pings(west, INNER["east"][IPV4], 1)
    port = world.west.show("listen-port")
    equal("workers on the free port, by family", listeners(west, port), (3, 3))
    west.run("ip link set tun0 down")
    wait_until("the port closes with the link", lambda: not west.run(f"ss -Hlun sport = {port}"), 5)
    west.run("ip link set tun0 up")
    wait_until("the same port opens with it", lambda: west.run(f"ss -Hlun sport = {port}"), 5)
    pings(west, INNER["east"][IPV4], 3)
    holder = west.spawn([sys.executable, "-c", "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
                         " s.bind(('', 7777)); time.sleep(1000)"])
    wait_until("port 7777 is taken", lambda: west.run("ss -Hlun sport = 7777"), 5)
    refused = west.run(["wg", "set", "tun0", "listen-port", "7777", "fwmark", "5"], ok=False)
    check("a taken port is refused", refused.returncode == 1 and "in use" in refused.stderr, refused.stderr.strip())
    equal("the port stays", world.west.show("listen-port"), port)
    equal("the fwmark stays", world.west.show("fwmark"), "off")
    holder.kill()
    west.run(["wg", "set", "tun0", "listen-port", "7778", "fwmark", "5"])
    pings(west, INNER["east"][IPV4], 3)
    equal("workers on the new one", listeners(west, 7778), (3, 3))
    wait_until("east follows", lambda: world.east.show("endpoints").endswith(":7778"), 5)


def containers():
    """The interface moves into another namespace, its sockets stay: the container has nothing but the tunnel."""
    world = World()
    container = Node("container")
    world.west.node.run(f"ip link set tun0 netns {container.pid}")
    container.run("ip addr add 10.8.0.1/24 dev tun0")
    container.run("ip link set tun0 up")
    pings(container, INNER["east"][IPV4])
    [pid] = world.west.node.pids("vpn-engine")
    container.run("ip link set tun0 down")
    port = world.west.show("listen-port")
    wait_until("the sockets close with the link", lambda: not world.west.node.run(f"ss -Hlun sport = {port}"), 5)
    container.run("ip link del tun0")
    wait_until("the engine ends with its interface", lambda: not alive(pid), 5)


def environment():
    """wireguard-go's variables: the foreground, and a TUN device and a socket that another program opened."""
    node = Node("machine")
    foreground = node.spawn([ENGINE, "tun0"], env={"WG_PROCESS_FOREGROUND": "1"})
    wait_until("the socket answers", lambda: node.run("wg show tun0", ok=False).returncode == 0, 5)
    check("it is the process that was started", alive(foreground.pid))
    foreground.terminate()
    equal("SIGTERM ends it", foreground.wait(5), 0)
    check("the interface is gone", node.run("ip link show tun0", ok=False).returncode != 0)
    failed = node.run([ENGINE, "lo"], ok=False)
    check("an interface that exists is refused, with the reason", failed.returncode == 1 and "exists" in failed.stderr,
          failed.stderr.strip())

    opener = """
import fcntl, os, socket, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"handed", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
uapi = socket.socket(socket.AF_UNIX)
uapi.bind("/var/run/wireguard/handed.sock")
uapi.listen()
for fd in (tun, uapi.fileno()):
    os.set_inheritable(fd, True)
os.execve(sys.argv[1], [sys.argv[1], "handed", "-f"],
          {**os.environ, "WG_TUN_FD": str(tun), "WG_UAPI_FD": str(uapi.fileno())})
"""
    handed = node.spawn([sys.executable, "-c", opener, ENGINE])
    wait_until("the socket that was handed over answers", lambda: node.run("wg show handed", ok=False).returncode == 0, 5)
    node.run("wg set handed listen-port 4000")
    handed.terminate()
    equal("SIGTERM ends it", handed.wait(5), 0)


def thousands_of_peers():
    """30,000 peers set, shown, exchanged and removed by stock `wg`. Another engine overflowed its stack near 24,000; ours has
    stacks of 1 MiB here, too small for a call that goes 35 bytes deeper with each peer."""
    count = 30_000
    node = Node("machine")
    engine = node.spawn(["prlimit", f"--stack={2**20}", ENGINE, "tun0", "--foreground"])
    wait_until("the socket answers", lambda: node.run("wg show tun0", ok=False).returncode == 0, 5)
    conf = LAB_DIR / "peers.conf"
    patience = 120  # under a sanitizer

    def wg(*words):
        return node.run(["wg", *words], seconds=patience)

    def new_peers():
        return {random_key(): f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}/32" for i in range(count)}

    def configure(how, peers):
        conf.write_text("".join(f"[Peer]\nPublicKey = {key}\nAllowedIPs = {address}\n" for key, address in peers.items()))
        begun = time.monotonic()
        wg(how, "tun0", conf)
        rows = [line.split("\t") for line in wg("show", "tun0", "dump").splitlines()[1:]]
        equal(f"wg {how}, then wg show dump: {len(peers)} peers ({time.monotonic() - begun:.1f} s)",
              {row[0]: row[3] for row in rows}, peers)

    first, second = new_peers(), new_peers()
    configure("setconf", first)
    configure("setconf", second)  # all of the first go, and their addresses move
    mixed = dict(islice(second.items(), count // 2)) | dict(islice(first.items(), count // 2, None))
    configure("syncconf", mixed)
    configure("setconf", {})
    configure("addconf", first)
    removed = list(islice(first, count // 3))  # what a command line holds
    wg("set", "tun0", *chain.from_iterable(("peer", key, "remove") for key in removed))
    equal("wg set removes a third", set(wg("show", "tun0", "peers").split()), set(first) - set(removed))
    wg("set", "tun0", *chain.from_iterable(("peer", key, "allowed-ips", first[key]) for key in removed))
    equal("wg set brings it back", set(wg("show", "tun0", "peers").split()), set(first))
    engine.terminate()
    equal("SIGTERM ends the engine and its 30,000 peers", engine.wait(patience), 0)


if __name__ == "__main__":
    cases = {case.__name__: case for case in (ours_to_stock, stock_to_ours, ours_to_ours, mtu_edges, largest, offloads, unreachable,
                                              ports, containers, environment, thousands_of_peers)}
    if len(sys.argv) != 2 or sys.argv[1] not in cases:
        print(__doc__ + "\ncases: " + " ".join(cases))
        sys.exit(2)
    sys.exit(run(cases[sys.argv[1]]))
