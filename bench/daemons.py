"""The WireGuard daemons that are measured: where each is found, how it is made where it is not, and which version it is.

The others are looked for in build/tools/peers/bin, then on the PATH; what is in neither place is installed into the first.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess

from product import BUILD_DIR, SOURCE_DIR
from report import BORINGTUN, DEBIAN, GOTATUN, OURS, WIREGUARD_GO

PEERS_DIR = SOURCE_DIR / "build/tools/peers"


@dataclasses.dataclass(frozen=True)
class Daemon:
    """A program that stays in the foreground and opens a UAPI socket; {} in the command is the interface's name."""
    name: str
    command: str
    version: str


@dataclasses.dataclass(frozen=True)
class Peer:
    """One of the others: `program` as it is called, how it is installed, its arguments, and what it is asked for its version."""
    program: str
    arguments: str
    install: tuple = ()
    version: str = "{} --version"

    def path(self):
        return shutil.which(self.program, path=f"{PEERS_DIR}/bin:{os.environ['PATH']}")


PEERS = {
    WIREGUARD_GO: Peer("wireguard", "-f {}", ("go", "install", "golang.zx2c4.com/wireguard@latest"), "go version -m {}"),
    GOTATUN: Peer("gotatun", "--foreground --disable-drop-privileges --verbosity error {}", ("cargo", "install", "--locked", "gotatun-cli@0.10.2")),
    BORINGTUN: Peer("boringtun-cli", "--foreground --disable-drop-privileges {}", ("cargo", "install", "--locked", "boringtun-cli@0.7.1")),
    DEBIAN: Peer("wireguard-go", "-f {}", version="dpkg-query --show wireguard-go"),
}


def install(names):
    """Installs those of the others that are not here; says of one that cannot be had why it is left out."""
    places = {"GOBIN": f"{PEERS_DIR}/bin", "CARGO_INSTALL_ROOT": str(PEERS_DIR)}
    for name in names:
        peer = PEERS[name]
        if peer.path() is not None or not peer.install:
            continue
        print(f"Installing {name}: {' '.join(peer.install)}", flush=True)
        try:
            done = subprocess.run(peer.install, env={**os.environ, **places}, capture_output=True, text=True)
            reason = "\n".join(done.stderr.splitlines()[-5:]) if done.returncode != 0 else ""
        except OSError as fault:
            reason = str(fault)
        if reason:
            print(f"{name} is left out: {reason}", flush=True)


def version_of(name, text):
    """The version in what a program said of itself: the line of its module where Go tells it, else the last word of the first."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    modules = [words[2] for words in lines if len(words) > 2 and words[0] == "mod"]
    return modules[0] if modules else lines[0][-1] if lines else f"{name}, no version"


def said(command):
    """The output of a command, empty where there is no such program."""
    try:
        done = subprocess.run(command.split(), capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout + done.stderr


def ours():
    return Daemon(OURS, f"{BUILD_DIR}/vpn-engine --foreground {{}}", version_of(OURS, said(f"{BUILD_DIR}/vpn-enabler --version")))


def find(names):
    """Our daemon and those of the others that are here, by name."""
    found = {OURS: ours()}
    for name in names:
        path = PEERS[name].path()
        if path is not None:
            version = version_of(name, said(PEERS[name].version.format(path)))
            found[name] = Daemon(name, f"{pathlib.Path(path).resolve()} {PEERS[name].arguments}", version)
    return found
