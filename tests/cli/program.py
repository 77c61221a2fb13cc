"""The commands of vpn-enabler, end to end, on the real program: the world that the scripts beside this one share.

    this process, in network and mount namespaces of its own (so that runs do not meet, and the defaults can be used):
      lo 127.0.0.1     site0 10.9.0.2/24 -- site1, with a default route: what SERVER_IP is detected from
      /run, /var/lib   empty: the API's socket and the state directory at their default places

Usage of each: SCRIPT [-v] [CASE ...], as root; VPN_BUILD_DIR holds the program (default: build/check).
"""
import contextlib
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VPN_BUILD_DIR", ROOT / "build/check"))
PROGRAM = str(BUILD / "vpn-enabler")
STATE = pathlib.Path("/var/lib/vpn-enabler")
SOCKET = pathlib.Path("/run/vpn-enabler/api.sock")
STOP_WITHIN_S = 2.0
IN_NAMESPACE = "VPN_TEST_IN_NAMESPACE"

# Nothing of the caller's environment is a setting here, but the sanitizers' options stay.
ENVIRONMENT = {name: os.environ[name] for name in os.environ if name == "PATH" or name.endswith("SAN_OPTIONS")}

KEY = re.compile(r"[A-Za-z0-9+/]{43}=")
PUBLIC_KEY = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="


def enter_namespaces():
    """Replaces this process by itself inside fresh namespaces."""
    os.environ[IN_NAMESPACE] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *sys.argv])


def build_world():
    for command in (
        "mount -t tmpfs none /run",
        "mount -t tmpfs none /var/lib",
        "ip link set lo up",
        "ip link add site0 type veth peer name site1",
        "ip address add 10.9.0.2/24 dev site0",
        "ip link set site0 up",
        "ip link set site1 up",
        "ip route add default via 10.9.0.1 dev site0",
    ):
        subprocess.run(command.split(), check=True)


def run(*arguments, stdin="", settings=None):
    return subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, text=True, timeout=60,
                          env={**ENVIRONMENT, **(settings or {})})


def run_shell(command, stdin=""):
    return subprocess.run(["/bin/sh", "-c", command], input=stdin, capture_output=True, text=True, timeout=60,
                          env=ENVIRONMENT)


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def curl(*arguments):
    answer = output_of("curl", "-sS", "--max-time", "10", "--write-out", "\n%{http_code}", *arguments)
    body, code = answer.rsplit("\n", 1)
    return int(code), body


@contextlib.contextmanager
def small_file_system(directory):
    """An empty file system of 128 KiB at the directory."""
    directory.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "none", str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)
        directory.rmdir()


def make_read_only(directory):
    subprocess.run(["mount", "-o", "remount,ro", str(directory)], check=True)


def fill(directory):
    """Leaves no room for content; an empty file can still be made."""
    with open(directory / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass


def links():
    return output_of("ip", "-br", "link")


def tables():
    return output_of("nft", "list", "tables")


class Gateway:
    """A running `vpn-enabler serve`. All that it prints is kept in `output`."""

    def __init__(self, *arguments, **settings):
        self.process = subprocess.Popen([PROGRAM, "serve", *arguments], env={**ENVIRONMENT, **settings},
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = ""

    def __enter__(self):
        self.wait_for("first_client" if "json" in str(self.process.args) else "first client")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.read_rest()
        if "Sanitizer" in self.output or "runtime error" in self.output:
            raise AssertionError(self.output)

    def wait_for(self, text, seconds=20):
        deadline = time.monotonic() + seconds
        while text not in self.output:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65536).decode() if ready else ""
            if not piece:
                raise AssertionError(f"serve did not print {text!r} in {seconds} s, but:\n{self.output}")
            self.output += piece

    def read_rest(self):
        self.output += self.process.stdout.read().decode()
        self.process.stdout.close()
        self.process.wait()

    def stop(self, with_signal=signal.SIGTERM):
        """Returns the exit code and the seconds that it took."""
        start = time.monotonic()
        self.process.send_signal(with_signal)
        code = self.process.wait(timeout=30)
        return code, time.monotonic() - start


class CommandTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        for path in (STATE, SOCKET.parent):
            subprocess.run(["rm", "-rf", str(path)], check=True)

    def assert_fails(self, done, code, text):
        self.assertEqual(done.returncode, code, done)
        self.assertEqual(done.stdout, "")
        self.assertIn(text, done.stderr)
        self.assertTrue(done.stderr.startswith("vpn-enabler: ") and done.stderr.count("\n") == 1, done.stderr)


def main():
    """Runs the test cases of the script that calls this, in the world above."""
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]} needs root for its namespaces")
    if IN_NAMESPACE not in os.environ:
        enter_namespaces()
    build_world()
    unittest.main(argv=sys.argv)
