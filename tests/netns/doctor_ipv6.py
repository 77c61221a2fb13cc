#!/usr/bin/env python3
"""`vpn-enabler doctor` where the VPN has IPv6, or is called by it, and that is broken in one thing (patient.py). Usage: doctor_ipv6.py CASE

    site fd77::10 ======== gateway ======== alice 2001:db8:1::10
                   fd77::1      2001:db8:1::1, the default route            (beside the IPv4 addresses of patient.py)
"""

import sys

from lab import LAB_DIR, check, equal, wait_until
from patient import PROGRAM, WEB_PORT, World, run_case, shut_by_iptables

SITE6, GATEWAY6_OUTSIDE, ALICE6 = "fd77::10", "2001:db8:1::1", "2001:db8:1::10"
CHECKS = {"ipv6", "forwarding6", "firewall6_in", "firewall6_through"}


class Ipv6World(World):
    """The drawing above; clients have IPv6 in the VPN, and call the gateway by it."""

    def __init__(self, **settings):
        super().__init__(**{"WG_SUBNET6": "fd00:2::1/64", "SERVER_IP": GATEWAY6_OUTSIDE, "WG_MTU": "1400", **settings})
        for node, interface, address in ((self.gateway, "lan0", "fd77::1"), (self.site, "lan", SITE6),
                                         (self.gateway, "wan0", GATEWAY6_OUTSIDE), (self.alice, "wifi", ALICE6)):
            node.run(f"ip addr add {address}/64 dev {interface} nodad")
        self.gateway.run(f"ip route add default via {ALICE6}")
        self.site.spawn([sys.executable, "-u", "-m", "http.server", "--bind", SITE6, "--directory", LAB_DIR, str(WEB_PORT)])
        wait_until("the site's web server listens to IPv6", lambda: "[fd77::10]" in self.site.run(f"ss -6Hltn sport = {WEB_PORT}"), 10)

    def reaches(self):
        """Whether the site's web server answers alice by IPv6."""
        return self.alice.run(["curl", "--silent", "--output", "/dev/null", "--max-time", "2", f"http://[{SITE6}]:{WEB_PORT}/"],
                              ok=False).returncode == 0


def served(**settings):
    world = Ipv6World(**settings)
    world.serve_well()
    return world


def ipv6():
    """Nothing is broken before and while it serves; IPv6 is looked at where it is asked for, and nowhere else."""
    world = Ipv6World()
    for when in ("before", "while"):
        code, findings = world.doctor()
        equal(f"exit code {when} it serves", code, 0)
        equal(f"checks of IPv6 {when} it serves", {name: findings[name]["state"] for name in CHECKS}, dict.fromkeys(CHECKS, "ok"))
        if when == "before":
            world.serve_well()
    world.server.stop()
    world.server.settings["SERVER_IP"] = "203.0.113.1"
    _, findings = world.doctor()
    equal("checks without an IPv6 SERVER_IP", CHECKS & set(findings), CHECKS - {"firewall6_in"})
    del world.server.settings["WG_SUBNET6"]
    _, findings = world.doctor()
    equal("checks without IPv6", CHECKS & set(findings), set())


def ipv6_forwarding():
    """Somebody switches IPv6 forwarding off."""
    world = served()
    world.gateway.run("sysctl -qw net.ipv6.conf.all.forwarding=0")
    world.closes("forwarding6", "net.ipv6.conf.all.forwarding is 0", "by IPv6")
    world.server.stop()


