#!/usr/bin/env python3
"""The first half of the story inside the image: read-only root, CAP_NET_ADMIN alone, the API by its token.

    site ----- gateway ----- client
    10.77.0.10      10.77.0.1, 203.0.113.2      203.0.113.10

    site      a host that knows the VPN not; later a MongoDB
    gateway   the image's root directory with what a container runtime puts around it, on a network of its own
    client    stock wg-quick over wireguard-go

Usage: container.py DIRECTORY, where image.py left the image; as root.
"""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "netns"))
from lab import Failure, Node, check, equal, link, run, wait_until  # noqa: E402
from product import Client  # noqa: E402
from servers import MongoDb  # noqa: E402

SITE, GATEWAY = "10.77.0.10", "203.0.113.2"
NET_ADMIN = 1 << 12  # capabilities(7)

# What a container runtime mounts: a read-only root, devices, a volume, memory where the image's user asked for it.
MOUNTS = """
mkdir -p "$1/var/lib/vpn-enabler"
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount --bind "$1/proc/sys" "$1/proc/sys"
mount -o remount,bind,ro "$1/proc/sys"
mount -t tmpfs dev "$1/dev"
mkdir "$1/dev/net"
mknod "$1/dev/net/tun" c 10 200
mknod -m 666 "$1/dev/null" c 1 3
mknod -m 666 "$1/dev/urandom" c 1 9
mount -t tmpfs run "$1/run"
mount -t tmpfs volume "$1/var/lib/vpn-enabler"
"""
# As --cap-drop ALL --cap-add NET_ADMIN --security-opt no-new-privileges.
CONFINED = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all,+net_admin"]


class Container:
    """The image on a node, as `docker run --read-only --tmpfs /run --device /dev/net/tun -v ...` sets it up."""

    def __init__(self, node, image, config, **settings):
        self.node, self.image, self.config = node, image, config
        self.environment = {**dict(pair.split("=", 1) for pair in config["Env"]), **settings}
        node.run(["sh", "-ec", MOUNTS, "sh", image])
        self.process = None

    def _command(self, words):
        return ["chroot", self.image, *CONFINED, *words]

    def start(self):
        self.process = self.node.spawn(self._command(self.config["Entrypoint"] + self.config["Cmd"]), self.environment)
        wait_until("the container is well", self._well, 20)

    def _well(self):
        if self.process.poll() is not None:
            raise Failure(f"the gateway ended by itself, exit code {self.process.returncode}")
        return self.healthcheck().returncode == 0

    def healthcheck(self):
        return self.execute(self.config["Healthcheck"]["Test"][1:], ok=False)  # after "CMD"

    def execute(self, words, ok=True):
        """As `docker exec`."""
        return self.node.run(self._command(words), self.environment, ok=ok)

    def stop(self):
        """As `docker stop`; gives the seconds that it took."""
        begun = time.monotonic()
        self.process.terminate()  # image.py saw that STOPSIGNAL is SIGTERM
        equal("exit code of the stopped container", self.process.wait(20), 0)
        return time.monotonic() - begun

    def capabilities(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return {line.split()[0]: int(line.split()[1], 16) for line in status.splitlines() if line.startswith("Cap")}

    def token(self):
        return self.execute(["cat", "/var/lib/vpn-enabler/api-token"]).strip()


def request(node, method, path, token=None, body=None):
    """One call of the API from another machine; gives (status, parsed JSON)."""
    words = ["curl", "--silent", "--show-error", "--max-time", "10", "--write-out", "\n%{http_code}", "--request", method]
    words += ["--header", f"Authorization: Bearer {token}"] if token else []
    words += ["--header", "Content-Type: application/json", "--data", json.dumps(body)] if body else []
    text, status = node.run([*words, f"http://{GATEWAY}:3000{path}"]).rsplit("\n", 1)
    return int(status), json.loads(text) if text else None


def reaches_site(node):
    report = node.run(f"ping -n -c 10 -i 0.2 -W 2 {SITE}", ok=False).stdout
    check("10 packets to the site, none lost", "10 packets transmitted, 10 received" in report)


def story(image, config):
    site, gateway, outside = (Node(name) for name in ("site", "gateway", "client"))
    link(site, "lan", [f"{SITE}/24"], gateway, "lan", ["10.77.0.1/24"])
    link(gateway, "wan", [f"{GATEWAY}/24"], outside, "wifi", ["203.0.113.10/24"])
    gateway.run("sysctl -qw net.ipv4.ip_forward=1")  # --sysctl

    container = Container(gateway, image, config, SERVER_IP=GATEWAY)
    container.start()
    held = container.capabilities()
    equal("its capabilities", {name: held[name] for name in ("CapPrm:", "CapEff:", "CapBnd:")},
          dict.fromkeys(("CapPrm:", "CapEff:", "CapBnd:"), NET_ADMIN))
    check("the root is read-only", container.execute(["touch", "/etc/x"], ok=False).returncode != 0)

    equal("without the token", request(outside, "GET", "/keys")[0], 401)
    token = container.token()
    mode = container.execute(["stat", "--format=%a", "/var/lib/vpn-enabler/api-token"]).strip()
    equal("mode of the token's file", mode, "600")
    status, keys = request(outside, "GET", "/keys", token)
    equal("with it", status, 200)
    status, answer = request(outside, "POST", "/client", token,
                             {"publicKey": keys["public"], "presharedKey": keys["preshared"]})
    equal("a client is made", status, 200)
    client = Client(outside, keys, answer)
    client.tunnel.up()
    reaches_site(outside)
    check("by `docker exec` another one is made", "[Interface]" in container.execute(["vpn-enabler", "client", "add", "laptop"]))

    seconds = container.stop()
    check("it stops within 2 s", seconds < 2, f"{seconds:.2f} s")
    equal("exit code of the health check of a stopped container", container.healthcheck().returncode, 1)
    container.start()
    equal("the token after a restart", container.token(), token)
    equal("clients after it", len(request(outside, "GET", "/clients", token)[1]), 2)
    reaches_site(outside)
    client.tunnel.down()
    container.stop()

    database = MongoDb(site, SITE, members=0)
    database.start()
    # MongoDB makes "IX" of a Roman nine in a password, and so must who calls it: the image holds no more of ICU than that takes.
    database.add_user("gateway", "IX-\u00e4")
    container.environment.update(MONGODB_HOST=SITE, MONGODB_USER="gateway", MONGODB_PASS="\u2168-\u00e4")
    container.start()
    check("with a database a client is made", "[Interface]" in container.execute(["vpn-enabler", "client", "add", "phone"]))
    equal("clients in the database", len(database.peers()), 1)
    container.stop()


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1]).resolve()
    sys.exit(run(lambda: story((place / "image").resolve(), json.loads((place / "config.json").read_text()))))
