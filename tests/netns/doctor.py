#!/usr/bin/env python3
"""`vpn-enabler doctor` on a machine that is broken in one thing (patient.py). Usage: doctor.py CASE"""

import pathlib
import re
import shutil
import sys
import time

from lab import LAB_DIR, Node, check, equal, link, wait_until
from patient import ALICE, GATEWAY_OUTSIDE, NOBODY, PROGRAM, SITE, WEB_PORT, World, run_case
from servers import Elasticsearch, MongoDb


def healthy():
    """Nothing is broken before and while it serves; nothing is changed; all in time; not root: it says what it cannot see."""
    world = World()

    def everything():
        commands = ("nft list ruleset", "ip -4 addr", "ip -4 route show table all", "ip rule", "sysctl -a --pattern ^net\\.ipv[46]\\.(conf|ip_forward)",
                    "sh -c 'cat /proc/net/ip_tables_names; lsmod; ls -lR /run /dev/net'")
        return [world.gateway.run(command, ok=False).stdout for command in commands]
    before = everything()
    begun = time.monotonic()
    code, findings = world.doctor()
    check("it takes less than 3 s", time.monotonic() - begun < 3, f"{time.monotonic() - begun:.2f} s")
    equal("exit code", code, 0)
    equal("what is no more than noted", [name for name, found in findings.items() if found["state"] == "note"], ["gateway"])
    warned = {name for name, found in findings.items() if found["state"] == "warning"}
    check("only the clock of this machine may be warned of", warned <= {"clock"}, warned)
    equal("who will carry", findings["tunnel"]["message"].partition(":")[0], "our own engine will carry the packets")
    equal("what it changed", [now for now, then in zip(everything(), before) if now != then], [])
    check("it made no state directory", not pathlib.Path(world.server.settings["STATE_DIR"]).exists())

    world.serve_well()
    code, findings = world.doctor()
    equal("exit code while it serves", code, 0)
    equal("notes while it serves", [name for name, found in findings.items() if found["state"] == "note"], [])
    equal("the gateway", findings["gateway"]["message"], f"serves, process {world.server.process.pid}")
    check("the UDP port is seen to be read", "is read" in findings["udp_port"]["message"])
    text = world.gateway.run([PROGRAM, "doctor"], env=world.server.settings)
    equal("lines for a person", len(re.findall(r"^(?:ok|note|warning) +[a-z_]+ +\S", text, re.MULTILINE)), len(findings))

    code, findings = world.doctor(*NOBODY)
    equal("exit code for nobody", code, 0)
    for name in ("gateway", "firewall_in", "firewall_through", "capabilities"):
        equal(f"{name} for nobody", (findings[name]["state"], findings[name]["cure"]), ("note", {"command": "sudo vpn-enabler doctor"}))
    world.server.stop()


def settings():
    """A bad setting is a finding, in the words of `serve`; a bad argument is a wrong call; --config counts."""
    world = World(WG_PORT="70000")
    refused = world.gateway.run([PROGRAM, "serve"], env=world.server.settings, ok=False)
    equal("exit code of serve", refused.returncode, 2)
    code, findings = world.doctor()
    equal("exit code", code, 1)
    equal("findings", list(findings), ["settings"])
    check("it says what serve says", findings["settings"]["message"] in refused.stderr, findings["settings"]["message"])
    equal("exit code of a wrong call", world.gateway.run([PROGRAM, "doctor", "--nonsense"], ok=False).returncode, 2)
    file = LAB_DIR / "settings"
    file.write_text("SERVER_IP=10.1.2.3\n")
    world.server.settings = {"STATE_DIR": str(LAB_DIR / "state")}
    _, findings = world.doctor(arguments=["--config", file, "--wg-port", "5555"])
    check("the settings file counts", "10.1.2.3" in findings["server_ip"]["message"])
    check("so do flags", "5555" in findings["udp_port"]["message"])


# --- the kernel's switches and this machine's devices ---

def forwarding():
    """Somebody switches forwarding off, everywhere or at one interface."""
    world = World()
    world.serve_well()
    for name in ("ip_forward", "conf.lan0.forwarding", "conf.wg0.forwarding"):
        world.gateway.run(f"sysctl -qw net.ipv4.{name}=0")
        if "lan0" in name:  # the one that is not the way outside: not looked at, so made to be
            world.gateway.run(f"ip route replace default via {SITE}")
        world.closes("forwarding", f"net.ipv4.{name} is 0")
    world.server.stop()
    world.gateway.run("sysctl -qw net.ipv4.ip_forward=0")
    world.finds("forwarding", "ok", "serve` switches it on")


def rp_filter():
    """Clients call the address of a second uplink and are answered by the first: strict rp_filter drops what they send."""
    world = World()
    other = Node("provider")
    link(world.gateway, "wan1", ["198.51.100.1/24"], other, "gw", ["198.51.100.10/24"])
    link(other, "far", ["192.0.2.1/24"], world.alice, "lte", ["192.0.2.10/24"])
    other.run("sysctl -qw net.ipv4.ip_forward=1")
    world.alice.run("ip route add 198.51.100.0/24 via 192.0.2.1")
    world.gateway.run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.wan1.rp_filter=1")
    world.server.settings["SERVER_IP"] = "198.51.100.1"
    world.serve()
    world.closes("rp_filter", "net.ipv4.conf.wan1.rp_filter", "wan0")
    world.server.stop()


