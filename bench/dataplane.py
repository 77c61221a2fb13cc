#!/usr/bin/env python3
"""How fast a userspace WireGuard is against itself: two network namespaces over a veth cable, one daemon in each.

usage: dataplane.py LABEL COMMAND [CLIENT_COMMAND]

A command stays in the foreground and opens a UAPI socket; {} in it is the interface's name:
    dataplane.py ours 'build/release/vpn-engine --foreground {}'
    dataplane.py wireguard-go 'wireguard-go -f {}'
RUN_SECONDS in the environment is the length of each of the five runs of iperf3 (6).
"""

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/netns"))
from lab import LAB_DIR, Failure, Node, link, run, wait_until  # noqa: E402

SERVER, MTU_BYTES = "10.8.0.1", 1420


def start(node, command, private, address):
    """Starts the daemon and configures its interface; gives its process."""
    key_file = LAB_DIR / f"{node.name}.key"
    key_file.write_text(private)
    process = node.spawn(command.replace("{}", "wgbench"))

    def answers():
        if process.poll() is not None:
            raise Failure(f"`{command}` ended: {process.log.read_text()[-500:]}")
        return node.run("wg show wgbench", ok=False).returncode == 0

    wait_until(f"`{command}` opens its socket", answers, 10)
    node.run(f"wg set wgbench private-key {key_file} listen-port 51820")
    node.run(f"ip addr add {address}/24 dev wgbench")
    node.run(f"ip link set wgbench mtu {MTU_BYTES} up")
    return process


def peak_rss_mb(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failure("no VmHWM")


def measure(server_command, client_command, seconds=6):
    """Gives the figures by name, in the order of a report."""
    a, b = Node("server"), Node("client")
    link(a, "cable", ["10.9.0.1/24"], b, "cable", ["10.9.0.2/24"])
    keys = [a.run("wg genkey").strip() for _ in range(2)]
    public = [a.run("wg pubkey", stdin=key).strip() for key in keys]
    server = start(a, server_command, keys[0], SERVER)
    client = start(b, client_command, keys[1], "10.8.0.2")
    a.run(f"wg set wgbench peer {public[1]} allowed-ips 10.8.0.2/32")
    b.run(f"wg set wgbench peer {public[0]} allowed-ips {SERVER}/32 endpoint 10.9.0.1:51820")
    b.run(f"ping -n -c 3 -i 0.2 -W 3 {SERVER}")
    a.spawn("iperf3 --server")
    wait_until("iperf3 listens", lambda: a.run("ss -Hltn sport = 5201"), 10)

    def iperf(options=""):
        return json.loads(b.run(f"iperf3 --client {SERVER} --json --time {seconds} {options}", seconds=seconds + 30))["end"]

    def gbps(options=""):
        return iperf(options)["sum_received"]["bits_per_second"] / 1e9

    def kpps(size_bytes):
        total = iperf(f"--udp --bitrate 0 --length {size_bytes}")["sum"]
        return (total["packets"] - total["lost_packets"]) / total["seconds"] / 1e3

    figures = {"TCP 1 stream (Gb/s)": gbps(), "TCP back (Gb/s)": gbps("--reverse"), "TCP 4 streams (Gb/s)": gbps("--parallel 4"),
               "UDP 64 B received (thousand/s)": kpps(64), "UDP 1360 B received (thousand/s)": kpps(1360)}
    report = b.run(f"ping -q -c 500 -i 0.002 {SERVER}")
    figures["ping (ms)"] = float(report.rsplit(" = ", 1)[1].split("/")[1])
    figures["peak RSS, server (MB)"] = peak_rss_mb(server)
    figures["peak RSS, client (MB)"] = peak_rss_mb(client)
    for process in (server, client):
        process.terminate()
        process.wait(10)
    return figures


def main():
    label, command = sys.argv[1], sys.argv[2]
    client = sys.argv[3] if len(sys.argv) == 4 else command
    figures = measure(command, client, int(os.environ.get("RUN_SECONDS", "6")))
    print(f"{label}: " + " | ".join(f"{name} {value:.3g}" for name, value in figures.items()))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        print(__doc__)
        sys.exit(2)
    sys.exit(run(main))
