#!/usr/bin/env python3
"""The commands of vpn-enabler, end to end, on the real program.

    this process, in network and mount namespaces of its own (so that runs do not meet, and the defaults can be used):
      lo 127.0.0.1     site0 10.9.0.2/24 -- site1, with a default route: what SERVER_IP is detected from
      /run, /var/lib   empty: the API's socket and the state directory at their default places

Usage: commands.py [-v] [CASE ...], as root; VPN_BUILD_DIR holds the program (default: build/check).
"""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
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


class Serve(CommandTest):
    def test_runs_with_none_of_the_settings_set(self):
        with Gateway() as gateway:
            for text in ("10.9.0.2:51820", "UDP port 51820 on wg0", "http://127.0.0.1:3000", str(SOCKET), "sqlite at",
                         "vpn-enabler client add laptop"):
                self.assertIn(text, gateway.output)
            key = KEY.search(gateway.output).group()
            self.assertEqual(curl("http://127.0.0.1:3000/version")[0], 200)
            self.assertEqual(stat.S_IMODE(SOCKET.stat().st_mode), 0o600)
            self.assertEqual(stat.S_IMODE(STATE.stat().st_mode), 0o700)
            self.assertEqual(stat.S_IMODE((STATE / "private-key").stat().st_mode), 0o600)
            for path in STATE.iterdir():
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
            self.assertIn("192.168.2.1/24", output_of("ip", "address", "show", "wg0"))
            self.assertEqual(pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text(), "1\n")
            self.assertEqual(output_of("wg", "show", "wg0", "public-key").strip(), key)

    def test_keeps_its_key_over_a_restart(self):
        keys = []
        for _ in range(2):
            with Gateway() as gateway:
                keys.append(KEY.search(gateway.output).group())
                self.assertEqual(gateway.stop()[0], 0)
        self.assertEqual(keys[0], keys[1])

    def test_a_signal_stops_it_in_time_and_leaves_nothing_behind(self):
        for with_signal in (signal.SIGTERM, signal.SIGINT):
            with Gateway() as gateway:
                self.assertIn("wg0", links())
                self.assertIn("vpn", tables())
                code, seconds = gateway.stop(with_signal)
                self.assertEqual(code, 0)
                self.assertLess(seconds, STOP_WITHIN_S)
            self.assertNotIn("wg0", links())
            self.assertNotIn("vpn", tables())
            self.assertFalse(SOCKET.exists())

    def test_a_kill_leaves_nothing_in_the_way_of_the_next_start(self):
        with Gateway() as gateway:
            gateway.process.kill()
            gateway.process.wait()
        with Gateway():
            self.assertEqual(tables().count("vpn"), 1)

    def test_a_kill_leaves_no_rules_to_a_next_start_with_another_interface(self):
        subprocess.run("nft add table inet vpn_enabler_other".split(), check=True)
        try:
            for interface in ("wg0", "wg1", "wg2"):
                with Gateway(WG_INTERFACE=interface) as gateway:
                    self.assertEqual(sorted(re.findall(r"vpn_enabler_\w+", tables())),
                                     ["vpn_enabler_other", f"vpn_enabler_{interface}"])
                    gateway.process.kill()
                    gateway.process.wait()
            with Gateway(WG_INTERFACE="wg2") as gateway:
                self.assertTrue((STATE / "ruled-interfaces").exists())
                gateway.stop()
            self.assertEqual(re.findall(r"vpn_enabler_\w+", tables()), ["vpn_enabler_other"])
            self.assertFalse((STATE / "ruled-interfaces").exists(), "what stands for another gateway is not ours")
        finally:
            subprocess.run("nft delete table inet vpn_enabler_other".split(), check=True)

    def test_the_interfaces_end_is_its_end(self):
        with Gateway() as gateway:
            subprocess.run(["ip", "link", "delete", "wg0"], check=True)
            self.assertEqual(gateway.process.wait(timeout=10), 1)
            gateway.wait_for("interface is gone")

    def test_refuses_an_interface_that_is_someone_elses(self):
        subprocess.run("ip link add wg0 type veth peer name other".split(), check=True)
        try:
            done = run("serve")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("wg0", done.stderr)
            self.assertIn("wg0", links())
        finally:
            subprocess.run("ip link delete wg0".split(), check=True)

    def test_refuses_a_subnet_that_the_machine_is_in(self):
        for command in ("link add lan0 type veth peer name other", "address add 10.77.0.1/24 dev lan0", "link set lan0 up"):
            subprocess.run(["ip", *command.split()], check=True)
        try:
            for subnet in ("10.77.0.1/24", "10.77.0.129/25"):
                done = run("serve", settings={"WG_SUBNET": subnet})
                self.assertEqual(done.returncode, 2, done)
                for word in ("WG_SUBNET", "lan0", "10.77.0.1/24", "for example 192.168.2.1/24"):
                    self.assertIn(word, done.stderr)
                self.assertNotIn("wg0", links())
            with Gateway(WG_SUBNET="10.77.0.9/16") as gateway:
                gateway.wait_for("network=10.77.0.1/24")
        finally:
            subprocess.run("ip link delete lan0".split(), check=True)

    def test_a_second_gateway_on_the_same_store_is_refused(self):
        with Gateway():
            done = run("serve", settings={"WG_INTERFACE": "wg9", "WG_PORT": "51999", "API_PORT": "3999",
                                          "API_SOCKET": "/run/b.sock"})
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("is in use by another process", done.stderr)
            self.assertNotIn("wg9", links())

    def test_a_taken_port_is_named(self):
        with Gateway():
            settings = {"STATE_DIR": "/var/lib/b", "WG_INTERFACE": "wg9", "API_SOCKET": "/run/b.sock",
                        "WG_SUBNET": "192.168.9.1/24"}
            done = run("serve", settings={**settings, "API_PORT": "3999"})
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("WG_PORT=51820: ", done.stderr)
            self.assertIn("for example WG_PORT=51821", done.stderr)
            done = run("serve", settings={**settings, "WG_PORT": "51999"})
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("API_PORT: cannot listen on 127.0.0.1:3000", done.stderr)
            self.assertIn("for example API_PORT=3001", done.stderr)
            self.assertNotIn("wg9", links())

    def test_an_address_or_path_that_cannot_be_is_named(self):
        for name, value, example in (("API_ADDRESS", "10.9.9.9", "127.0.0.1"),
                                     ("API_SOCKET", "/nonexist/a/b.sock", "/run/vpn-enabler/api.sock")):
            done = run("serve", settings={name: value})
            self.assertEqual(done.returncode, 2, done)
            self.assertRegex(done.stderr, rf"vpn-enabler: {name}: cannot .*for example {example}")
            self.assertNotIn("wg0", links())

    def test_a_corrupt_store_or_key_is_no_new_beginning(self):
        for name in ("clients.db", "private-key"):
            STATE.mkdir(mode=0o700, exist_ok=True)
            (STATE / name).write_text("not what we wrote, at all\n" * 100)
            done = run("serve")
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(str(STATE / name), done.stderr)
            self.assertEqual((STATE / name).read_text(), "not what we wrote, at all\n" * 100)
            (STATE / name).unlink()

    def test_a_damaged_or_missing_log_is_no_new_beginning(self):
        log = STATE / "clients.db-wal"

        def flip(at):
            content = bytearray(log.read_bytes())
            content[at] ^= 1
            log.write_bytes(content)

        with Gateway() as gateway:
            for number in range(20):
                self.assertEqual(run("client", "add", f"c{number}").returncode, 0)
            gateway.process.kill()
            gateway.process.wait()
        whole = log.read_bytes()
        for damage in (lambda: flip(4), lambda: flip(100_000), log.unlink):
            damage()
            done = run("serve")
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(str(log), done.stderr)
            log.write_bytes(whole)
        with Gateway() as gateway:
            self.assertEqual(len(json.loads(run("client", "list", "--json").stdout)), 20)
            gateway.stop()
        self.assertFalse(log.exists())

    def test_a_state_directory_that_cannot_be_written_is_a_settings_fault(self):
        def first_start():
            with Gateway() as gateway:
                gateway.stop()

        def key_alone():
            (STATE / "private-key").write_text(run("genkey").stdout)

        for name, prepare in (("nothing", lambda: None), ("a key", key_alone), ("a whole state", first_start)):
            for fault, told in ((make_read_only, "Read-only file system"), (fill, "No space left on device|disk is full")):
                with self.subTest(name=name, fault=fault.__name__), small_file_system(STATE):
                    prepare()
                    fault(STATE)
                    before = sorted(path.name for path in STATE.iterdir())
                    done = run("serve")
                    self.assertEqual(done.returncode, 2, done)
                    self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), done)
                    self.assertIn(str(STATE), done.stderr)
                    self.assertRegex(done.stderr, told)
                    self.assertRegex(done.stderr, "(?i)make it writable.*, or point STATE_DIR at a directory that is")
                    self.assertNotIn("wg0", links())
                    self.assertNotIn("private-key.new", before + [path.name for path in STATE.iterdir()])

    def test_a_state_directory_that_cannot_be_made_is_a_settings_fault(self):
        with small_file_system(STATE):
            make_read_only(STATE)
            self.assert_fails(run("serve", settings={"STATE_DIR": f"{STATE}/a/b"}), 2, f"{STATE}/a")
        (STATE.parent / "file").write_text("")
        done = run("serve", settings={"STATE_DIR": f"{STATE.parent}/file"})
        self.assert_fails(done, 2, f"STATE_DIR: {STATE.parent}/file is not a directory")

    def test_the_first_clients_command_runs_as_it_is_printed(self):
        with tempfile.TemporaryDirectory() as directory:
            decoy = pathlib.Path(directory) / "vpn-enabler"
            decoy.write_text("#!/bin/sh\nexit 99\n")
            decoy.chmod(0o755)
            for path, word in ((ENVIRONMENT["PATH"], PROGRAM), (f"{BUILD}:{directory}", "vpn-enabler"),
                               (f"{directory}:{BUILD}", PROGRAM)):
                with Gateway(PATH=path, API_SOCKET="/run/the gateway's.sock") as gateway:
                    command = re.search(r"first client +(.*)", gateway.output).group(1)
                    self.assertTrue(command.startswith(word + " client add "), command)
                    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, env={"PATH": path})
                    self.assertEqual(done.returncode, 0, done)
                    self.assertIn("PrivateKey = ", done.stdout)
                    listed = run("client", "list", "--api-socket", "/run/the gateway's.sock").stdout
                    self.assertIn("laptop", listed)
                    run("client", "remove", "laptop", "--api-socket", "/run/the gateway's.sock")

    def test_a_token_that_is_set_counts_on_loopback_too(self):
        token = "0123456789abcdef0123456789abcdef"
        with Gateway(API_TOKEN=token):
            for path in ("keys", "info/conf", "clients"):
                self.assertEqual(curl(f"http://127.0.0.1:3000/{path}")[0], 401)
                self.assertEqual(curl("-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:3000/{path}")[0], 200)
            self.assertEqual(curl("http://127.0.0.1:3000/health")[0], 200)
            self.assertEqual(run("client", "list").returncode, 0, "the unix socket needs none")
        (STATE / "api-token").write_text(token + "\n")  # kept from a time with another API_ADDRESS
        with Gateway():
            self.assertEqual(curl("http://127.0.0.1:3000/keys")[0], 200)

    def test_other_addresses_need_the_generated_token(self):
        with Gateway(API_ADDRESS="0.0.0.0") as gateway:
            token = (STATE / "api-token").read_text().strip()
            self.assertIn(str(STATE / "api-token"), gateway.output)
            self.assertEqual(curl("http://10.9.0.2:3000/clients")[0], 401)
            self.assertEqual(curl("-H", f"Authorization: Bearer {token}", "http://10.9.0.2:3000/clients")[0], 200)
            self.assertEqual(run("client", "list").returncode, 0, "the unix socket needs none")
            gateway.stop()
        self.assertNotIn(token, gateway.output)

    def test_an_api_without_authentication_is_said_in_the_log(self):
        with Gateway(API_ADDRESS="0.0.0.0", API_AUTH="off") as gateway:
            gateway.wait_for("API_AUTH=off")
            self.assertEqual(curl("http://10.9.0.2:3000/clients")[0], 200)
        with Gateway(API_AUTH="off", LOG_LEVEL="error") as gateway:
            self.assertIn("API_AUTH=off", gateway.output)
            self.assertEqual(curl("-H", "Host: vpn.example.org", "http://127.0.0.1:3000/clients")[0], 200)
            self.assertEqual(curl("-H", "Sec-Fetch-Site: cross-site", "http://127.0.0.1:3000/clients")[0], 403)

    def test_json_logs_are_json_to_the_last_line(self):
        with Gateway("--log-format", "json") as gateway:
            gateway.stop()
        lines = [json.loads(line) for line in gateway.output.splitlines()]
        self.assertTrue(any(line["event"] == "serving" and KEY.fullmatch(line["public_key"]) for line in lines), lines)

    def test_no_secret_is_ever_printed(self):
        private_key, token = run("genkey").stdout.strip(), "0123456789abcdef0123456789abcdef"
        with Gateway(WG_PRIVATE_KEY=private_key, API_TOKEN=token, API_ADDRESS="0.0.0.0", LOG_LEVEL="debug") as gateway:
            config = run("client", "add", "laptop").stdout
            run("client", "disable", "laptop")
            run("client", "remove", "laptop")
            gateway.stop()
        secrets = [private_key, token, *re.findall(r"(?:PrivateKey|PresharedKey) = (\S+)", config)]
        self.assertEqual(len(secrets), 4)
        for secret in secrets:
            self.assertNotIn(secret, gateway.output)


