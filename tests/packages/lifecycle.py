#!/usr/bin/env python3
"""The .deb over its life, by apt and dpkg in a Debian 12 of its own: installed, upgraded, downgraded, removed, purged.

    lifecycle.py ROOT DEB       ROOT: what root.py made; DEB: the package. As root
"""
import pathlib
import re
import subprocess
import sys
import tempfile

from root import Copy, check, enter_namespace

UNIT = "vpn-enabler.service"
WANTED = f"etc/systemd/system/multi-user.target.wants/{UNIT}"
SETTINGS = "etc/vpn-enabler/vpn-enabler.env"
STATE = "var/lib/vpn-enabler"


def field(deb, name):
    return subprocess.run(["dpkg-deb", "--field", deb, name], capture_output=True, text=True, check=True).stdout.strip()


def with_version(deb, version, directory):
    """The same package under another version."""
    tree = directory / version
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    other = directory / f"vpn-enabler_{version}.deb"
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "--build", tree, other], check=True, stdout=subprocess.DEVNULL)
    return other


class Machine:
    """The Debian that the package is installed on."""

    def __init__(self, root):
        self._copy = Copy(root)
        self.path = self._copy.path
        self._copy.run("apt-get", "update")

    def install(self, deb):
        target = self.path / "tmp" / deb.name
        target.write_bytes(deb.read_bytes())
        self._copy.run("apt-get", "install", "--yes", "--no-install-recommends", "--allow-downgrades", f"/tmp/{deb.name}")

    def dpkg(self, action):
        self._copy.run("dpkg", f"--{action}", "vpn-enabler")

    def says(self, *command):
        return self._copy.run(*command).strip()

    def version(self):
        return self.says("dpkg-query", "--show", "--showformat=${Version}", "vpn-enabler")

    def mode(self, path):
        return oct((self.path / path).stat().st_mode & 0o7777)

    def has(self, path):
        return (self.path / path).exists() or (self.path / path).is_symlink()


def installed(machine, deb):
    machine.install(deb)
    version = field(deb, "Version")
    check("the program runs", machine.says("vpn-enabler", "--version") == f"vpn-enabler {version.partition('-')[0]}")
    check("vpn-engine is the engine", "--foreground" in machine.says("vpn-engine", "--help"))
    check("the settings are root's", machine.mode(SETTINGS) == "0o640", machine.mode(SETTINGS))
    check("they are a conffile", SETTINGS in machine.says("dpkg-query", "--show", "--showformat=${Conffiles}", "vpn-enabler"))
    check("the service is enabled", machine.has(WANTED))
    for path in ("usr/share/man/man8/vpn-enabler.8.gz", "usr/share/bash-completion/completions/vpn-enabler",
                 "usr/share/zsh/vendor-completions/_vpn-enabler", "usr/share/fish/vendor_completions.d/vpn-enabler.fish",
                 "usr/share/doc/vpn-enabler/copyright", "usr/share/doc/vpn-enabler/changelog.gz"):
        check(f"/{path} is there", machine.has(path))


def upgraded(machine, debs):
    """Settings, state and an administrator's choice not to have the service stay, upwards and downwards."""
    with open(machine.path / SETTINGS, "a", encoding="utf-8") as settings:
        settings.write("WG_PORT=51821\n")
    (machine.path / STATE).mkdir(mode=0o700)
    (machine.path / STATE / "private-key").write_text("kept\n")
    for deb in debs:
        machine.install(deb)
        version = field(deb, "Version")
        check(f"version {version} is installed", machine.version() == version)
        check("the changed settings stay", "WG_PORT=51821" in (machine.path / SETTINGS).read_text())
        check("the state stays", (machine.path / STATE / "private-key").read_text() == "kept\n")
        check("the service stays enabled", machine.has(WANTED))
    (machine.path / WANTED).unlink()
    machine.install(debs[0])
    check("a service that was disabled stays so", not machine.has(WANTED))
    (machine.path / WANTED).symlink_to(f"/lib/systemd/system/{UNIT}")


def removed(machine, deb):
    machine.dpkg("remove")
    check("the program is gone", not machine.has("usr/bin/vpn-enabler") and not machine.has("usr/bin/vpn-engine"))
    check("settings and state stay", machine.has(SETTINGS) and machine.has(f"{STATE}/private-key"))
    check("nothing starts a service that is gone", (machine.path / f"etc/systemd/system/{UNIT}").is_symlink())
    machine.install(deb)
    check("installed again, the service is enabled", machine.has(WANTED) and not machine.has(f"etc/systemd/system/{UNIT}"))
    check("and the settings are as they were", "WG_PORT=51821" in (machine.path / SETTINGS).read_text())


def purged(machine, before):
    machine.dpkg("purge")
    left = [path for path in files_of(machine) - before if "vpn" in path]
    check("a purge leaves nothing of it", not left, left)


def files_of(machine):
    places = [machine.path / name for name in ("etc", "usr", "lib", "var/lib/vpn-enabler", "var/lib/systemd", "run")]
    found = {str(path.relative_to(machine.path)) for place in places if place.exists() for path in [place, *place.rglob("*")]}
    return found


def main(root, deb):
    machine = Machine(root)
    before = files_of(machine)
    with tempfile.TemporaryDirectory() as directory:
        lower, higher = (with_version(deb, version, pathlib.Path(directory)) for version in ("1.9.9-1", "99.0.0-1"))
        installed(machine, deb)
        upgraded(machine, [higher, lower, deb])
        removed(machine, deb)
        purged(machine, before)


if __name__ == "__main__":
    enter_namespace()
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
