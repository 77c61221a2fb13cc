#!/usr/bin/env python3
"""`vpn-enabler serve`, end to end: starting, stopping, and all that can be in its way. See program.py."""
import json
import pathlib
import re
import signal
import stat
import subprocess
import tempfile

from program import (BUILD, ENVIRONMENT, KEY, PROGRAM, SOCKET, STATE, STOP_WITHIN_S, CommandTest, Gateway, curl, fill,
                     links, main, make_read_only, output_of, run, small_file_system, tables)


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


if __name__ == "__main__":
    main()