class Settings(CommandTest):
    def test_a_bad_setting_is_named_and_nothing_is_changed(self):
        for name, value in (("API_PORT", "70000"), ("WG_SUBNET", "192.168.2.0/24"), ("STORE", "postgres"),
                            ("LTSE", "yes"), ("MONGODB_PORT", "x"), ("TUNNEL", "tun"),
                            ("SERVER_IP", "a b"), ("SERVER_IP", "0.0.0.0"), ("WG_SUBNET", "127.0.0.1/24"),
                            ("SERVER_IP", "255.255.255.255"), ("SERVER_IP", "fe80::1"), ("API_ADDRESS", "224.0.0.1"),
                            ("NAT", "maybe"), ("WG_SUBNET6", "192.168.2.1/24"), ("WG_SUBNET6", "fd00:2::1/112"),
                            ("WG_SUBNET6", "fe80::1/64")):
            done = run("serve", settings={name: value})
            self.assert_fails(done, 2, f'{name}="{value}"')
            self.assertIn(f"for example {name}=", done.stderr)
        self.assertFalse(STATE.exists())
        self.assertNotIn("wg0", links())

    def test_a_bad_secret_is_not_shown(self):
        bad = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"
        done = run("serve", settings={"WG_PRIVATE_KEY": bad})
        self.assert_fails(done, 2, "WG_PRIVATE_KEY: the value is not 44 base64")
        self.assertNotIn(bad, done.stderr)

    def test_a_secret_in_the_wrong_place_is_not_shown(self):
        key = run("genkey").stdout.strip()
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(key + "\n")
            file.flush()
            wrong = ((["serve", "--config", file.name], "line 1"), (["serve", f"--wg-privat-key={key}"], "--wg-privat-key"),
                     (["serve", "--wg-privat-key", key], "--wg-privat-key"), (["serve", f"--{key}"], "not expected"),
                     (["serve", f"-{key}"], "argument"), (["serve", key], "argument"), (["pubkey", key], "argument"),
                     (["client", "list", key], "argument"))
            for arguments, told in wrong:
                done = run(*arguments)
                self.assert_fails(done, 2, told)
                for length in range(4, len(key)):
                    self.assertNotIn(key[:length], done.stderr)

    def test_an_unknown_argument_is_a_usage_error(self):
        self.assert_fails(run("serve", "--wg-prt", "1"), 2, "--wg-prt")

    def test_no_way_out_means_that_the_address_must_be_given(self):
        subprocess.run("ip route delete default".split(), check=True)
        subprocess.run("ip address flush dev site0".split(), check=True)
        try:
            done = run("serve")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("SERVER_IP", done.stderr)
            with Gateway(SERVER_IP="vpn.example.org") as gateway:
                self.assertIn("vpn.example.org:51820", gateway.output)
        finally:
            subprocess.run("ip address add 10.9.0.2/24 dev site0".split(), check=True)
            subprocess.run("ip route add default via 10.9.0.1 dev site0".split(), check=True)


