#!/usr/bin/env python3
"""`vpn-enabler store`, end to end, on the real program and the gateways around it. See program.py."""
import json
import os
import pathlib
import pty
import select
import stat
import subprocess
import tempfile

from program import ENVIRONMENT, KEY, PROGRAM, STATE, CommandTest, Gateway, main, run


def first_gateway(*clients):
    """Serves until it has these clients. Its public key, and the rows of its list."""
    with Gateway() as gateway:
        for client in clients:
            done = run("client", "add", client)
            assert done.returncode == 0, done
        rows = json.loads(run("client", "list", "--json").stdout)
        key = KEY.search(gateway.output).group()
        gateway.stop()
    return key, rows


class Store(CommandTest):
    def test_a_gateway_moves_with_its_clients_and_its_key(self):
        key, rows = first_gateway("alice", "bob")
        done = run("store", "copy", "--from", f"sqlite:{STATE}", "--to", "sqlite:/var/lib/moved/")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertEqual(done.stdout, "2 clients: 2 copied\nthe gateway's private key: copied\n")
        again = run("store", "copy", settings={"VPN_STORE_FROM": f"sqlite:{STATE}", "VPN_STORE_TO": "sqlite:/var/lib/moved"})
        self.assertEqual(again.stdout, "2 clients: 0 copied, 2 already there\nthe gateway's private key: already there\n")
        for path in pathlib.Path("/var/lib/moved").iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
        with Gateway(STATE_DIR="/var/lib/moved") as gateway:
            self.assertEqual(KEY.search(gateway.output).group(), key)
            self.assertEqual(json.loads(run("client", "list", "--json").stdout), rows)
            gateway.stop()
        subprocess.run(["rm", "-rf", "/var/lib/moved"], check=True)

    def test_a_store_in_use_is_refused(self):
        with Gateway():
            for arguments in (("export", "--from"), ("import", "-", "--to")):
                done = run("store", *arguments, f"sqlite:{STATE}", stdin='{"format":"vpn-enabler","version":1}\n')
                self.assert_fails(done, 2, "clients.db is in use by another process")

    def test_an_export_is_a_backup(self):
        first_gateway("alice")
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "clients.jsonl"
            done = run("store", "export", "--from", f"sqlite:{STATE}", "--output", str(path))
            self.assertEqual((done.returncode, done.stdout), (0, "1 client exported\n"), done)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            header, client = map(json.loads, path.read_text().splitlines())
            self.assertEqual(header["serverPrivateKey"], (STATE / "private-key").read_text().strip())
            self.assertEqual(client["name"], "alice")
            self.assert_fails(run("store", "export", "--from", f"sqlite:{STATE}", "--output", str(path)), 1, "exists already")
            piped = run("store", "export", "--from", f"sqlite:{STATE}")
            self.assertEqual(piped.stdout, path.read_text())

            subprocess.run(["rm", "-rf", str(STATE)], check=True)
            dry = run("store", "import", "--to", f"sqlite:{STATE}/", str(path), "--dry-run")
            self.assertTrue(dry.stdout.startswith("1 client: 1 would be copied\n"), dry)
            self.assertFalse(STATE.exists())
            done = run("store", "import", "--to", f"sqlite:{STATE}/", "-", stdin=piped.stdout)
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(run("store", "export", "--from", f"sqlite:{STATE}").stdout, piped.stdout)

    def test_a_terminal_shows_no_export_but_a_progress_bar(self):
        first_gateway("alice")
        parent, child = pty.openpty()
        done = subprocess.run([PROGRAM, "store", "export", "--from", f"sqlite:{STATE}"], stdout=child,
                              stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, timeout=60)
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("--output", done.stderr)
        self.assertEqual(select.select([parent], [], [], 0)[0], [], "nothing was shown")

        done = subprocess.run([PROGRAM, "store", "copy", "--from", f"sqlite:{STATE}", "--to", "sqlite:/var/lib/moved/"],
                              stdout=subprocess.PIPE, stderr=child, text=True, env=ENVIRONMENT, timeout=60)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn(b"] 1 of 1", os.read(parent, 4096))
        os.close(parent)
        os.close(child)
        subprocess.run(["rm", "-rf", "/var/lib/moved"], check=True)

    def test_help_and_usage(self):
        for command in ([], ["copy"], ["export"], ["import"]):
            done = run("store", *command, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""), command)
            self.assertIn("Example:\n  vpn-enabler store", done.stdout)
            self.assert_fails(run("store", *command), 2, "--help")
        self.assert_fails(run("store", "export", "--from", "postgres://u:secret@h"), 2, "for example sqlite:/")


if __name__ == "__main__":
    main()
