"""What a run may use of the machine, and the proof that it leaves nothing there."""

import difflib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "devices", "freezer")
CPUSET = ("cpuset.cpus", "cpuset.mems")  # a group is unusable until it has both
WORK = "VPN_KUBERNETES_WORK"  # in the environment of what runs within bounds: the directory for what is big

# The machine's own network, mounts and settings, as commands print them.
TRACES = ("ip -brief link", "ip -brief address", "ip route show table all", "ip rule", "ip -6 rule",
          "ip netns", "nft --stateless list ruleset", "cat /proc/self/mounts",
          "sysctl --all --pattern ^(net|vm.overcommit|vm.panic|kernel.panic|kernel.keys)")
CHANGES_BY_ITSELF = "net.netfilter.nf_conntrack_count"


def within(run):
    """Calls run(), which starts the lab, with a directory on disk and cgroups of its own. Exit code 1 when it left a trace."""
    if WORK in os.environ:
        return run()
    before = traces()
    name = f"vpn-kubernetes-{os.getpid()}"
    groups = [own_group(controller) / name for controller in CONTROLLERS]
    with tempfile.TemporaryDirectory(prefix="vpn-kubernetes.") as directory:
        try:
            make(groups)
            code = confined(groups, directory)
        finally:
            for group in groups:
                remove(group)  # which the kernel refuses while a process is in it
    changes = list(difflib.unified_diff(before, traces(), "before", "after", n=0, lineterm=""))
    print("\n".join(changes) if changes else "  ok  the machine's network, mounts and settings are as before, and no process is left")
    return code or (1 if changes else 0)


def traces():
    lines = []
    for command in TRACES:
        said = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
        # A route learned from a router counts down its time.
        lines += [f"{command}: {line.split(' expires ')[0]}" for line in said.splitlines() if CHANGES_BY_ITSELF not in line]
    return lines


def own_group(controller):
    """Where this process is: what limits it limits the run."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return pathlib.Path("/sys/fs/cgroup") / controller / path.lstrip("/")
    raise SystemExit(f"FAILED: this machine has no hierarchy of cgroups for {controller}, in version 1")


def make(groups):
    for group in groups:
        group.mkdir()
        for file in CPUSET:
            if (group / file).exists():
                (group / file).write_text((group.parent / file).read_text())


def confined(groups, directory):
    """This program anew, in the groups, which are all that it sees of cgroups; gives its exit code."""
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", "read go; exec \"$@\"", "sh", "unshare", "--cgroup",
                                sys.executable, *sys.argv], stdin=subprocess.PIPE, env={**os.environ, WORK: directory})
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: process.kill())
    for group in groups:
        (group / "cgroup.procs").write_text(str(process.pid))
    process.stdin.write(b"go\n")
    process.stdin.close()
    return process.wait()


def remove(group):
    deadline = time.monotonic() + 20
    while group.exists():
        for path, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(path)
            except OSError:  # the kernel is still ending what was in it
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.05)
