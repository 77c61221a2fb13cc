#!/usr/bin/env python3
"""What holds for every command: settings, secrets, help, exit codes; and the commands for keys. See program.py."""
import os
import pathlib
import subprocess
import tempfile

from program import (BUILD, ENVIRONMENT, KEY, PROGRAM, STATE, CommandTest, Gateway, links, main, output_of, run,
                     run_shell)


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
                     "API_TOKEN_FILE", "API_AUTH", "STATE_DIR", "STORE", "MONGODB_HOST", "MONGODB_PASS_FILE", "LTSE_URL", "TUNNEL", "NAT", "ENGINE_WORKERS", "ENGINE_OFFLOADS",
                     "LOG_LEVEL", "LOG_FORMAT"):
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
    main()