class Clients(CommandTest):
    def test_the_life_of_a_client(self):
        with Gateway(SERVER_IP="vpn.example.org") as gateway:
            added = run("client", "add", "laptop")
            self.assertEqual(added.returncode, 0, added)
            server_key = KEY.search(gateway.output).group()
            self.assertRegex(added.stdout, r"\[Interface\]\nPrivateKey = \S{44}\nAddress = 192\.168\.2\.2/32\n")
            for line in (f"PublicKey = {server_key}", "AllowedIPs = 0.0.0.0/0,::/0", "Endpoint = vpn.example.org:51820",
                         "PersistentKeepalive = 25"):
                self.assertIn(line, added.stdout.replace(", ", ","))
            private_key = re.search(r"PrivateKey = (\S+)", added.stdout).group(1)
            public_key = run("pubkey", stdin=private_key + "\n").stdout.strip()

            listed = run("client", "list").stdout.splitlines()
            self.assertEqual(len(listed), 2)
            self.assertRegex(listed[0], r"^NAME +ADDRESS +STATE +HANDSHAKE +RECEIVED +SENT +PUBLIC KEY$")
            self.assertRegex(listed[1], rf"^laptop +192\.168\.2\.2 +enabled +never +0 B +0 B +{re.escape(public_key)}$")
            rows = json.loads(run("client", "list", "--json").stdout)
            self.assertEqual([(row["name"], row["publicKey"]) for row in rows], [("laptop", public_key)])

            self.assertEqual(run("client", "disable", "laptop").returncode, 0)
            self.assertRegex(run("client", "show", public_key).stdout, r"state: +disabled")
            self.assertEqual(run("client", "enable", public_key).returncode, 0)
            self.assertRegex(run("client", "show", "laptop").stdout, r"state: +enabled")
            shown = json.loads(run("client", "show", "laptop", "--json").stdout)
            self.assertEqual(shown[0]["clientIP"], "192.168.2.2/32")
            self.assertEqual(run("client", "remove", "laptop").stdout, "Client laptop removed\n")
            self.assertIn("No clients yet", run("client", "list").stdout)

    def test_a_client_has_an_ipv6_address_where_the_vpn_has_ipv6(self):
        with Gateway(WG_SUBNET6="fd00:2::1/64") as gateway:
            self.assertIn("subnet 192.168.2.1/24 and fd00:2::1/64\n", gateway.output)
            self.assertIn("inet6 fd00:2::1/64", output_of("ip", "address", "show", "wg0"))
            self.assertEqual(pathlib.Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text(), "1\n")
            self.assertIn("Address = 192.168.2.2/32, fd00:2::c0a8:202/128\n", run("client", "add", "laptop").stdout)
            listed = run("client", "list").stdout.splitlines()
            self.assertRegex(listed[0], "^NAME +ADDRESS +IPV6 ADDRESS +STATE ")
            self.assertRegex(listed[1], r"^laptop +192\.168\.2\.2 +fd00:2::c0a8:202 +enabled ")
            self.assertRegex(run("client", "show", "laptop").stdout, r"address: +192\.168\.2\.2/32, fd00:2::c0a8:202/128\n")
            self.assertEqual(json.loads(run("client", "list", "--json").stdout)[0]["clientIP6"], "fd00:2::c0a8:202/128")
            self.assertCountEqual(output_of("wg", "show", "wg0", "allowed-ips").split()[1:],
                                  ["192.168.2.2/32", "fd00:2::c0a8:202/128"])
            gateway.stop()
        with Gateway():
            self.assertNotIn("inet6 fd00", output_of("ip", "address", "show", "wg0"))
            self.assertNotIn("clientIP6", run("client", "list", "--json").stdout)
            self.assertNotIn("IPV6", run("client", "list").stdout)

    def test_what_the_gateway_refuses_is_said(self):
        with Gateway():
            self.assertEqual(run("client", "add", "laptop").returncode, 0)
            self.assert_fails(run("client", "add", "laptop"), 1, "laptop")
            self.assert_fails(run("client", "add", "line\nfeed"), 1, "name")
            self.assert_fails(run("client", "show", "phone"), 1, "no client has the name or public key phone")
            self.assert_fails(run("client", "remove", "phone"), 1, "no client has the name or public key phone")
            self.assertEqual(len(json.loads(run("client", "list", "--json").stdout)), 1)

    def test_a_configuration_goes_to_a_new_private_file(self):
        with Gateway(), tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "laptop.conf"
            neighbour = pathlib.Path(directory) / "laptop.conf.new"
            neighbour.write_text("precious")
            done = run("client", "add", "laptop", "--output", str(path))
            self.assertEqual(done.returncode, 0, done)
            self.assertNotIn("PrivateKey", done.stdout + done.stderr)
            self.assertIn("PrivateKey = ", path.read_text())
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            kept = path.read_text()
            self.assert_fails(run("client", "add", "phone", "--output", str(path)), 1, "is not overwritten")
            self.assertEqual(path.read_text(), kept)
            other = pathlib.Path(directory) / "again.conf"
            self.assert_fails(run("client", "add", "laptop", "--output", str(other)), 1, "laptop")
            self.assertFalse(other.exists())
            self.assertEqual(neighbour.read_text(), "precious")
            self.assertEqual(sorted(os.listdir(directory)), ["laptop.conf", "laptop.conf.new"])
            self.assertEqual(len(json.loads(run("client", "list", "--json").stdout)), 1)

    def test_a_client_whose_configuration_cannot_be_delivered_does_not_exist(self):
        def assert_taken_back(done):
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("; client lost was not kept", done.stderr)
            self.assertNotIn("PrivateKey", done.stdout or "")
            self.assertEqual(json.loads(run("client", "list", "--json").stdout), [])

        def add(stdout, *arguments):
            return subprocess.run([PROGRAM, "client", "add", "lost", *arguments], stdout=stdout, stderr=subprocess.PIPE,
                                  text=True, env=ENVIRONMENT, timeout=60)

        with Gateway():
            with open("/dev/full", "w") as full:
                assert_taken_back(add(full))
            reader, closed_pipe = os.pipe()
            os.close(reader)
            assert_taken_back(add(closed_pipe))
            os.close(closed_pipe)
            assert_taken_back(run_shell(f'exec "{PROGRAM}" client add lost >&-'))

            directory = pathlib.Path("/run/small")
            with small_file_system(directory):
                fill(directory)
                before = os.listdir(directory)
                done = run("client", "add", "lost", "--output", f"{directory}/lost.conf")
                assert_taken_back(done)
                self.assertIn("No space left on device", done.stderr)
                self.assertEqual(os.listdir(directory), before)
            with open("/dev/full", "w") as full:
                assert_taken_back(add(full, "--output", "/run/lost.conf"))
            assert_taken_back(run_shell(f'exec "{PROGRAM}" client add lost --output /run/lost.conf >&-'))
            self.assertFalse(pathlib.Path("/run/lost.conf").exists())
            self.assertIn("Address = 192.168.2.2/32", run("client", "add", "lost").stdout, "its name and address are free")

    def test_a_client_that_could_not_be_taken_back_is_told(self):
        with Gateway(), socket.socket(socket.AF_UNIX) as listener:
            listener.bind("/run/one-call.sock")
            listener.listen()

            def forward_one_call():  # to the real gateway; the second one, the removal, gets no answer
                caller, _ = listener.accept()
                with caller, socket.socket(socket.AF_UNIX) as real:
                    real.connect(str(SOCKET))
                    real.sendall(caller.recv(65536))
                    caller.sendall(real.recv(65536))
                listener.accept()[0].close()
                listener.close()  # nor does any other

            middle = threading.Thread(target=forward_one_call)
            middle.start()
            done = run_shell(f'exec "{PROGRAM}" client add lost --api-socket /run/one-call.sock >/dev/full')
            middle.join()
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("client lost exists, but its private key is lost", done.stderr)
            self.assertTrue(done.stderr.endswith(f"{PROGRAM} client remove lost\n"), done.stderr)
            self.assertEqual(run("client", "remove", "lost").returncode, 0)

    def test_a_client_whose_answer_is_lost_does_not_exist(self):
        pathlib.Path("/run/lossy").mkdir(exist_ok=True)
        path = pathlib.Path("/run/lossy/api.sock")

        def forward(listener, *answered):  # one call each; whether its answer reaches the caller
            for answer in answered:
                caller, _ = listener.accept()
                with caller, socket.socket(socket.AF_UNIX) as real:
                    real.connect(str(SOCKET))
                    real.sendall(caller.recv(65536))
                    text = real.recv(65536)
                    if answer:
                        caller.sendall(text)

        def add(*answered):
            path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                listener.listen()
                middle = threading.Thread(target=lambda: (forward(listener, *answered), listener.close()))
                middle.start()
                done = run("client", "add", "lost", "--api-socket", str(path), "--output", "/run/lossy/lost.conf")
                middle.join()
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), done)
            self.assertFalse(pathlib.Path("/run/lossy/lost.conf").exists())
            return done

        with Gateway():
            for answered in ((False, True), (False, False, True)):  # the second removal finds nothing
                self.assertIn("; client lost was not kept", add(*answered).stderr)
                self.assertEqual(json.loads(run("client", "list", "--json").stdout), [])
            done = add(False)
            self.assertIn("client lost may exist, but its private key is lost", done.stderr)
            self.assertTrue(done.stderr.endswith(f"{PROGRAM} client remove lost\n"), done.stderr)
            self.assertEqual(run("client", "remove", "lost").returncode, 0)

    def test_a_client_needs_a_name(self):
        with Gateway():
            self.assertEqual(curl("--json", json.dumps({"publicKey": PUBLIC_KEY}), "http://127.0.0.1:3000/client")[0], 200)
            for verb in ("add", "show", "enable", "disable", "remove"):
                self.assert_fails(run("client", verb, ""), 2, "must not be empty")
            self.assertEqual(len(json.loads(run("client", "list", "--json").stdout)), 1)

    def test_output_that_goes_nowhere_is_a_failure(self):
        with Gateway():
            self.assertEqual(run("client", "add", "laptop").returncode, 0)
            for command in ("client list", "client list --json", "client show laptop", "client disable laptop"):
                self.assert_fails(run_shell(f'exec "{PROGRAM}" {command} >/dev/full'), 1, "No space left on device")

    def test_a_terminal_gets_a_qr_code_and_a_pipe_does_not(self):
        with Gateway():
            self.assertNotIn("█", run("client", "add", "piped").stdout)
            controller, terminal = pty.openpty()
            done = subprocess.Popen([PROGRAM, "client", "add", "seen"], stdout=terminal, env=ENVIRONMENT)
            os.close(terminal)
            shown = b""
            while True:
                try:
                    piece = os.read(controller, 65536)
                except OSError:  # EIO: the terminal's last user has gone
                    break
                if not piece:
                    break
                shown += piece
            os.close(controller)
            self.assertEqual(done.wait(timeout=10), 0)
            self.assertIn("PrivateKey = ", shown.decode())
            self.assertIn("█" * 30, shown.decode(), "the quiet zone")

    def test_a_stranger_on_the_socket_is_noticed(self):
        answers = (b"hello\r\n\r\n",
                   b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                   b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
                   b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\noops",
                   b"")
        SOCKET.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(SOCKET))
            listener.listen()

            def answer_each():
                for answer in answers:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(answer)

            stranger = threading.Thread(target=answer_each)
            stranger.start()
            for _ in answers:
                self.assert_fails(run("client", "list"), 1, "vpn-enabler")
            stranger.join()

    def test_without_a_gateway_it_says_so(self):
        self.assert_fails(run("client", "list"), 1, "is `vpn-enabler serve` running?")


