"""The program under test on a node of the lab: the gateway with its API, and clients with what the API told them."""

import base64
import http.client
import json
import os
import pathlib
import random
import socket
import subprocess
import time

from lab import LAB_DIR, Failure, check, equal, wait_until

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[2]
BUILD_DIR = pathlib.Path(os.environ.get("VPN_BUILD_DIR", SOURCE_DIR / "build/check")).resolve()
STOCK, ENGINE = "wireguard-go", str(BUILD_DIR / "vpn-engine")


def random_key():
    """A public key whose private one nobody knows."""
    return base64.b64encode(random.randbytes(32)).decode()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Gateway:
    """`vpn-enabler serve` on a node, with the settings given, and its API over the unix socket."""

    def __init__(self, node, **settings):
        self.node = node
        self.settings = {"STATE_DIR": str(LAB_DIR / "state"), **{name: str(value) for name, value in settings.items()}}
        self.interface = self.settings.get("WG_INTERFACE", "wg0")
        self.api_socket = self.settings.get("API_SOCKET", "/run/vpn-enabler/api.sock")
        self.process = None

    def start(self):
        self.process = self.node.spawn([BUILD_DIR / "vpn-enabler", "serve"], self.settings)
        wait_until("the gateway serves", self._serves, 20)

    def _serves(self):
        if self.process.poll() is not None:
            raise Failure(f"the gateway ended by itself, exit code {self.process.returncode}")
        try:
            return self.call("GET", "/health")[0] == 200
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait(5)

    def stop(self):
        """A clean stop, within the 2 s that the product promises."""
        begun = time.monotonic()
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            raise Failure("the gateway did not stop within 20 s of SIGTERM") from None
        equal("exit code of the gateway after SIGTERM", code, 0)
        check("the gateway stops within 2 s of SIGTERM", time.monotonic() - begun < 2, f"{time.monotonic() - begun:.2f} s")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def cpu_ms(self):
        """Processor time of all its threads so far; schedstat counts nanoseconds where stat counts ticks."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6

    def cpu_ms_over(self, seconds):
        """Processor time used while the lab does nothing for so long."""
        before = self.cpu_ms()
        time.sleep(seconds)
        return self.cpu_ms() - before

    def call(self, method, path, body=None, with_headers=False):
        """One request; gives (status, parsed JSON or text), and the answer's headers where they are asked for."""
        connection = _UnixConnection(self.api_socket)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = answer.getheader("Content-Type", "").startswith("application/json")
            value = json.loads(text) if text and is_json else text
            return (answer.status, value, answer.headers) if with_headers else (answer.status, value)
        except http.client.HTTPException as fault:
            raise ConnectionError(str(fault)) from fault
        finally:
            connection.close()

    def cli(self, command, ok=True):
        return self.node.run([BUILD_DIR / "vpn-enabler", *command.split()], ok=ok)

    def wg(self, command):
        return self.node.run(f"wg {command}")

    def peers(self):
        """The peers of the running interface, by public key: columns of `wg show dump`."""
        names = ("preshared", "endpoint", "allowed_ips", "latest_handshake", "rx_bytes", "tx_bytes", "keepalive")
        rows = [line.split("\t") for line in self.wg(f"show {self.interface} dump").splitlines()[1:]]
        return {row[0]: dict(zip(names, row[1:])) for row in rows}

    def peer_addresses(self):
        return {key: peer["allowed_ips"] for key, peer in self.peers().items()}


class WgQuick:
    """A tunnel that stock wg-quick makes of a file, with a userspace WireGuard under it."""

    def __init__(self, node, text, program=STOCK, name=None):
        self.node, self.program = node, program
        self.interface = name or f"to-{node.name}"
        self._file = LAB_DIR / f"{self.interface}.conf"
        self._file.write_text(text)
        self._file.chmod(0o600)

    def up(self):
        self.node.run(["wg-quick", "up", self._file], env={"WG_QUICK_USERSPACE_IMPLEMENTATION": self.program})
        if not self.socket().exists():
            raise Failure(f"wg-quick did not use {self.program}: this kernel speaks WireGuard, the test wants a userspace peer")

    def down(self):
        self.node.run(["wg-quick", "down", self._file])

    def socket(self):
        return pathlib.Path(f"/proc/{self.node.pid}/root/run/wireguard/{self.interface}.sock")

    def last_handshake(self):
        return int(self.node.run(f"wg show {self.interface} latest-handshakes").split()[1])


class Client:
    """A client as the person outside has it: the two answers of the API, and the tunnel made of them alone."""

    def __init__(self, node, keys, answer, program=STOCK, keepalive=True):
        self.node, self.public_key, self.keys = node, keys["public"], keys
        self.address = answer["clientIP"].removesuffix("/32")
        lines = ["[Interface]", f"PrivateKey = {keys['private']}", f"Address = {answer['clientIP']}", "",
                 "[Peer]", f"PublicKey = {answer['serverPublicKey']}", f"PresharedKey = {keys['preshared']}",
                 f"AllowedIPs = {answer['allowedIPs']}", f"Endpoint = {answer['serverIP']}:{answer['serverPort']}"]
        self.tunnel = WgQuick(node, "\n".join(lines + ["PersistentKeepalive = 25"] * keepalive) + "\n", program)


def call(gateway, method, path, expected, body=None):
    """One call of the API that must answer with this status; gives the answer."""
    status, answer = gateway.call(method, path, body)
    if status != expected:
        raise Failure(f"{method} {path}: expected {expected}, got {status} {answer}")
    return answer


def connect_client(gateway, node, program=STOCK, keepalive=True):
    """Makes a client on the gateway and brings its tunnel up on the node."""
    keys = call(gateway, "GET", "/keys", 200)
    answer = call(gateway, "POST", "/client", 200, {"publicKey": keys["public"], "presharedKey": keys["preshared"]})
    client = Client(node, keys, answer, program, keepalive)
    client.tunnel.up()
    return client
