#!/usr/bin/env python3
"""./run for a user who may not write the build directory: a sentence that says so, and what to do. Needs root, to be that user."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE_DIR = pathlib.Path(__file__).resolve().parent.parent
NOBODY = 65534


def refusal(directory):
    """What ./run --build-only says to nobody in a copy of the repository's scripts."""
    done = subprocess.run([directory / "run", "--build-only"], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def main():
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        shutil.copy(SOURCE_DIR / "run", directory)
        shutil.copytree(SOURCE_DIR / "cmake", directory / "cmake")
        faults = []
        for what in ("without a build directory", "with root's build directory", "with root's log in its own directory"):
            if what.startswith("with root's"):
                log = directory / "build/release/build.log"
                log.parent.mkdir(parents=True, exist_ok=True)
                log.touch()
                if "own" in what:
                    shutil.chown(log.parent, NOBODY)
            code, said = refusal(directory)
            if code != 1 or "cannot write in " not in said or "sudo " not in said or "denied" in said:
                faults.append(f"{what}: exit code {code}: {said}")
    print("\n".join(faults) or "./run says who cannot write where")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
