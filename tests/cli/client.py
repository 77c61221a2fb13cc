#!/usr/bin/env python3
"""`vpn-enabler client`, end to end, with the gateway it speaks to. See program.py."""
import json
import os
import pathlib
import pty
import re
import socket
import stat
import subprocess
import tempfile
import threading

from program import (ENVIRONMENT, KEY, PROGRAM, PUBLIC_KEY, SOCKET, CommandTest, Gateway, curl, fill, main,
                     output_of, run, run_shell, small_file_system)


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


if __name__ == "__main__":
    main()
