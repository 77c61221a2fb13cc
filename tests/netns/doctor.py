#!/usr/bin/env python3
"""`vpn-enabler doctor` on machines that are broken, one thing at a time. Usage: doctor.py CASE

    site 10.77.0.10 ======== gateway ======== alice 203.0.113.10
                    10.77.0.1       203.0.113.1, the default route

Each case breaks one thing for real and sees that it is: clients do not get through, or the gateway does not start. The doctor must name it and
give a cure; the cure is done as it is printed, a command by a shell, a setting by a new start; then the doctor must be content and the thing
whole. The clock is not among them: no namespace moves it (src/doctor/checks_test.cc).
"""

import json
import pathlib
import re
import shutil
import sys
import time

from lab import LAB_DIR, Node, check, equal, link, run, wait_until
from product import BUILD_DIR, SOURCE_DIR, Gateway, WgQuick
from servers import MongoDb

SITE, GATEWAY_OUTSIDE, ALICE = "10.77.0.10", "203.0.113.1", "203.0.113.10"
FIREWALLS = SOURCE_DIR / "build/firewalls"
WEB_PORT = 80
PROGRAM = BUILD_DIR / "vpn-enabler"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


class World:
    """The drawing above, with a gateway of these settings that does not serve yet."""

    def __init__(self, **settings):
        for name in ("site", "gateway", "alice"):
            setattr(self, name, Node(name))
        link(self.gateway, "lan0", ["10.77.0.1/24"], self.site, "lan", [f"{SITE}/24"])
        link(self.gateway, "wan0", [f"{GATEWAY_OUTSIDE}/24"], self.alice, "wifi", [f"{ALICE}/24"])
        self.gateway.run(f"ip route add default via {ALICE}")
        self.site.spawn([sys.executable, "-u", "-m", "http.server", "--directory", LAB_DIR, str(WEB_PORT)])
        wait_until("the site's web server listens", lambda: self.site.run(f"ss -Hltn sport = {WEB_PORT}"), 10)
        self.server = Gateway(self.gateway, **{"SERVER_IP": GATEWAY_OUTSIDE, **settings})

    def serve(self):
        """Starts the gateway, and connects alice."""
        self.server.start()
        text = self.server.cli("client add alice")
        self.tunnel = WgQuick(self.alice, text)
        self.tunnel.up()

    def reaches(self):
        """Whether the site's web server answers alice. (A ping is let through by firewalls that close all else.)"""
        return self.alice.run(["curl", "--silent", "--output", "/dev/null", "--max-time", "2", f"http://{SITE}:{WEB_PORT}/"], ok=False).returncode == 0

    # --- the doctor ---

    def doctor(self, *prefix, arguments=()):
        """Asks it; gives the exit code and its findings by their names."""
        done = self.gateway.run([*prefix, PROGRAM, "doctor", "--json", *arguments], env=self.server.settings, ok=False)
        if not done.stdout:
            raise AssertionError(f"the doctor says nothing, but on stderr: {done.stderr}")
        report = json.loads(done.stdout)
        findings = report["findings"]
        equal("names of checks are told once", len({finding["check"] for finding in findings}), len(findings))
        broken = sum(finding["state"] == "broken" for finding in findings)
        equal("the count and the exit code say whether something is broken", (report["broken"], done.returncode), (broken, int(broken > 0)))
        return done.returncode, {finding["check"]: finding for finding in findings}

    def finds(self, name, state, *words, prefix=()):
        """The doctor's finding of that name is in this state and says these words, and nothing else is broken, but that the gateway
        itself may say so too; gives it."""
        _, findings = self.doctor(*prefix)
        finding = findings[name]
        if finding["state"] != state or not all(word in finding["message"] for word in words):
            raise AssertionError(f"{name} is to be {state} with {words}: {json.dumps(finding)}")
        print(f"  ok  {name} is {state}: {finding['message']}", flush=True)
        others = {other: found["message"] for other, found in findings.items() if found["state"] == "broken" and other not in (name, "gateway")}
        equal(f"what else is broken than {name}", others, {})
        return finding

    def cure(self, finding):
        """Does what the cure says: the command in a shell, or the setting at the next start."""
        [(kind, text)] = [(kind, text) for kind, text in finding["cure"].items() if kind != "container"]
        print(f"      cure: {text}", flush=True)
        if kind == "command":
            self.gateway.run(["sh", "-ec", text], env={"HOME": "/root"}, seconds=60)
        elif kind == "setting":
            name, _, value = text.partition("=")
            self.server.settings[name] = value
        else:
            raise AssertionError(f"{finding['check']}: advice is not to be done by a test: {text}")

    def heals(self, name, *words):
        """It is broken as these words say; its cure makes it ok."""
        self.cure(self.finds(name, "broken", *words))
        self.finds(name, "ok")

    def closes(self, name, *words):
        """Alice, who was connected, is shut out as these words say; the cure lets her in."""
        check("alice does not get through", not self.reaches())
        self.heals(name, *words)
        wait_until("alice gets through", self.reaches, 30)


