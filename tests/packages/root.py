#!/usr/bin/env python3
"""What the tests of the packages share: a small Debian 12 in a directory, copies of it, and commands run inside of them.

    root.py DIRECTORY       makes it there, unless it is there; as root, from the mirror that apt uses
"""
import os
import pathlib
import shutil
import subprocess
import sys

SOURCES = """deb {mirror} bookworm main
deb {mirror} bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
"""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}


def mirror():
    """Where this machine's apt gets Debian 12 from."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)"],
                             capture_output=True, text=True, check=True).stdout
    found = [line.split()[0] for line in targets.splitlines() if line.endswith(" bookworm main")]
    return found[0].rstrip("/") if found else "http://deb.debian.org/debian"


def make(directory):
    """A minimal Debian as debian:12-slim is one: without packages that were downloaded, lists and documentation."""
    unfinished = directory.with_name(directory.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", unfinished, mirror()], check=True,
                   stdin=subprocess.DEVNULL)
    (unfinished / "etc/apt/sources.list").write_text(SOURCES.format(mirror=mirror()))
    shutil.copy("/etc/resolv.conf", unfinished / "etc/resolv.conf")
    for pattern in ("var/cache/apt/archives/*.deb", "var/lib/apt/lists/*_*", "var/log/*.log"):
        for path in unfinished.glob(pattern):
            path.unlink()
    unfinished.rename(directory)


def check(what, condition, got=""):
    if not condition:
        sys.exit(f"FAILED: {what}: does not hold; got {got!r}")
    print(f"  ok  {what}", flush=True)


class Copy:
    """A machine that begins as the root and whose changes are nowhere: an overlay in memory, in a namespace of this process.

    The namespace ends with this process, and all that runs in it with it; enter_namespace() must have been called.
    """

    def __init__(self, root):
        layers = pathlib.Path("/run/copy")
        layers.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "copy", layers], check=True)
        for name in ("upper", "work", "root"):
            (layers / name).mkdir()
        self.path = layers / "root"
        subprocess.run(["mount", "-t", "overlay", "copy", "-o",
                        f"lowerdir={root},upperdir={layers}/upper,workdir={layers}/work", self.path], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", self.path / "proc"], check=True)
        # Nothing may be started by a maintainer script: as in the build of an image.
        policy = self.path / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)

    def run(self, *command, ok=True):
        """What the command prints; SystemExit when it fails and should not."""
        done = subprocess.run(["chroot", self.path, *command], env=ENVIRONMENT, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
        if ok and done.returncode != 0:
            sys.exit(f"FAILED: {' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout if ok else done


def enter_namespace():
    """Replaces this process by itself as the first of a pid namespace, with mounts of its own and an empty /run."""
    if os.environ.get("VPN_PACKAGES_INSIDE"):
        subprocess.run(["mount", "-t", "tmpfs", "run", "/run"], check=True)
        return
    os.environ["VPN_PACKAGES_INSIDE"] = "1"
    os.execvp("setpriv", ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                          sys.executable, *sys.argv])


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1]).resolve()
    if not target.exists():
        make(target)
    print(f"{target} is a Debian 12")