def mtu():
    """The way outside carries less than WG_MTU and the headers: a warning, and the MTU that fits."""
    world = World()
    world.gateway.run("ip link set wan0 mtu 1400")
    world.cure(world.finds("mtu", "warning", "1420", "1340"))
    equal("the setting that fits", world.server.settings["WG_MTU"], "1340")
    world.finds("mtu", "ok", "1340")
    world.serve()
    check("the gateway serves with it", "mtu 1340" in world.gateway.run("ip link show wg0"))
    world.server.stop()


def tun():
    """/dev/net/tun is missing, or something else."""
    world = World(TUNNEL="userspace")
    world.gateway.run("mount -t tmpfs none /dev/net")
    refused = world.gateway.run([PROGRAM, "serve"], env=world.server.settings, ok=False)
    check("serve does not start without it", refused.returncode != 0 and "/dev/net/tun" in refused.stderr, refused.stderr)
    world.heals("tun", "/dev/net/tun is missing")
    world.gateway.run(["sh", "-ec", "rm /dev/net/tun; touch /dev/net/tun"])
    world.heals("tun", "is not the TUN device")
    world.serve_well()
    world.server.stop()


def tunnel():
    """TUNNEL=kernel where there is no such kernel; an interface of that name that is somebody else's."""
    world = World()
    if not pathlib.Path("/sys/module/wireguard").exists():
        world.server.settings["TUNNEL"] = "kernel"
        refused = world.gateway.run([PROGRAM, "serve"], env=world.server.settings, ok=False)
        check("serve does not start", refused.returncode != 0, refused.stderr)
        world.heals("tunnel", "TUNNEL=kernel")
    world.gateway.run("ip link add wg0 type veth peer name other")
    refused = world.gateway.run([PROGRAM, "serve"], env=world.server.settings, ok=False)
    check("serve does not start", refused.returncode != 0, refused.stderr)
    world.heals("tunnel", "interface wg0 already")
    world.server.interface = world.server.settings["WG_INTERFACE"]
    world.serve()
    world.finds("tunnel", "ok", "carries the packets")
    world.gateway.run(f"ip link del {world.server.interface}")
    world.server.process.wait(10)


def capabilities():
    """A root without NET_ADMIN; a port below 1024 without NET_BIND_SERVICE."""
    world = World()
    no_admin = ["setpriv", "--bounding-set", "-net_admin"]
    refused = world.gateway.run([*no_admin, PROGRAM, "serve"], env=world.server.settings, ok=False)
    check("serve does not start", refused.returncode != 0, refused.stderr)
    finding = world.finds("capabilities", "broken", "CAP_NET_ADMIN", prefix=no_admin)
    check("the cure of a container", "--cap-add NET_ADMIN" in finding["cure"]["container"])
    world.finds("capabilities", "ok")
    world.server.settings["WG_PORT"] = "443"
    no_bind = ["setpriv", "--bounding-set", "-net_bind_service"]
    world.finds("capabilities", "broken", "CAP_NET_BIND_SERVICE", "443", prefix=no_bind)
    world.finds("capabilities", "ok", "443")


# --- ports, names, stores ---

LISTEN = """
import signal, socket, sys
family, kind, port = socket.AF_INET, getattr(socket, sys.argv[1]), int(sys.argv[2])
listener = socket.socket(family, kind)
listener.bind(("0.0.0.0", port))
if kind == socket.SOCK_STREAM:
    listener.listen()
print("listens", flush=True)
signal.pause()
"""


def ports():
    """Each port taken by another program; a gateway that is held up; one whose API nobody reaches."""
    world = World()
    for kind, setting, check_name in (("SOCK_DGRAM", "WG_PORT", "udp_port"), ("SOCK_STREAM", "API_PORT", "api_port")):
        taken = {"WG_PORT": 51820, "API_PORT": 3000}[setting]
        holder = world.gateway.spawn([sys.executable, "-c", LISTEN, kind, taken])
        wait_until("the other program listens", lambda: "listens" in holder.log.read_text(), 10)
        refused = world.gateway.run([PROGRAM, "serve"], env=world.server.settings, ok=False)
        check("serve does not start", refused.returncode != 0, refused.stderr)
        world.heals(check_name, f"is taken by python3", f"process {holder.pid}")
        equal("the setting", world.server.settings[setting], str(taken + 1))
    world.serve_well()
    world.finds("udp_port", "ok", "51821")

    world.server.process.send_signal(19)
    _, findings = world.doctor()
    equal("a gateway that is held up", (findings["gateway"]["state"], findings["gateway"]["message"]), ("broken", "listens, and does not answer"))
    equal("its port", (findings["udp_port"]["state"], "does not read" in findings["udp_port"]["message"]), ("broken", True))
    world.server.process.send_signal(18)
    wait_until("the doctor is content when it goes on", lambda: world.doctor()[0] == 0, 10)
    world.server.stop()


