#!/usr/bin/env python3
"""The direction of includes under src/, and which folder may name which third-party header.

CMake's one library per folder lets the linker see most of it; this sees the headers too. Run without arguments from
anywhere; prints each include that points the wrong way, and fails when there is one. Tests (*_test.*, test_*.h,
testing.h) may include anything.
"""
import pathlib
import re
import sys

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"

# What each folder may include of ours, besides itself: folders, or single headers. The longest matching key counts.
MAY_INCLUDE = {
    "base": [],
    "engine/crypto": ["base"],
    "engine/protocol": ["base", "engine/crypto"],
    "engine/io": ["base", "engine/protocol", "engine/crypto"],
    "engine": ["base", "engine/crypto", "engine/protocol", "engine/io"],
    "tunnel": ["base"],
    "tunnel/memory": ["base", "tunnel", "engine/crypto/x25519.h"],  # status() tells the public key
    "tunnel/userspace": ["base", "tunnel", "engine"],
    "tunnel/kernel": ["base", "netlink", "tunnel", "engine/crypto/x25519.h"],  # configure() compares public keys
    "netlink": ["base"],
    "host": ["base", "netlink"],
    "control/model": ["base"],
    "control/store": ["base", "control/model"],
    "control/store/memory": ["base", "control/model", "control/store"],
    "control/store/sqlite": ["base", "control/model", "control/store"],
    "control/store/mongodb": ["base", "control/model", "control/store"],
    "control/store/ltse": ["base", "control/model", "control/store"],
    # The service sees the seams, no concrete store or tunnel; x25519.h because it judges clients' keys.
    "control/service": ["base", "control/model", "control/store/store.h", "control/store/store_error.h",
                        "tunnel/tunnel.h", "tunnel/diff.h", "host/host.h", "engine/crypto/x25519.h"],
    "control/api": ["base", "control/model", "control/service", "tunnel/tunnel.h", "engine/crypto/x25519.h"],
    # The API by its unix socket; of the engine what keys and the engine alone as a command need; stores as the
    # composition root opens them. No concrete store, tunnel or host.
    "cli": ["base", "control/api", "control/model", "control/service", "control/store/store.h",
            "engine/crypto/x25519.h", "engine/device.h", "engine/io/linux_tun.h", "engine/io/offloads.h", "engine/uapi_server.h"],
    # It looks with the eyes of `serve`: its settings, the host's facts, the mark of a link of ours.
    "doctor": ["base", "netlink", "host", "cli", "tunnel/kernel/kernel_link.h", "control/model/network.h"],
    # The composition root of a tunnel without a gateway, as main.cc is the gateway's.
    "quick": ["base", "control/model", "control/service", "control/store/store.h", "cli", "engine/crypto/x25519.h",
              "engine/protocol/config.h", "engine/uapi_client.h", "engine/uapi_server.h", "host", "tunnel/tunnel.h", "tunnel/kernel"],
    # The composition root names everything.
    "main.cc": ["base", "engine", "tunnel", "host", "control", "cli", "doctor", "quick", "open_store.h", "surroundings.h"],
    "surroundings.h": ["base", "host"],
    "surroundings.cc": ["base", "host", "cli", "surroundings.h"],
    "open_store.h": ["base", "control/store/store.h", "cli"],
    "open_store.cc": ["base", "control/store", "cli", "open_store.h"],
    "mongoc_counters.cc": [],
}

# Where each third-party header may be named. Asio's executor types, timers and signals are everyone's event loop.
THIRD_PARTY = {
    r"tl/expected\.hpp": ["base"],
    r"openssl/|intel-ipsec-mb\.h": ["engine/crypto"],
    r"libmnl/": ["netlink"],
    r"nftables/|systemd/": ["host"],
    r"sqlite3\.h": ["control/store/sqlite"],
    r"mongoc/|bson/": ["control/store/mongodb"],
    r"boost/asio/(io_context|post|posix/stream_descriptor|signal_set|steady_timer)\.hpp":
        ["control/api", "control/store/ltse", "main.cc", "surroundings.h"],
    # cli: exports of a store are JSON lines; doctor: its report
    r"boost/json/": ["control/api", "control/store/ltse", "cli", "doctor"],
    r"boost/": ["control/api", "control/store/ltse"],
    r"CLI/": ["cli", "quick"],
    r"spdlog/|qrcodegen/": ["cli"],
}
TEST_ONLY = r"gtest/|gmock/|benchmark/"

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def is_test(path):
    return path.stem.endswith("_test") or path.stem.startswith("test_") or path.stem == "testing"


def within(place, folders):
    return any(place == folder or place.startswith(folder + "/") for folder in folders)


def own_folder(place):
    """The key of MAY_INCLUDE that `place`, a path below src/, belongs to."""
    keys = [key for key in MAY_INCLUDE if within(place, [key])]
    return max(keys, key=len) if keys else None


def fault_of(place, quoted, angled):
    """What is wrong with an include in the file `place`, or None."""
    folder = own_folder(place)
    if quoted:
        if not (SRC / quoted).is_file() and not (SRC / (quoted + ".in")).is_file():
            return "no such header below src/"
        if is_test(pathlib.Path(quoted)):
            return "only tests may include it"
        target = own_folder(quoted)
        allowed = target == folder or any(
            quoted == entry or (not entry.endswith(".h") and within(quoted, [entry])) for entry in MAY_INCLUDE[folder])
        return None if allowed else f"{folder} may not include {target}"
    if re.match(TEST_ONLY, angled):
        return "only tests may include it"
    for pattern, folders in THIRD_PARTY.items():
        if re.match(pattern, angled):
            return None if within(place, folders) else f"only {', '.join(folders)} may name it"
    # What is left must be the standard library's or the system's.
    if "/" in angled and not re.match(r"(sys|linux|net|netinet|arpa|asm)/", angled):
        return "a third-party header that layers.py does not know"
    return None


def main():
    faults = []
    for path in sorted([*SRC.rglob("*.h"), *SRC.rglob("*.cc")]):
        place = path.relative_to(SRC).as_posix()
        if own_folder(place) is None:
            faults.append(f"src/{place}: layers.py does not know its folder")
            continue
        if is_test(path):
            continue
        for quoted, angled in INCLUDE.findall(path.read_text(encoding="utf-8")):
            fault = fault_of(place, quoted, angled)
            if fault:
                faults.append(f"src/{place}: {quoted or angled}: {fault}")
    print("\n".join(faults) or "every include points inwards")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
