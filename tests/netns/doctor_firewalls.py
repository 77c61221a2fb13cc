#!/usr/bin/env python3
"""`vpn-enabler doctor` where other people's firewalls shut clients out (patient.py). Usage: doctor_firewalls.py CASE"""

from lab import LAB_DIR, check, equal, wait_until
from patient import World, run_case, shut_by_iptables
from product import SOURCE_DIR

FIREWALLS = SOURCE_DIR / "build/firewalls"


def served():
    world = World()
    world.serve_well()
    return world


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
    world.reconnect()
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
    shut_by_iptables(served(), program, "icmp", "192.0.2.0/24", ("firewall_in", "firewall_through"), "wg0 to wan0")


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
    world.reconnect()
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
    world.reconnect()
    _, findings = world.doctor()
    for name in ("firewall_in", "firewall_through"):
        equal(f"{name} with firewalld", (findings[name]["state"], findings[name]["message"].partition(" drops ")[0]), ("broken", "firewalld"))
    check("alice does not get through", not world.reaches())
    world.cure(findings["firewall_in"])
    world.closes("firewall_through", "firewalld drops", "table inet firewalld")
    world.server.stop()


if __name__ == "__main__":
    run_case(__doc__, nftables, partly, iptables_nft, iptables_legacy, docker, ufw, firewalld)
