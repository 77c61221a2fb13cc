#!/usr/bin/env python3
"""The systemd units: systemd finds no fault in them, and rates their exposure 3.0 or better.

Usage: unit.py, VPN_BUILD_DIR holds the program (default: build/check).
"""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VPN_BUILD_DIR", ROOT / "build/check")).resolve()
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
MAX_EXPOSURE = 3.0


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", "--no-pager", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    return done.returncode, done.stdout


def faults_of(source):
    faults = []
    with tempfile.TemporaryDirectory() as directory:
        # As it is, but with the program where it is here: that it can be run is looked at too.
        unit = pathlib.Path(directory) / source.name
        unit.write_text(source.read_text().replace("/usr/bin/vpn-enabler", str(BUILD / "vpn-enabler")))
        code, said = analyze("verify", "--man=no", str(unit))
        if code != 0 or said:
            faults.append(f"{source.name}: systemd-analyze verify: exit code {code}: {said}")
    code, said = analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE * 10:.0f}", str(source))
    if code != 0 or "Overall exposure level" not in said:
        faults.append(f"{source.name}: systemd-analyze security: exit code {code}:\n{said}")
    print(said.splitlines()[-1] if said else source.name)
    return faults


def main():
    faults = [fault for unit in UNITS for fault in faults_of(unit)]
    print("\n".join(faults) or f"{len(UNITS)} units without a fault")
    return 1 if faults or len(UNITS) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
