"""What a figure was measured on."""

import os
import pathlib
import platform
import re
import subprocess


def processor():
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{os.cpu_count()} x {model.group(1) if model else platform.machine()}{vector_units()}"


def vector_units():
    """What of it our kernels of the AEAD would use."""
    flags = re.search(r"^flags\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    known = set(flags.group(1).split()) if flags else set()
    return " (AVX-512)" if "avx512ifma" in known else " (AVX2, no AVX-512)" if "avx2" in known else ""


def kernel():
    return f"Linux {platform.release()}"


def first_line(command):
    """The first line of what a program says of itself, on either output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return next(iter((done.stdout + done.stderr).strip().splitlines()), "")