class Keys(CommandTest):
    def test_keys_are_those_of_wg(self):
        private_key = run("genkey").stdout
        self.assertRegex(private_key, rf"^{KEY.pattern}\n$")
        self.assertNotEqual(private_key, run("genkey").stdout)
        theirs = subprocess.run(["wg", "pubkey"], input=private_key, capture_output=True, text=True, check=True)
        self.assertEqual(run("pubkey", stdin=private_key).stdout, theirs.stdout)
        self.assertRegex(run("genpsk").stdout, rf"^{KEY.pattern}\n$")

    def test_pubkey_refuses_what_is_no_key_without_showing_it(self):
        for text in ("", "hunter2\n", "A" * 300):
            done = run("pubkey", stdin=text)
            self.assert_fails(done, 1, "not a private key")
            self.assertNotIn("hunter2", done.stderr)

    def test_a_key_that_goes_nowhere_is_a_failure(self):
        for command in ("genkey", "genpsk", "pubkey"):
            for nowhere in (">/dev/full", ">&-"):
                done = run_shell(f'exec "{PROGRAM}" {command} {nowhere}', stdin=run("genkey").stdout)
                self.assert_fails(done, 1, "write standard output: ")

    def test_a_key_in_a_readable_file_is_warned_of(self):
        with tempfile.TemporaryDirectory() as directory:
            for mode, warned in ((0o644, True), (0o600, False)):
                path = pathlib.Path(directory) / oct(mode)
                with open(path, "w", opener=lambda p, flags, m=mode: os.open(p, flags, m)) as out:
                    os.fchmod(out.fileno(), mode)
                    done = subprocess.run([PROGRAM, "genkey"], stdout=out, stderr=subprocess.PIPE, text=True, check=True)
                self.assertEqual("umask 077" in done.stderr, warned)