def ipv6_disabled():
    """IPv6 is switched off for interfaces to come, as container runtimes do: `serve` switches it on where it may."""
    world = Ipv6World()
    world.gateway.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.disable_ipv6=1")
    world.finds("ipv6", "ok", "serve` switches it on")
    world.gateway.run("mount --bind /proc/sys /proc/sys")
    world.gateway.run("mount -o remount,ro,bind /proc/sys")
    refused = world.gateway.run([PROGRAM, "serve"], env=world.server.settings, ok=False)
    check("serve does not start where it may not", refused.returncode != 0 and "disable_ipv6" in refused.stderr, refused.stderr)
    _, findings = world.doctor()
    finding = findings["ipv6"]
    check("it is broken, and named", finding["state"] == "broken" and "net.ipv6.conf.default.disable_ipv6 is 1" in finding["message"], finding)
    check("the cure of a container", "--sysctl net.ipv6.conf.all.disable_ipv6=0" in finding["cure"]["container"])
    world.gateway.run("umount /proc/sys")
    world.cure(finding)
    world.finds("ipv6", "ok", "leaves by wan0")
    world.serve_well()
    world.server.stop()


def ipv6_route():
    """No IPv6 route to the outside; one that a router told of, and that will run out."""
    world = served()
    world.gateway.run("ip -6 route del default")
    world.gateway.run("ip -6 route del 2001:db8:1::/64 dev wan0")
    check("alice does not get through", not world.reaches())
    world.finds("ipv6", "broken", "no IPv6 route", "cannot answer")
    world.gateway.run("ip -6 route add 2001:db8:1::/64 dev wan0")
    world.gateway.run(f"ip -6 route add default via {ALICE6} proto ra")
    wait_until("alice gets through", world.reaches, 20)
    world.gateway.run("sysctl -qw net.ipv6.conf.wan0.accept_ra=1")
    world.cure(world.finds("ipv6", "warning", "net.ipv6.conf.wan0.accept_ra is 1", "wan0"))
    world.finds("ipv6", "ok")
    world.server.stop()
    world.server.settings["SERVER_IP"] = "203.0.113.1"
    world.gateway.run("ip -6 route del default proto ra")
    world.finds("ipv6", "note", "the site alone")


def ipv6_mtu():
    """Clients call by IPv6, whose header is larger: what fits beside IPv4 does not fit."""
    world = Ipv6World(WG_MTU="1420")
    world.gateway.run("ip link set wan0 mtu 1480")
    world.cure(world.finds("mtu", "warning", "1420", "1400"))
    world.finds("mtu", "ok", "1400")
    world.serve_well()
    world.server.stop()


def ipv6_nftables():
    """A table for IPv6 alone, and one for both families that asks for the family."""
    world = served()
    world.gateway.run("nft -f -", stdin="""
        table ip6 mine {
          set lan { type ipv6_addr; flags interval; elements = { fc00::/7 }; }
          chain input { type filter hook input priority filter; policy drop;
            iifname "lo" accept
            ct state established,related accept
            meta l4proto ipv6-icmp accept
            ip6 saddr @lan tcp dport 22 accept
          }
        }
        table inet both {
          chain forward { type filter hook forward priority 10;
            meta nfproto ipv6 ct state new counter reject with icmpv6 admin-prohibited
          }
        }""")
    world.reconnect()
    _, findings = world.doctor()
    equal("IPv4 is as open as it was", [findings[name]["state"] for name in ("firewall_in", "firewall_through")], ["ok", "ok"])
    finding = findings["firewall6_in"]
    check("the way in", finding["state"] == "broken" and "table ip6 mine, chain input, by its policy" in finding["message"], finding["message"])
    check("alice does not get through", not world.reaches())
    world.cure(finding)
    world.closes("firewall6_through", "an nftables rule drops", "wg0 to wan0, IPv6", "table inet both, chain forward")
    world.server.stop()


def iptables(program):
    shut_by_iptables(served(), program, "ipv6-icmp", "fd00:2::/64", ("firewall6_in", "firewall6_through"), "wg0 to wan0, IPv6")


def ip6tables_nft():
    """ip6tables over nf_tables, Debian's default."""
    iptables("ip6tables-nft")


def ip6tables_legacy():
    """ip6tables-legacy, which nft does not show."""
    iptables("ip6tables-legacy")


if __name__ == "__main__":
    run_case(__doc__, ipv6, ipv6_forwarding, ipv6_disabled, ipv6_route, ipv6_mtu, ipv6_nftables, ip6tables_nft, ip6tables_legacy)
