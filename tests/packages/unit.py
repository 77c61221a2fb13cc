#!/usr/bin/env python3
"""The systemd unit: systemd finds no fault in it, and rates its exposure 3.0 or better.

Usage: unit.py, VPN_BUILD_DIR holds the program (default: build/check).
"""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VPN_BUILD_DIR", ROOT / "build/check")).resolve()
UNIT = ROOT / "deploy/systemd/vpn-enabler.service"
MAX_EXPOSURE = 3.0


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", "--no-pager", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    return done.returncode, done.stdout


def main():
    faults = []
    with tempfile.TemporaryDirectory() as directory:
        # As it is, but with the program where it is here: that it can be run is looked at too.
        unit = pathlib.Path(directory) / UNIT.name
        unit.write_text(UNIT.read_text().replace("/usr/bin/vpn-enabler", str(BUILD / "vpn-enabler")))
        code, said = analyze("verify", "--man=no", str(unit))
        if code != 0 or said:
            faults.append(f"systemd-analyze verify: exit code {code}: {said}")
    code, said = analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE * 10:.0f}", str(UNIT))
    if code != 0 or "Overall exposure level" not in said:
        faults.append(f"systemd-analyze security: exit code {code}:\n{said}")
    print("\n".join(faults) or said.splitlines()[-1])
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