class Usage(CommandTest):
    def test_help_is_everywhere_with_an_example(self):
        for command in ([], ["serve"], ["client"], ["client", "add"], ["client", "list"], ["client", "show"],
                        ["client", "enable"], ["client", "disable"], ["client", "remove"], ["genkey"],
                        ["pubkey"], ["genpsk"], ["engine"]):
            done = run(*command, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""), command)
            self.assertRegex(done.stdout, r"Example:\n  (WG_QUICK\S+ )?vpn-enabler", command)

    def test_every_setting_is_in_the_help(self):
        text = run("serve", "--help").stdout
        for name in ("WG_PRIVATE_KEY", "WG_PRIVATE_KEY_FILE", "WG_SUBNET", "WG_SUBNET6", "WG_PORT", "WG_INTERFACE", "WG_MTU",
                     "SERVER_IP", "SERVER_PORT", "PEER_ALLOWED_IPS", "API_ADDRESS", "API_PORT", "API_SOCKET", "API_TOKEN",
                     "API_TOKEN_FILE", "API_AUTH", "STATE_DIR", "STORE", "MONGODB_HOST", "MONGODB_PASS_FILE", "LTSE_URL", "TUNNEL", "NAT", "ENGINE_WORKERS", "LOG_LEVEL", "LOG_FORMAT"):
            self.assertIn(f"(Env:{name})", text)
            self.assertIn("--" + name.lower().replace("_", "-"), text)

    def test_version(self):
        self.assertRegex(run("--version").stdout, r"^vpn-enabler \d+\.\d+\.\d+\n$")

    def test_libmongoc_stays_out_of_shared_memory(self):
        left = pathlib.Path("/dev/shm")
        for command in ("--version", "genpsk", "serve --help"):
            with subprocess.Popen(["/bin/sh", "-c", f'touch {left}/mongoc-$$; exec "{PROGRAM}" {command}'], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as done:
                self.assertEqual(done.communicate(timeout=60)[1], "")
            (left / f"mongoc-{done.pid}").unlink(missing_ok=True)
        with Gateway() as gateway:
            gateway.process.kill()
            gateway.process.wait()
            self.assertFalse((left / f"mongoc-{gateway.process.pid}").exists())

    def test_help_that_goes_nowhere_is_a_failure(self):
        for command in ("--help", "--version", "serve --help", "client add --help"):
            self.assert_fails(run_shell(f'exec "{PROGRAM}" {command} >/dev/full'), 1, "write standard output: ")

    def test_usage_errors_are_2_and_on_stderr(self):
        for command in ([], ["serv"], ["client"], ["client", "add"], ["client", "add", "a", "b"],
                        ["client", "list", "--xml"], ["genkey", "x"], ["engine"], ["engine", "a/b"]):
            done = run(*command)
            self.assertEqual((done.returncode, done.stdout), (2, ""), command)
            self.assertNotEqual(done.stderr, "", command)

    def test_called_as_vpn_engine_it_is_the_engine(self):
        engine = [str(BUILD / "vpn-engine")]
        self.assertIn("UAPI", output_of(*engine, "--help"))
        self.assertEqual(subprocess.run(engine, capture_output=True).returncode, 2)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("commands.py needs root for its namespaces")
    if IN_NAMESPACE not in os.environ:
        enter_namespaces()
    build_world()
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
