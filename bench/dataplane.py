"""Two network namespaces over a veth cable, one daemon in each, and what passes from one to the other.

As many as are wanted stand side by side: one that is idle costs nothing, so what is compared is measured in turns.
"""

import json
import pathlib
import subprocess
import time

from lab import Failure, Node, link, wait_until

INTERFACE, PORT, MTU_BYTES = "wgbench", 51820, 1420
OUTER = {"server": "10.9.0.1", "client": "10.9.0.2"}
INNER = {"server": "10.8.0.1", "client": "10.8.0.2"}


class End:
    """A daemon on a node, with a key and a port."""

    def __init__(self, node, daemon):
        self.node = node
        self._process = node.spawn(daemon.command.replace("{}", INTERFACE))
        wait_until(f"`{daemon.command}` opens its socket", self._answers, 10)
        key = node.run("wg genkey")
        self.public_key = node.run("wg pubkey", stdin=key).strip()
        self.wg(f"set {INTERFACE} private-key /dev/stdin listen-port {PORT}", stdin=key)
        node.run(f"ip addr add {INNER[node.name]}/24 dev {INTERFACE}")
        # No link-local address: or the kernel would solicit routers and wake who is to be idle.
        node.run(f"ip link set {INTERFACE} addrgenmode none")
        node.run(f"ip link set {INTERFACE} mtu {MTU_BYTES} up")

    def _answers(self):
        if self._process.poll() is not None:
            raise Failure(f"the daemon ended: {self._process.log.read_text()[-500:]}")
        return self.node.run(f"wg show {INTERFACE}", ok=False).returncode == 0

    @property
    def pid(self):
        return self._process.pid

    def wg(self, command, stdin=None, seconds=120):
        return self.node.run(f"wg {command}", stdin=stdin, seconds=seconds)

    def add_peers(self, public_keys):
        """Peers that may send from addresses of 10.64.0.0/10, one each."""
        self.wg(f"addconf {INTERFACE} /dev/stdin", stdin="".join(
            f"[Peer]\nPublicKey = {key}\nAllowedIPs = 10.{64 + (i >> 16)}.{i >> 8 & 255}.{i & 255}/32\n" for i, key in enumerate(public_keys)))

    def _status_mb(self, name):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        raise Failure(f"no {name} of process {self.pid}: it ended")

    def rss_mb(self):
        return self._status_mb("VmRSS:")

    def peak_rss_mb(self):
        return self._status_mb("VmHWM:")

    def processor_seconds(self):
        """What all its threads have used so far: the clock of clock_getcpuclockid(3), whose id the kernel makes of the pid."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Cable:
    """The cable alone, and what iperf3 and ping say of a way along it."""

    def __init__(self):
        self.server, self.client = Node("server"), Node("client")
        link(self.server, "cable", [f"{OUTER['server']}/24"], self.client, "cable", [f"{OUTER['client']}/24"])
        self.target = OUTER["server"]
        self.server.spawn("iperf3 --server")
        wait_until("iperf3 listens", lambda: self.server.run("ss -Hltn sport = 5201"), 10)

    def _iperf(self, seconds, options):
        command = f"iperf3 --client {self.target} --json --time {seconds} {options}"
        return json.loads(self.client.run(command, seconds=seconds + 30))["end"]

    def tcp_gbps(self, seconds, options=""):
        return self._iperf(seconds, options)["sum_received"]["bits_per_second"] / 1e9

    def udp_kpps(self, seconds, size_bytes):
        total = self._iperf(seconds, f"--udp --bitrate 0 --length {size_bytes}")["sum"]
        return (total["packets"] - total["lost_packets"]) / total["seconds"] / 1e3

    def ping_ms(self):
        report = self.client.run(f"ping -q -c 500 -i 0.002 {self.target}")
        return float(report.rsplit(" = ", 1)[1].split("/")[1])


class Tunnel(Cable):
    """The same through a tunnel, the server's daemon at one end, the client's at the other; the first packet makes a session."""

    def __init__(self, server_daemon, client_daemon):
        super().__init__()
        self.server_end, self.client_end = End(self.server, server_daemon), End(self.client, client_daemon)
        self.server_end.wg(f"set {INTERFACE} peer {self.client_end.public_key} allowed-ips {INNER['client']}/32")
        self.client_end.wg(f"set {INTERFACE} peer {self.server_end.public_key} allowed-ips {INNER['server']}/32 "
                           f"endpoint {OUTER['server']}:{PORT}")
        self.target = INNER["server"]

    def open(self):
        """Has a session made, and gives itself."""
        self.client.run(f"ping -n -c 3 -i 0.2 -W 3 {self.target}")
        return self

    def stop(self):
        self.server_end.stop()
        self.client_end.stop()
