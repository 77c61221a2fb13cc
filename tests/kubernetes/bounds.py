"""What a run may use of the machine, and the proof that it leaves nothing there."""

import difflib
import os
import pathlib
import signal
import subprocess
import sys
import time

CGROUPS = pathlib.Path("/sys/fs/cgroup")
UNIFIED = (CGROUPS / "cgroup.controllers").exists()  # version 2 of cgroups: one hierarchy for all controllers
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "devices", "freezer")  # a hierarchy each in version 1
NEEDED = {"cpu", "cpuset", "memory", "pids"}  # in version 2
CPUSET = ("cpuset.cpus", "cpuset.mems")  # a group of version 1 is unusable until it has both
WITHIN = "VPN_KUBERNETES"  # set in the environment of what runs within bounds

# The machine's own network, mounts and settings, as commands print them.
TRACES = ("ip -brief link", "ip -brief address", "ip route show table all", "ip rule", "ip -6 rule",
          "ip netns", "nft --stateless list ruleset", "cat /proc/self/mounts",
          "sysctl --all --pattern ^(net|vm.overcommit|vm.panic|kernel.panic|kernel.keys)")
CHANGES_BY_ITSELF = "net.netfilter.nf_conntrack_count"


def within(run):
    """Calls run(), which starts the lab, in cgroups of its own. Exit code 1 when it left a trace."""
    if WITHIN in os.environ:
        return run()
    before = traces()
    name = f"vpn-kubernetes-{os.getpid()}"
    groups = [parent / name for parent in parents()]
    lent = lend()
    try:
        make(groups)
        code = confined(groups)
    finally:
        for group in groups:
            remove(group)  # which the kernel refuses while a process is in it
        take_back(lent)
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


def parents():
    """The groups below which ours are. In version 2 one that has processes, as that of this one, cannot be divided; only the root can."""
    return [CGROUPS] if UNIFIED else [own_group(controller) for controller in CONTROLLERS]


def lend():
    """Gives groups below the root what they need, in version 2; returns what they did not have."""
    given = CGROUPS / "cgroup.subtree_control"
    missing = NEEDED.difference(given.read_text().split()) if UNIFIED else set()
    if missing:
        given.write_text(" ".join(f"+{controller}" for controller in missing))
    return missing


def take_back(controllers):
    for controller in controllers:
        try:
            (CGROUPS / "cgroup.subtree_control").write_text(f"-{controller}")
        except OSError:
            pass  # another run, or the system, makes use of it by now


def own_group(controller):
    """Where this process is: what limits it limits the run."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return CGROUPS / controller / path.lstrip("/")
    raise SystemExit(f"FAILED: this machine has no hierarchy of cgroups for {controller}, in version 1")


def make(groups):
    for group in groups:
        group.mkdir()
        for file in CPUSET:
            if not UNIFIED and (group / file).exists():
                (group / file).write_text((group.parent / file).read_text())


# For version 2, by a process in the group that is the root of what it sees: goes below, so that the group can be divided.
DIVIDE = "cd {group}; mkdir lab; echo $$ >lab/cgroup.procs; sed 's/[^ ]*/+&/g' cgroup.controllers >cgroup.subtree_control; cd {here};"


def confined(groups):
    """This program anew, in the groups, which are all that it sees of cgroups; gives its exit code."""
    prepare = DIVIDE.format(group=groups[0], here=os.getcwd()) if UNIFIED else ""
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", "read go; exec \"$@\"", "sh",
                                "unshare", "--cgroup", "sh", "-ec", f"{prepare} exec \"$@\"", "sh",
                                sys.executable, *sys.argv], stdin=subprocess.PIPE, env={**os.environ, WITHIN: "1"})
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
