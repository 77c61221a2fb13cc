"""The small Internet on which story.py, crowd.py and machine.py play.

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

A link has a name only here: the program knows none.
"""

import re
import sys

from lab import LAB_DIR, Node, Ping, check, equal, link, wait_until
from product import Gateway

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
