#!/usr/bin/env python3
"""The C++ under src/, tests/, fuzz/ and bench/ is as clang-format-19 writes it. Prints what is not, and fails when there is any.

Mend a file with: clang-format-19 -i FILE
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    # The checkout may be another user's than the one who tests it.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "src/*.h", "src/*.cc", "tests/*.h", "tests/*.cc",
               "fuzz/*.h", "fuzz/*.cc", "bench/*.h", "bench/*.cc"]
    listing = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    files = [name for name in listing.stdout.split("\0") if name]
    if not files:
        sys.exit("git names no file")
    return subprocess.run(["clang-format-19", "--dry-run", "-Werror", *files], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
