#!/usr/bin/env python3
"""The completions of bash, zsh and fish, asked by those shells: each offers every command and flag that the program's --help knows.

Also: the settings that the example files name are settings of the program. Usage: completions.py, VPN_BUILD_DIR holds the program.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VPN_BUILD_DIR", ROOT / "build/check"))
COMPLETIONS = ROOT / "deploy/completions"
EXAMPLES = ("deploy/deb/vpn-enabler.env", "deploy/docker/Dockerfile", "deploy/docker/compose.yaml")

BASH = """source {file}
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_vpn_enabler
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# What zsh's completion system gives a function: the words, which one is being completed, and compadd.
ZSH = """compadd() {{ shift; print -l -- "$@" }}
_files() {{ print -l -- "$@" }}
complete_it() {{ local -a words=({words}); local CURRENT=$#words; source {file} }}
complete_it
"""
FISH = "source {file}; complete --do-complete '{line}'"


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          env={"PATH": f"{BUILD}:/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C"})
    return done.stdout


def in_help(path, pattern):
    return re.findall(pattern, output_of("vpn-enabler", *path, "--help"), re.MULTILINE)


def commands_of(path):
    """The commands below a command: the program's own, or the subcommands of one of them."""
    text = output_of("vpn-enabler", *path, "--help")
    section = text.partition("\nSubcommands:\n")[2].partition("\n\n")[0] if path else text.split("\n\n")[1]
    return re.findall(r"^  ([a-z]+) ", section, re.MULTILINE)


def offered(shell, path, word):
    words = ["vpn-enabler", *path, word]
    quoted = " ".join(f"'{each}'" for each in words)
    file = COMPLETIONS / f"vpn-enabler.{shell}"
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(file=file, words=quoted, line=" ".join(words))
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    return {line.split("\t")[0] for line in output_of(shell, *options, "-c", script).splitlines()}


def completion_faults():
    faults = []
    commands = commands_of([])
    paths = [[command] for command in commands]
    paths += [[command, below] for command in commands for below in commands_of([command])]
    if len(commands) < 6 or len(paths) < 12:
        faults.append(f"--help names too few commands: {paths}")
    for shell in ("bash", "zsh", "fish"):
        for path in [[], *paths]:
            below = commands_of(path)
            if below and not set(below) <= offered(shell, path, ""):
                faults.append(f"{shell}: {path}: offers not {below}, but {offered(shell, path, '')}")
            flags = set(in_help(path, r"^  (?:-[a-z],)?(--[a-z0-9-]+)"))
            if path and (not flags or not flags <= offered(shell, path, "--")):
                faults.append(f"{shell}: {path}: offers not {flags - offered(shell, path, '--') or 'any flag'}")
    return faults


def example_faults():
    settings = set(in_help(["serve"], r"\(Env:([A-Z0-9_]+)\)"))
    faults = [] if len(settings) > 20 else [f"--help names too few settings: {settings}"]
    for example in EXAMPLES:
        text = (ROOT / example).read_text()
        named = set(re.findall(r"^(?:#|ENV |      )([A-Z][A-Z0-9_]*)[=:]", text, re.MULTILINE))
        named = {name for name in named if not name.startswith("MONGO_INITDB_")}  # of the image of MongoDB
        if not named or named - settings:
            faults.append(f"{example}: names no setting, or what is none: {named - settings}")
        faults += [f"{example}: a password with a default: {line.strip()}" for line in text.splitlines()
                   if re.match(r"[^#]*PASS\w*[=:]", line) and not re.search(r"\$\{\w+:\?", line)]
    return faults


if __name__ == "__main__":
    found = completion_faults() + example_faults()
    print("\n".join(found) or "the three shells offer all that --help knows; the examples name settings")
    sys.exit(1 if found else 0)
