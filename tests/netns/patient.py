"""`vpn-enabler doctor` on machines that are broken, one thing at a time: the world of the scripts that do so.

    site 10.77.0.10 ======== gateway ======== alice 203.0.113.10
                    10.77.0.1       203.0.113.1, the default route

Each case breaks one thing for real and sees that it is: clients do not get through, or the gateway does not start. The doctor must name it and
give a cure; the cure is done as it is printed, a command by a shell, a setting by a new start; then the doctor must be content and the thing
whole. The clock is not among them: no namespace moves it (src/doctor/checks_test.cc).
"""

import json
import sys

from lab import LAB_DIR, Node, check, equal, link, run, wait_until
from product import BUILD_DIR, Gateway, WgQuick

SITE, GATEWAY_OUTSIDE, ALICE = "10.77.0.10", "203.0.113.1", "203.0.113.10"
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

    def serve_well(self):
        """The same, and alice reaches the site."""
        self.serve()
        wait_until("alice gets through", self.reaches, 20)

    def reconnect(self):
        """Alice as she is the first time: her session, and what conntrack knows of it, forgotten."""
        self.tunnel.down()
        self.gateway.run("conntrack -F", ok=False)
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


def shut_by_iptables(world, program, icmp, strangers, checks, way):
    """FORWARD and INPUT with the policy DROP, as administrators write them: `checks`, the way in and the way through, are broken, and
    only they; the cures let alice in. `icmp` is the family's protocol, `strangers` a subnet of nobody's, `way`
    what the doctor calls the way through."""
    for rule in ("-P FORWARD DROP", "-A FORWARD -i lan0 -o lan0 -j ACCEPT", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                 "-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",
                 f"-A INPUT -p {icmp} -j ACCEPT", "-A INPUT -p tcp -m multiport --dports 22,80:90 -j ACCEPT", "-N spoofed",
                 f"-A INPUT -s {strangers} -j spoofed", "-A spoofed -m limit --limit 3/min -j LOG", "-A spoofed -j DROP"):
        world.gateway.run(f"{program} {rule}")
    world.reconnect()
    _, findings = world.doctor()
    ways = [name for name in findings if name.startswith("firewall")]
    equal("ways that are broken", [name for name in ways if findings[name]["state"] != "ok"], list(checks))
    where = f"{program} table" if program.endswith("-legacy") else "table ip6" if program.startswith("ip6") else "table ip"
    for name, chain in zip(checks, ("INPUT", "FORWARD")):
        finding = findings[name]
        check(f"{name} is broken and its place named", finding["state"] == "broken" and f"{where} filter, chain {chain}, by its policy" in finding["message"],
              finding["message"])
    check("alice does not get through", not world.reaches())
    world.cure(findings[checks[0]])
    world.closes(checks[1], way)
    world.server.stop()


def run_case(about, *cases):
    """Runs the case that the command line names; without one, says which there are."""
    by_name = {case.__name__: case for case in cases}
    if len(sys.argv) != 2 or sys.argv[1] not in by_name:
        print(about + "\nCases:\n" + "\n".join(f"    {name:17}{case.__doc__}" for name, case in by_name.items()))
        sys.exit(2)
    sys.exit(run(by_name[sys.argv[1]]))
