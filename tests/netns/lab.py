"""Machines and links for the scripts of this folder: network namespaces that nobody else sees and that cannot be left behind.

The whole lab is process 1 of a pid namespace of its own, with a mount and a network namespace of its own and a tmpfs on /run. When it ends, by
whatever cause, the kernel ends every process in it, daemons included, and with them go all namespaces, links and files. So nothing has
a name that a second run could meet, and tearing down needs no code that could be skipped.

A Node is one machine: a network namespace, and a mount namespace in which /run/wireguard is its own.
"""

import itertools
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import traceback

LAB_DIR = pathlib.Path("/run/lab")
INSIDE = "VPN_LAB"  # set in the environment of the process that is the lab
LOG_LINES_ON_FAILURE = 60


class Failure(Exception):
    """An assertion of a test case that did not hold."""


def check(what, condition, got=""):
    if not condition:
        raise Failure(f"{what}: does not hold" + (f"; got {got}" if got != "" else ""))
    print(f"  ok  {what}" + (f" ({got})" if got != "" else ""), flush=True)


def equal(what, got, expected):
    if got != expected:
        raise Failure(f"{what}: expected {expected!r}, got {got!r}")
    print(f"  ok  {what}", flush=True)


def wait_until(what, condition, seconds):
    """Returns the first true value of condition(); a Failure when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s in vain: {what}")
        time.sleep(0.01)
    return value


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Node:
    """A machine of the lab."""

    def __init__(self, name):
        self.name = name
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-ec",
             "mkdir -p /run/wireguard; mount -t tmpfs wireguard /run/wireguard; mount -t sysfs sysfs /sys;"
             "ip link set lo up; echo up; exec sleep infinity"], stdout=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "up\n":
            raise Failure(f"{name}: no namespace")
        self.pid = self._holder.pid

    def _here(self, command):
        """The command, a text or a list of words, as it is run on this machine: nsenter becomes it, so the pid is its own."""
        words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", f"--mount=/proc/{self.pid}/ns/mnt", *words]

    def run(self, command, env=None, stdin=None, seconds=30, ok=True):
        """Runs a command to its end and gives its standard output, a Failure when it fails; or, not `ok`, what came of it."""
        done = subprocess.run(self._here(command), env=environment(env), input=stdin, timeout=seconds, text=True,
                              capture_output=True)
        if ok and done.returncode != 0:
            raise Failure(f"{self.name}: {command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if ok else done

    def spawn(self, command, env=None):
        """Starts a command and gives its Popen; the output goes to a file, `.log`."""
        words = self._here(command)
        log = new_log(f"{self.name}-{pathlib.Path(words[3]).name}")
        with open(log, "wb") as output:
            process = subprocess.Popen(words, env=environment(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        process.log = log
        return process

    def pids(self, program):
        """The processes on this machine that run a program of this name."""
        network = os.readlink(f"/proc/{self.pid}/ns/net")
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (process / "comm").read_text().strip() == program and os.readlink(process / "ns/net") == network:
                    found.append(int(process.name))
            except OSError:
                pass  # ended meanwhile
        return [pid for pid in found if alive(pid)]

    def page(self, url):
        return self.run(["curl", "--silent", "--show-error", "--max-time", "5", url])


def link(a, a_name, a_addresses, b, b_name, b_addresses):
    """A cable between two nodes; the addresses are lists of `address/length`, of either family."""
    subprocess.run(["ip", "link", "add", a_name, "netns", str(a.pid), "type", "veth", "peer", "name", b_name, "netns",
                    str(b.pid)], check=True)
    for node, name, addresses in ((a, a_name, a_addresses), (b, b_name, b_addresses)):
        for address in addresses:
            node.run(f"ip addr add {address} dev {name}" + (" nodad" if ":" in address else ""))
        node.run(f"ip link set {name} up")


def environment(more):
    """What every process of the lab gets: sanitizers that report to a file, so that a report of a daemon is found too."""
    result = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
        given = os.environ.get(name)
        result[name] = (given + ":" if given else "") + f"log_path={LAB_DIR}/sanitizer"
    return {**result, **(more or {})}


def new_log(name, numbers=itertools.count(1)):
    return LAB_DIR / f"{next(numbers):03}-{name}.log"


class Ping:
    """A stream of echo requests, and when each was answered."""

    def __init__(self, node, target, interval=0.05):
        self.what = f"{node.name} -> {target}"
        self._process = node.spawn(f"ping -n -D -O -i {interval} {target}")
        self.begun = time.time()

    def _lines(self, pattern):
        return re.findall(pattern, self._process.log.read_text(), re.MULTILINE)

    def replies(self):
        """The times (as time.time()) at which answers came."""
        return [float(at) for at in self._lines(r"^\[([0-9.]+)\] \d+ bytes from ")]

    def first_reply_after(self, moment, seconds=30):
        """How many seconds after `moment` the first answer came; a Failure when none comes within `seconds` from now."""
        later = wait_until(f"an answer to the ping {self.what}",
                           lambda: [at for at in self.replies() if at > moment], seconds)
        return later[0] - moment

    def silence_after(self, moment):
        """How many seconds after `moment` the last answer came, seen once there was none for a second."""
        def quiet():
            last = max([moment, *self.replies()])
            return last if time.time() - last > 1 else None
        return wait_until(f"silence of the ping {self.what}", quiet, 10) - moment

    def stop(self):
        """Ends the stream; gives (sent, received), without the last request when it is still under way."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        [(sent, received)] = self._lines(r"^(\d+) packets transmitted, (\d+) received")
        under_way = not self._lines(rf" bytes from .* icmp_seq={sent} ")
        return int(sent) - under_way, int(received)


def _sanitizer_reports():
    return "".join(report.read_text(errors="replace") for report in sorted(LAB_DIR.glob("sanitizer.*")))


def _print_logs():
    for log in sorted(LAB_DIR.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()
        print(f"\n--- {log.name}, {len(lines)} lines, the last {LOG_LINES_ON_FAILURE}")
        print("\n".join(lines[-LOG_LINES_ON_FAILURE:]), flush=True)


def _run_inside(case):
    subprocess.run(["mount", "-t", "tmpfs", "lab", "/run"], check=True)
    LAB_DIR.mkdir()
    try:
        case()
        if reports := _sanitizer_reports():
            raise Failure("a sanitizer reports:\n" + reports)
    except Failure as failure:
        print(f"\nFAILED {failure}\n{''.join(traceback.format_tb(failure.__traceback__))}{_sanitizer_reports()}")
        _print_logs()
        return 1
    except Exception:  # a fault of the lab itself: show it with the logs
        traceback.print_exc(file=sys.stdout)
        print(_sanitizer_reports())
        _print_logs()
        return 1
    return 0


def run(case):
    """Runs case() inside a lab and gives the exit code. The outer process only waits; a signal to it ends the lab at once."""
    if INSIDE in os.environ:
        return _run_inside(case)
    if os.geteuid() != 0:
        print("this test makes network namespaces: run it as root")
        return 1
    lab = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
         "--mount-proc", sys.executable, *sys.argv], env={**os.environ, INSIDE: "1", "PYTHONDONTWRITEBYTECODE": "1"})
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: lab.kill())
    code = lab.wait()
    if code < 0:
        print("FAILED: ended by a signal")
    return 0 if code == 0 else 1