# --- a machine with nothing wrong ---

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

    world.serve()
    wait_until("alice gets through", world.reaches, 20)
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
    world.serve()
    wait_until("alice gets through", world.reaches, 20)
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
    world.serve()
    wait_until("alice gets through", world.reaches, 20)
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
    world.serve()
    wait_until("alice gets through", world.reaches, 20)
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


# --- other people's firewalls ---

def served():
    world = World()
    world.serve()
    wait_until("alice gets through", world.reaches, 20)
    return world


def reconnect(world):
    """Alice as she is the first time: her session, and what conntrack knows of it, forgotten."""
    world.tunnel.down()
    world.gateway.run("conntrack -F", ok=False)
    world.tunnel.up()


def nftables():
    """Tables of nftables: a policy, a chain that is jumped to, sets and maps, and one for IPv4 and IPv6."""
    world = served()
    world.gateway.run("nft -f -", stdin="""
        table inet mine {
          set lan { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.0/24 }; }
          chain input { type filter hook input priority filter; policy drop;
            iifname "lo" accept
            ct state vmap { established : accept, related : accept, invalid : drop }
            meta l4proto { icmp, ipv6-icmp } accept
            tcp dport { 22, 80-90 } accept
          }
          chain strangers {
            ip saddr @lan accept
            counter reject with icmpx admin-prohibited
          }
          chain forward { type filter hook forward priority 10;
            ct state established,related accept
            iifname vmap { "lo" : accept, "lan0" : accept, "wg0" : goto strangers }
          }
        }""")
    reconnect(world)
    _, findings = world.doctor()
    equal("both ways are closed", [findings[name]["state"] for name in ("firewall_in", "firewall_through")], ["broken", "broken"])
    check("the place", "table inet mine, chain input, by its policy" in findings["firewall_in"]["message"], findings["firewall_in"]["message"])
    check("alice does not get through", not world.reaches())
    world.cure(findings["firewall_in"])
    world.closes("firewall_through", "an nftables rule drops", "wg0 to wan0", "table inet mine, chain strangers")
    world.server.stop()


def partly():
    """Rules of which nobody can say what they drop of ours are a note, and no more."""
    world = served()
    world.gateway.run("nft -f -", stdin="""
        table ip mine {
          chain forward { type filter hook forward priority 0; policy drop;
            iifname "wg0" ip daddr 10.77.0.0/24 accept
            ct state established accept
          }
        }""")
    check("alice gets through", world.reaches())
    _, findings = world.doctor()
    equal("it is noted", findings["firewall_through"]["state"], "note")
    world.server.stop()


