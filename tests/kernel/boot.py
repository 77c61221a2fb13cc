#!/usr/bin/env python3
"""Boots Debian's kernel, which has WireGuard, under qemu and plays PLAY.sh in it. Usage: boot.py PLAY

The machine is emulated (TCG), so this runs where there is no virtualization, and where the kernel has no WireGuard. Its root file
system is an initrd, made here of busybox, the modules and programs that are named below with the libraries that they need, and guest.sh as
the first process, which goes on with the play. It has no disk and no network. What it has to say comes by the serial console, a line a step:
`@@ ok STEP` or `@@ failed STEP`. Every step that the scripts name must be said to be ok, in their order.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE_DIR = HERE.parents[1]
BUILD_DIR = pathlib.Path(os.environ.get("VPN_BUILD_DIR", SOURCE_DIR / "build/check")).resolve()
IMAGE = SOURCE_DIR / "build/kernel-image"  # fetch.sh

# Loaded in this order, each behind what it depends on (libcrc32c asks for a crc32c by that name only, so it stands here).
MODULES = ["crc32c_generic", "tun", "veth", "bridge", "nf_tables", "nft_chain_nat", "nft_masq", "nft_nat", "nft_ct", "nft_reject_inet", "nft_fib_inet",
           "nft_limit", "nft_log"]
WIREGUARD = ["libchacha20poly1305", "chacha-x86_64", "poly1305-x86_64", "curve25519-x86_64", "wireguard"]
PROGRAMS = ["/usr/bin/wg", "/usr/sbin/ip", "/usr/bin/ping", "/usr/bin/curl"]
# The plays, and the programs of ours that they need.
PLAYS = {"contract": ["tests/kernel/kernel_tunnel_test"], "story": ["vpn-enabler"]}

MEMORY_MIB = 2048
SECONDS = 880  # ctest allows 900


class Initrd:
    """A directory that becomes the guest's root file system."""

    def __init__(self, root, play):
        self.root = root
        for folder in ("bin", "dev", "etc", "lib/modules", "proc", "run", "sys", "tmp", "usr/bin", "usr/sbin", "var/run"):
            (root / folder).mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin/busybox")
        (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
        self._put(HERE / "guest.sh", "init")
        self._put(HERE / f"{play}.sh", "play.sh")
        self._module_files = {path.name[:-3].replace("-", "_"): path for path in (IMAGE / "modules").rglob("*.ko")}

    def _put(self, source, target):
        target = self.root / target.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        return target

    def program(self, source, target=None):
        """A program, its libraries and its loader, at the places where they are here; without its debug information."""
        copied = self._put(source, target or str(source))
        subprocess.run(["strip", "--strip-debug", copied], check=True)
        needed = subprocess.run(["ldd", source], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"(?:=> )?(/\S+) \(0x", needed):
            if not (self.root / library.lstrip("/")).exists():
                self._put(library, library)

    def modules(self, names):
        """Modules in the order in which they can be loaded: each behind what it depends on."""
        ordered = []

        def visit(name):
            name = name.replace("-", "_")
            if name in ordered or name not in self._module_files:  # what is not a file is built in
                return
            info = self._module_files[name].read_bytes()
            depends = re.search(rb"\0depends=([^\0]*)\0", info).group(1).decode()
            for dependency in filter(None, depends.split(",")):
                visit(dependency)
            ordered.append(name)

        for name in names:
            visit(name)
        for name in ordered:
            self._put(self._module_files[name], f"lib/modules/{name}.ko")
        return ordered

    def pack(self, file):
        names = "\n".join(str(path.relative_to(self.root)) for path in sorted(self.root.rglob("*")))
        with open(file, "wb") as archive:
            subprocess.run(["cpio", "--quiet", "--create", "--format=newc"], input=names.encode(), stdout=archive, cwd=self.root, check=True)


def make_initrd(work, play):
    initrd = Initrd(work / "root", play)
    for program in PROGRAMS:
        initrd.program(program)
    for program in PLAYS[play]:
        initrd.program(BUILD_DIR / program, f"/usr/bin/{pathlib.Path(program).name}")
    first = initrd.modules(MODULES)
    wireguard = [name for name in initrd.modules(WIREGUARD) if name not in first]
    (initrd.root / "lib/modules/first").write_text("\n".join(first) + "\n")
    (initrd.root / "lib/modules/wireguard").write_text("\n".join(wireguard) + "\n")
    initrd.pack(work / "initrd")
    return work / "initrd"


def boot(initrd):
    """Runs the machine to its end; gives the lines of its console, which are shown as they come."""
    # Its clock counts instructions, two nanoseconds each, and jumps while nothing runs: how busy this machine is does not show in there.
    arguments = "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off"
    machine = subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-icount", "shift=1,sleep=off", "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config",
         "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", IMAGE / "vmlinuz", "-initrd", initrd, "-append", arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    alarm = threading.Timer(SECONDS, machine.kill)
    alarm.start()
    begun = time.monotonic()
    lines = []
    for line in machine.stdout:
        text = line.decode(errors="replace").rstrip()
        lines.append(text)
        print(f"{time.monotonic() - begun:6.1f}  {text}", flush=True)
    machine.wait()
    alarm.cancel()
    return lines


def steps_of(*scripts):
    return [step for script in scripts for step in re.findall(r"^step (\S+)", (HERE / script).read_text(), re.MULTILINE)]


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in PLAYS:
        sys.exit(__doc__ + f"\nPlays: {', '.join(PLAYS)}")
    play = sys.argv[1]
    if not (IMAGE / "vmlinuz").exists():
        sys.exit(f"{IMAGE} has no kernel: tests/kernel/fetch.sh puts it there")
    with tempfile.TemporaryDirectory(prefix="vpn-enabler-kernel.") as work:
        lines = boot(make_initrd(pathlib.Path(work), play))
    steps = steps_of("guest.sh", f"{play}.sh")
    done = [line.removeprefix("@@ ok ") for line in lines if line.startswith("@@ ok ")]
    if done != steps:
        sys.exit(f"FAILED: of {len(steps)} steps {len(done)} are done; not done: {', '.join(step for step in steps if step not in done)}")
    print(f"all {len(steps)} steps are done")


if __name__ == "__main__":
    main()
