#!/usr/bin/env python3
"""The service under a real systemd, process 1 of a machine in namespaces: it starts inside its sandbox, is watched, restarts.

    boot.py ROOT DEB        ROOT: what root.py made; DEB: the package. As root
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "netns"))

from guide import blocks
from lifecycle import with_version
from root import ENVIRONMENT, Copy, check, enter_namespace

UNIT = "vpn-enabler.service"
GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/machine-to-machine.md"
SETTINGS = "etc/vpn-enabler/vpn-enabler.env"
NET_ADMIN_AND_BIND_SERVICE = 1 << 12 | 1 << 10  # capabilities(7)

# Impatient, or the test would wait for half a minute until the gateway that hangs is found.
IMPATIENT = "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\nRestartSec=100ms\n"

# What a container's runtime does before it starts systemd. $1 is the root directory, $2 a cgroup for it alone.
BOOT = r"""
echo $$ >"$2/cgroup.procs"
exec unshare --mount --pid --fork --kill-child --net --cgroup --ipc --uts sh -ec '
mount -t proc proc "$1/proc"
mount -t sysfs sys "$1/sys"
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
for place in run tmp dev; do mount -t tmpfs "$place" "$1/$place"; done
mkdir "$1/dev/net" "$1/dev/shm" "$1/dev/pts"
mount -t devpts -o ptmxmode=666 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
mknod -m 666 "$1/dev/tty" c 5 0
mknod "$1/dev/net/tun" c 10 200
for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$1/dev/${device%:*}" c 1 ${device#*:}; done
ip link set lo up
ip link add eth0 type veth peer name site
ip address add 203.0.113.2/24 dev eth0
ip link set site up
ip link set eth0 up
ip route add default via 203.0.113.1
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$1" /lib/systemd/systemd --system
' sh "$1"
"""


def own_cgroup():
    """Where the kernel shows this process's cgroup of version 2."""
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    mounted = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
    paths = [line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    if not mounted or not paths:
        sys.exit("FAILED: this machine shows no cgroups of version 2, which systemd needs")
    return pathlib.Path(mounted[0]) / paths[0].lstrip("/")


class Booted:
    """The copy with systemd running in it. Its end is the end of every process in it; the cgroups go last."""

    def __init__(self, path):
        self._cgroup = pathlib.Path(tempfile.mkdtemp(prefix="vpn-enabler-test-", dir=own_cgroup()))
        self._process = subprocess.Popen(["sh", "-ec", BOOT, "sh", path, self._cgroup], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL)
        self.pid = None

    def __enter__(self):
        return self

    def wait_for_boot(self):
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self.wait_until("systemd is process 1", lambda: children.read_text()
                        and pathlib.Path(f"/proc/{children.read_text().split()[0]}/comm").read_text() == "systemd\n")
        self.pid = children.read_text().split()[0]
        self.wait_until("systemd has booted", lambda: self.says("systemctl", "is-system-running") in ("running", "degraded"))

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self.wait_until("all of it has ended", lambda: "populated 0" in (self._cgroup / "cgroup.events").read_text())
        for directory, _, _ in os.walk(self._cgroup, topdown=False):
            os.rmdir(directory)

    def wait_until(self, what, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                journal = self.says("journalctl", "--no-pager", "--lines=60") if self.pid else ""
                sys.exit(f"FAILED: waited in vain: {what}\n{journal}")
            time.sleep(0.05)
        print(f"  ok  {what}", flush=True)

    def says(self, *command):
        entered = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--cgroup", "--root", "--wd=/", *command]
        return subprocess.run(entered, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60).stdout.strip()

    def unit(self, name):
        return self.says("systemctl", "show", "--value", f"--property={name}", UNIT)

    def serves(self):
        return self.unit("ActiveState") == "active" and self.says("vpn-enabler", "health").startswith('{"status":"ok"')


def starts_in_its_sandbox(machine):
    machine.wait_until("the service is active and well", machine.serves)
    check("it told systemd so", machine.unit("StatusText") == "Serving", machine.unit("StatusText"))
    status = machine.says("cat", f"/proc/{machine.unit('MainPID')}/status")
    fields = {line.split(":")[0]: line.split(":")[1].strip() for line in status.splitlines()}
    check("it holds two capabilities", int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == NET_ADMIN_AND_BIND_SERVICE, status)
    check("system calls are filtered", fields["Seccomp"] == "2", status)
    check("no new privileges", fields["NoNewPrivs"] == "1", status)
    check("forwarding is on", machine.says("cat", "/proc/sys/net/ipv4/ip_forward") == "1")
    check("the interface is there", "wg0" in machine.says("ls", "/sys/class/net").split())
    check("a client is made", "[Interface]" in machine.says("vpn-enabler", "client", "add", "laptop"))


def joins_machines(machine, path):
    """The unit of `vpn-enabler up`, by the guide's own commands; a real systemd-resolved hears of the name servers."""
    tunnel = path / "etc/wireguard/pair.conf"
    tunnel.parent.mkdir(mode=0o700, exist_ok=True)
    keys = [machine.says("vpn-enabler", "genkey") for _ in range(2)]
    public = machine.says("sh", "-c", f"echo {keys[1]} | vpn-enabler pubkey").splitlines()[-1]  # behind what sh says of its directory
    tunnel.write_text(f"[Interface]\nPrivateKey = {keys[0]}\nAddress = 10.99.0.2/24\nDNS = 10.99.0.53, fd00::53, example.org\n"
                      f"SaveConfig = true\n[Peer]\nPublicKey = {public}\nAllowedIPs = 0.0.0.0/0\nEndpoint = 203.0.113.1:51820\n")
    tunnel.chmod(0o600)
    machine.wait_until("systemd-resolved runs", lambda: machine.says("systemctl", "is-active", "systemd-resolved") == "active")
    commands = [commands for name, commands in blocks(GUIDE) if name == "boot"]
    check("the guide has commands for the boot", len(commands) >= 2, commands)
    for command in commands:
        said = machine.says("bash", "-euo", "pipefail", "-c", command + "\necho done")
        check("the guide's commands for the boot", said.endswith("done"), said + machine.says("journalctl", "--no-pager", "--unit=vpn-enabler@pair"))
    check("the tunnel's unit is active", machine.says("systemctl", "is-active", "vpn-enabler@pair") == "active")
    check("and starts at boot", machine.says("systemctl", "is-enabled", "vpn-enabler@pair") == "enabled")
    check("resolved knows its servers", machine.says("resolvectl", "dns", "pair").endswith(": 10.99.0.53 fd00::53"),
          machine.says("resolvectl", "dns", "pair"))
    domains = set(machine.says("resolvectl", "domain", "pair").partition(": ")[2].split())
    check("which all names are asked of", domains == {"~.", "example.org"}, domains)
    machine.says("systemctl", "stop", "vpn-enabler@pair")
    check("stopped, it has no interface", "pair" not in machine.says("ls", "/sys/class/net").split())
    check("and resolved no servers of it", "10.99.0.53" not in machine.says("resolvectl", "dns"))
    check("it saved what it was", "Endpoint = 203.0.113.1:51820" in tunnel.read_text() and "DNS = fd00::53" in tunnel.read_text())
    check("no process of it is left", machine.says("systemctl", "show", "--value", "--property=ActiveState", "vpn-enabler@pair") == "inactive")


def is_watched(machine):
    """While it works it feeds the watchdog; when it hangs, systemd starts it anew, and the clients are there."""
    process = machine.unit("MainPID")
    for _ in range(3):  # longer than the watchdog's time
        fed = machine.unit("WatchdogTimestampMonotonic")
        machine.wait_until("the watchdog is fed", lambda fed=fed: machine.unit("WatchdogTimestampMonotonic") != fed)
    check("a gateway that works is let be", machine.unit("MainPID") == process and machine.unit("NRestarts") == "0")
    machine.says("kill", "-STOP", process)
    machine.wait_until("one that hangs is ended, and started anew", lambda: machine.unit("NRestarts") == "1")
    machine.wait_until("it serves again", machine.serves)
    check("with its client", "laptop" in machine.says("vpn-enabler", "client", "list"))


def is_upgraded(machine, path, deb):
    process = machine.unit("MainPID")
    (path / "srv/newer.deb").write_bytes(deb.read_bytes())
    machine.says("dpkg", "--install", "/srv/newer.deb")
    machine.wait_until("after an upgrade it serves", machine.serves)
    check("the new program runs", machine.unit("MainPID") not in ("0", process))
    check("with its client", "laptop" in machine.says("vpn-enabler", "client", "list"))


def refuses_wrong_settings(machine, path):
    right = (path / SETTINGS).read_text()
    (path / SETTINGS).write_text(right + "WG_PORT=many\n")
    machine.says("systemctl", "restart", UNIT)
    machine.wait_until("a wrong setting ends it", lambda: machine.unit("ActiveState") == "failed")
    check("the journal names it", "WG_PORT" in machine.says("journalctl", "--no-pager", f"--unit={UNIT}", "--lines=20"))
    (path / SETTINGS).write_text(right)
    machine.says("systemctl", "restart", UNIT)
    machine.wait_until("the setting mended, it serves", machine.serves)


def stops_and_goes(machine, path):
    machine.says("systemctl", "stop", UNIT)
    check("it stops in order", machine.unit("Result") == "success" and machine.unit("ActiveState") == "inactive",
          machine.unit("Result"))
    check("the directory of other WireGuard programs stays", (machine.says("ls", "-d", "/run/wireguard")) == "/run/wireguard")
    machine.says("systemctl", "start", UNIT)
    machine.says("dpkg", "--purge", "vpn-enabler")
    check("a purge stops it", not machine.says("pidof", "vpn-enabler"))
    check("and leaves no unit", machine.unit("LoadState") == "not-found", machine.unit("LoadState"))


def main(root, deb):
    copy = Copy(root)
    copy.run("apt-get", "update")
    (copy.path / "srv/first.deb").write_bytes(deb.read_bytes())
    copy.run("apt-get", "install", "--yes", "--no-install-recommends", "systemd", "systemd-resolved", "dbus", "procps",
             "/srv/first.deb")
    (copy.path / "usr/sbin/policy-rc.d").unlink()  # this machine starts what it is told to
    override = copy.path / f"etc/systemd/system/{UNIT}.d/test.conf"
    override.parent.mkdir(parents=True)
    override.write_text(IMPATIENT)
    with tempfile.TemporaryDirectory() as directory, Booted(copy.path) as machine:
        machine.wait_for_boot()
        starts_in_its_sandbox(machine)
        joins_machines(machine, copy.path)
        is_watched(machine)
        is_upgraded(machine, copy.path, with_version(deb, "99.0.0-1", pathlib.Path(directory)))
        refuses_wrong_settings(machine, copy.path)
        stops_and_goes(machine, copy.path)


if __name__ == "__main__":
    enter_namespace()
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
