#!/usr/bin/env python3
"""Every figure that is reported of a release, in one run on one machine: packets, creates, start, memory, idleness.

usage: figures.py [WIREGUARD_GO]

WIREGUARD_GO is the newest of the others to compare with (go install golang.zx2c4.com/wireguard@latest). The program measured
is in VPN_BUILD_DIR (default build/release). The store lies in a temporary directory of TMPDIR: choose a real disk. Takes about four minutes;
run nothing beside it.
"""

import os
import pathlib
import platform
import re
import sys
import tempfile
import time

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("VPN_BUILD_DIR", str(SOURCE_DIR / "build/release"))
sys.path.insert(0, str(SOURCE_DIR / "tests/netns"))
import dataplane  # noqa: E402
from lab import Failure, Node, run  # noqa: E402
from product import BUILD_DIR, Gateway, call, random_key  # noqa: E402

STORED_CLIENTS, IDLE_PEERS, IDLE_SECONDS = 100_000, 1_000, 30
WRK_SCRIPT = SOURCE_DIR / "bench/create-clients.lua"


def section(title):
    print(f"\n{title}", flush=True)


def row(name, value, target=""):
    print(f"  {name:36}{value}" + (f"   (to reach: {target})" if target else ""), flush=True)


def machine(node, others):
    section("Machine and versions")
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    row("processor", f"{os.cpu_count()} x {model.group(1) if model else platform.machine()}")
    row("kernel", platform.release())
    row("store's file system", node.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", tempfile.gettempdir()]).strip())
    for words in ([BUILD_DIR / "vpn-enabler", "--version"], *([[other, "--version"] for other in others]),
                  ["iperf3", "--version"], ["wrk", "--version"]):
        done = node.run(words, ok=False)
        row(pathlib.Path(words[0]).name, (done.stdout + done.stderr).strip().splitlines()[0])


def packets(label, command):
    section(f"Data plane: {label} against itself, two namespaces over veth")
    for name, value in dataplane.measure(command, command).items():
        row(name, f"{value:.3g}" if value < 100 else f"{value:.0f}")


def wrk(gateway, connections, seconds):
    """Creates clients for a while; gives how many, and wrk's line of results."""
    output = gateway.node.run(["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}", "--latency", "-s",
                               WRK_SCRIPT, "http://127.0.0.1:3000"], seconds=seconds + 30)
    line = next((line for line in output.splitlines() if line.startswith("created ")), None)
    if line is None or " refused 0 broken 0 " not in line:
        raise Failure(f"wrk: {line or output}")
    return int(line.split()[1]), line


def start(gateway):
    begun = time.monotonic()
    gateway.start()
    return time.monotonic() - begun


def resident_mb(gateway):
    status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", status).group(1)) / 1024


def control(node, directory):
    section("Durable creates over HTTP, WG_SUBNET 10.0.0.1/8")
    gateway = Gateway(node, STATE_DIR=directory, WG_SUBNET="10.0.0.1/8", SERVER_IP="203.0.113.2")
    row("start with an empty store (s)", f"{start(gateway):.3f}")
    stored, line = wrk(gateway, 1, 10)
    row("1 connection", line, "p99 under 2 ms")
    created, line = wrk(gateway, 32, 10)
    row("32 connections", line, "6,000/s")
    stored += created
    while stored < STORED_CLIENTS:
        stored += wrk(gateway, 32, 2)[0]
    end(gateway)

    section(f"Start with {stored:,} clients stored")
    row("start to serving (s)", f"{start(gateway):.3f}", "2 s")
    row("resident memory then (MB)", f"{resident_mb(gateway):.0f}")
    end(gateway)


def idle(node, directory):
    section(f"Idle with {IDLE_PEERS:,} peers, {IDLE_SECONDS} s")
    gateway = Gateway(node, STATE_DIR=directory, WG_SUBNET="10.0.0.1/8", SERVER_IP="203.0.113.2")
    gateway.start()
    for _ in range(IDLE_PEERS):
        call(gateway, "POST", "/client", 200, {"publicKey": random_key()})
    row("processor time used (ms)", f"{gateway.cpu_ms_over(IDLE_SECONDS):.1f}", "none")
    row("resident memory (MB)", f"{resident_mb(gateway):.0f}")
    end(gateway)


def end(gateway):
    gateway.process.terminate()
    gateway.process.wait(30)


def main():
    others = sys.argv[1:]
    node = Node("machine")
    machine(node, others)
    packets("vpn-engine", f"{BUILD_DIR}/vpn-engine --foreground {{}}")
    for other in others:
        packets("wireguard-go", f"{other} -f {{}}")
    with tempfile.TemporaryDirectory(prefix="vpn-figures-") as directory:
        control(node, f"{directory}/many")
        idle(node, f"{directory}/idle")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(__doc__)
        sys.exit(2)
    sys.exit(run(main))