def iptables(program):
    """FORWARD and INPUT with the policy DROP, as administrators write them."""
    world = served()
    for rule in ("-P FORWARD DROP", "-A FORWARD -i lan0 -o lan0 -j ACCEPT", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                 "-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -p icmp -j ACCEPT",
                 "-A INPUT -p tcp -m multiport --dports 22,80:90 -j ACCEPT", "-N spoofed", "-A INPUT -s 192.0.2.0/24 -j spoofed",
                 "-A spoofed -m limit --limit 3/min -j LOG", "-A spoofed -j DROP"):
        world.gateway.run(f"{program} {rule}")
    reconnect(world)
    _, findings = world.doctor()
    where = "iptables-legacy table" if program == "iptables-legacy" else "table ip"
    for name, chain in (("firewall_in", "INPUT"), ("firewall_through", "FORWARD")):
        finding = findings[name]
        check(f"{name} is broken and its place named", finding["state"] == "broken" and f"{where} filter, chain {chain}, by its policy" in finding["message"],
              finding["message"])
    check("alice does not get through", not world.reaches())
    world.cure(findings["firewall_in"])
    world.closes("firewall_through", "wg0 to wan0")
    world.server.stop()


def iptables_nft():
    """iptables over nf_tables, Debian's default."""
    iptables("iptables-nft")


def iptables_legacy():
    """iptables-legacy, which nft does not show."""
    iptables("iptables-legacy")


def docker():
    """The chains that Docker makes (iptables-save of Docker 27 with its default bridge): FORWARD drops."""
    world = served()
    world.gateway.run("iptables-restore", stdin="""*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
""")
    world.closes("firewall_through", "Docker's rules drop", "table ip filter, chain FORWARD, by its policy")
    check("the cure is where Docker keeps an administrator's rules", "-i wg0 -j ACCEPT" in world.gateway.run("iptables -S DOCKER-USER"))
    world.server.stop()


def unpack_firewalls(node):
    """Lays ufw and firewalld over the node's /usr and /etc, the machine's own below them as they are (firewalls.sh)."""
    for name in ("upper", "work"):
        (LAB_DIR / name).mkdir()
    node.run(f"mount -t overlay -o lowerdir={FIREWALLS}/etc:/etc,upperdir={LAB_DIR}/upper,workdir={LAB_DIR}/work none /etc")
    node.run(f"mount -t overlay -o lowerdir={FIREWALLS}/usr:/usr none /usr")


def ufw():
    """ufw, enabled with its defaults."""
    world = served()
    unpack_firewalls(world.gateway)
    world.gateway.run("ufw --force enable", seconds=60)
    reconnect(world)
    _, findings = world.doctor()
    for name in ("firewall_in", "firewall_through"):
        equal(f"{name} with ufw", (findings[name]["state"], findings[name]["message"].partition(" drops ")[0]), ("broken", "ufw"))
    check("alice does not get through", not world.reaches())
    world.cure(findings["firewall_in"])
    world.closes("firewall_through", "ufw drops", "chain FORWARD")
    world.server.stop()


def firewalld():
    """firewalld, with its defaults, on a bus of its own."""
    world = served()
    unpack_firewalls(world.gateway)
    world.gateway.run(["sh", "-ec", "mkdir -p /run/dbus; dbus-daemon --system --fork --nopidfile"])
    world.gateway.spawn("firewalld --nofork --nopid")
    wait_until("firewalld runs", lambda: world.gateway.run("firewall-cmd --state", ok=False).returncode == 0, 60)
    reconnect(world)
    _, findings = world.doctor()
    for name in ("firewall_in", "firewall_through"):
        equal(f"{name} with firewalld", (findings[name]["state"], findings[name]["message"].partition(" drops ")[0]), ("broken", "firewalld"))
    check("alice does not get through", not world.reaches())
    world.cure(findings["firewall_in"])
    world.closes("firewall_through", "firewalld drops", "table inet firewalld")
    world.server.stop()


CASES = {case.__name__: case for case in (healthy, settings, forwarding, rp_filter, mtu, tun, tunnel, capabilities, ports, server_ip, store,
                                          nftables, partly, iptables_nft, iptables_legacy, docker, ufw, firewalld)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CASES:
        print(__doc__ + "\nCases:\n" + "\n".join(f"    {name:15}{case.__doc__}" for name, case in CASES.items()))
        sys.exit(2)
    sys.exit(run(CASES[sys.argv[1]]))