def server_ip():
    """SERVER_IP: private (a warning), a name that does not resolve, a name server that hangs; and none at all."""
    world = World(SERVER_IP="10.77.0.1")
    world.finds("server_ip", "warning", "10.77.0.1", "private")
    world.server.settings["SERVER_IP"] = "100.64.1.1"
    world.finds("server_ip", "warning", "carrier-grade NAT")

    world.server.settings["SERVER_IP"] = "vpn.example.org"
    for name, text in (("hosts", "127.0.0.1 localhost\n"), ("resolv.conf", f"nameserver {ALICE}\n")):
        (LAB_DIR / name).write_text(text)
        world.gateway.run(["mount", "--bind", LAB_DIR / name, f"/etc/{name}"])
    world.finds("server_ip", "broken", "vpn.example.org does not resolve")
    world.alice.run("nft -f -", stdin="table ip silent { chain in { type filter hook input priority 0; udp dport 53 drop; }; }")
    begun = time.monotonic()
    world.finds("server_ip", "broken", "do not answer in time")
    check("it waits no longer than 4 s for a name server", time.monotonic() - begun < 4, f"{time.monotonic() - begun:.2f} s")
    (LAB_DIR / "hosts").write_text(f"{GATEWAY_OUTSIDE} vpn.example.org\n")
    world.finds("server_ip", "ok", "vpn.example.org")

    del world.server.settings["SERVER_IP"]
    world.finds("server_ip", "ok", f"{GATEWAY_OUTSIDE} (detected)")
    for interface in ("lan0", "wan0"):
        world.gateway.run(f"ip link set {interface} down")
    refused = world.gateway.run([PROGRAM, "serve"], env=world.server.settings, ok=False)
    check("serve does not start", "SERVER_IP" in refused.stderr, refused.stderr)
    world.cure(world.finds("server_ip", "broken", "no address"))


def store():
    """A state directory that cannot be used, a key that is none, and a MongoDB that is away."""
    world = World()
    state = pathlib.Path(world.server.settings["STATE_DIR"])
    state.write_text("no directory")
    world.finds("state_dir", "broken", "is not a directory")
    state.unlink()
    world.serve()
    world.server.stop()
    world.finds("store", "ok", "clients.db")
    kept = (state / "clients.db").read_bytes()
    (state / "clients.db").write_bytes(b"no database at all, but long enough to look like one")
    world.finds("store", "broken", "is no SQLite database")
    (state / "clients.db").write_bytes(kept)
    (state / "private-key").write_text("no key\n")
    world.finds("state_dir", "broken", "private-key")
    shutil.rmtree(state)

    database = MongoDb(world.site, SITE, members=0)
    world.server.settings.update(database.settings)
    begun = time.monotonic()
    world.finds("store", "broken")
    check("it waits no longer than 4 s for a store", time.monotonic() - begun < 4, f"{time.monotonic() - begun:.2f} s")
    database.start()
    finding = wait_until("the store answers", lambda: (found := world.doctor()[1]["store"])["state"] == "ok" and found, 30)
    check("it is named", "mongodb" in finding["message"], finding["message"])


def ltse():
    """A real LTSE: there, at another's address, away, not to be reached; nothing is made there."""
    world = World()
    store = Elasticsearch(world.site, SITE)
    store.start()
    world.server.settings.update(store.settings)
    right = store.settings["LTSE_URL"]

    def indices():
        return world.site.run(["curl", "-sS", f"{right}/nosql/api/_cat/indices?h=index"]).split()
    finding = world.finds("store", "ok", right)
    equal("what the doctor made there", indices(), [])
    world.serve()
    world.server.stop()
    world.finds("store", "ok", right)

    for wrong, word in ((f"http://{SITE}:{WEB_PORT}", f"{SITE} is not ready (HTTP 501)"), (f"http://{SITE}:8081", f"{SITE}:8081"),
                        (f"https://{SITE}:8080", "does not answer in time"), (f"http://{SITE}:8080/elsewhere", "correct LTSE_URL")):
        world.server.settings["LTSE_URL"] = wrong
        finding = world.finds("store", "broken", word)
        check("its cure tells where to look", "docs/stores.md" in finding["cure"]["advice"], finding)
    world.server.settings["LTSE_URL"] = right
    for away, back in ((store.cut, store.mend), (store.freeze, store.thaw), (store.kill, store.start)):
        away()
        begun = time.monotonic()
        world.finds("store", "broken")
        check("it waits no longer than 4 s for the LTSE", time.monotonic() - begun < 4, f"{time.monotonic() - begun:.2f} s")
        back()
        wait_until("the store answers", lambda: world.doctor()[1]["store"]["state"] == "ok", 60)


if __name__ == "__main__":
    run_case(__doc__, healthy, settings, forwarding, rp_filter, mtu, tun, tunnel, capabilities, ports, server_ip, store, ltse)
