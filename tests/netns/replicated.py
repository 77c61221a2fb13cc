"""Several gateways that share one store, behind one UDP and one TCP address.

                      10.1.0.0/24 (switch)
    site ===========+                                      the balancer does what a Kubernetes Service does: VIP:51820/udp
    db   ===========+==== a ====+                          goes to one replica by a hash of the client's address and port,
                    +==== b ====+                          VIP:3000/tcp to one after the other
                    +==== c ====+
                    +===================== balancer ======= alice 203.0.113.10
                                      VIP 203.0.113.1 ||
                                                        === bob   203.0.114.10
    site 10.1.0.10    db 10.1.0.20    a, b, c 10.1.0.1 to .3    balancer 10.1.0.254

`db` runs real servers: mongod (standalone, or a replica set), or Elasticsearch behind the LTSE's path.
"""

import ipaddress
import json
import threading

from lab import Failure, Node, link, wait_until
from product import Client, Gateway, call

VIP, SITE, DB = "203.0.113.1", "10.1.0.10", "10.1.0.20"
TOKEN = "a-token-of-the-test-0123456789abcdef"
REPLICAS = {"a": "10.1.0.1", "b": "10.1.0.2", "c": "10.1.0.3"}


class Balancer:
    """One address for the replicas that are in service."""

    def __init__(self, node):
        self._node = node
        node.run("sysctl -qw net.ipv4.ip_forward=1")

    def serve(self, addresses):
        choices = ", ".join(f"{i} : {address}" for i, address in enumerate(addresses))
        self._node.run("nft -f -", stdin=f"""
            table ip balancer {{}}
            delete table ip balancer
            table ip balancer {{
              chain in {{
                type nat hook prerouting priority dstnat;
                ip daddr {VIP} udp dport 51820 dnat to jhash ip saddr . udp sport mod {len(addresses)} map {{ {choices} }}
                ip daddr {VIP} tcp dport 3000 dnat to numgen inc mod {len(addresses)} map {{ {choices} }}
              }}
            }}""")

    def forget(self, address):
        """What kube-proxy does when an endpoint is gone: its UDP flows choose anew."""
        self._node.run(f"conntrack -D -p udp --reply-src {address}", ok=False)


class World:
    def __init__(self, store, **settings):
        for name in ("switch", "site", "db", "balancer", "alice", "bob", *REPLICAS):
            setattr(self, name, Node(name))
        self.switch.run("ip link add lan type bridge")
        self.switch.run("ip link set lan up")
        for name, address in {"site": SITE, "db": DB, "balancer": "10.1.0.254", **REPLICAS}.items():
            link(self.switch, f"to-{name}", [], getattr(self, name), "lan", [f"{address}/24"])
            self.switch.run(f"ip link set to-{name} master lan")
        link(self.balancer, "alice", [f"{VIP}/24"], self.alice, "wifi", ["203.0.113.10/24"])
        link(self.balancer, "bob", ["203.0.114.1/24"], self.bob, "wifi", ["203.0.114.10/24"])
        self.bob.run("ip route add default via 203.0.114.1")
        for name in REPLICAS:
            getattr(self, name).run("ip route add default via 10.1.0.254")
        self.store = store(self.db)
        self.store.start()
        self.service = Balancer(self.balancer)
        self.gateways = {
            name: Gateway(getattr(self, name), STATE_DIR=f"/run/lab/state-{name}", API_SOCKET=f"/run/vpn-enabler-{name}/api.sock",
                          API_ADDRESS="0.0.0.0", API_TOKEN=TOKEN, SERVER_IP=VIP, **self.store.settings, **settings)
            for name in REPLICAS}

    def start(self, *names):
        for name in names:
            self.gateways[name].start()
        self.in_service()

    def in_service(self):
        self.service.serve([REPLICAS[name] for name, gateway in self.gateways.items() if gateway.running()])

    def kill(self, name):
        self.gateways[name].kill()
        self.in_service()
        self.service.forget(REPLICAS[name])

    def running(self):
        return [gateway for gateway in self.gateways.values() if gateway.running()]

    def by_address(self, method, path, expected, body=None):
        """A call from outside to the one address of all."""
        answer = self.alice.run(["curl", "-sS", "--max-time", "10", "-w", "\n%{http_code}", "-X", method,
                                 "-H", f"Authorization: Bearer {TOKEN}", f"http://{VIP}:3000{path}"]
                                + (["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body else []))
        text, status = answer.rsplit("\n", 1)
        if int(status) != expected:
            raise Failure(f"{method} {path}: expected {expected}, got {status} {text}")
        return json.loads(text) if text else None

    def connect(self, node):
        keys = self.by_address("GET", "/keys", 200)
        answer = self.by_address("POST", "/client", 200, {"publicKey": keys["public"], "presharedKey": keys["preshared"]})
        client = Client(node, keys, answer)
        client.tunnel.up()
        return client

    def server_of(self, client):
        """The name of the replica that the client talked to last."""
        def age(name):
            peer = self.gateways[name].peers().get(client.public_key)
            return int(peer["latest_handshake"]) if peer else 0
        return max((name for name, gateway in self.gateways.items() if gateway.running()), key=age)


def clients_of(gateway):
    """What a replica says its clients are, by public key: (address as a number, enabled)."""
    return {client["publicKey"]: (int(ipaddress.ip_address(client["clientIP"].removesuffix("/32"))), client["enabled"])
            for client in call(gateway, "GET", "/clients", 200)}


def enabled_peers(clients):
    return {key for key, (_, enabled) in clients.items() if enabled}


def in_step(world, seconds):
    """The store, what each replica says and each replica's tunnel are the same; gives the clients."""
    def same():
        stored = world.store.peers()
        for gateway in world.running():
            if clients_of(gateway) != stored or set(gateway.peers()) != enabled_peers(stored):
                return None
        return (stored,)
    (clients,) = wait_until("store, replicas and tunnels are the same", same, seconds)
    return clients


def in_threads(function, each):
    """function(*arguments) for each arguments at once; the first exception of one is raised here."""
    faults = []

    def guarded(arguments):
        try:
            function(*arguments)
        except Exception as fault:  # told by the thread that waits
            faults.append(fault)
    threads = [threading.Thread(target=guarded, args=(arguments,)) for arguments in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
