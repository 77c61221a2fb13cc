#!/usr/bin/env python3
"""Instructions per packet on the engine's way from TUN to UDP and back, in memory, beside what they were: packet_path.json.
Instructions, not seconds, so neighbours and clocks have no say; and the same on every machine, because

- callgrind shows every processor as the same one: without AVX-512, with AVX2 where there is AVX2. So libc, OpenSSL and our
  own AEAD choose the same code everywhere. Where there is no AVX2 another AEAD is chosen, and only the steps around it are
  compared;
- what stands for the kernel (KernelTun, KernelUdp of packet_path.cc) is taken off by the name of its functions, and so is
  the AEAD, which has figures of its own;
- the libraries are built by Debian 12's compiler with -O2, as the product is but for its optimization at link time.

packet_path.py PROGRAM          fails when a figure is more than 5 % above the one kept
packet_path.py --keep PROGRAM   keeps the figures as they are now
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

KEPT = pathlib.Path(__file__).with_suffix(".json")
TOLERANCE = 0.05
# What is measured as a whole, what is part of it without being ours to count here, and the AEAD.
STEPS = {
    "outwards": ("vpn::engine::Sender::run(", ["KernelTun::read(", "KernelUdp::send("], "vpn::engine::crypto::Aead::seal("),
    "inwards": ("vpn::engine::Receiver::run(", ["KernelTun::write(", "KernelUdp::receive("], "vpn::engine::crypto::Aead::open("),
}
AEAD_NAME = {"outwards": "seal", "inwards": "open"}
AEAD_COMPARED = "avx2"


def run(program, directory):
    """What the program says of each shape, {name: (packets, aead)}, and each shape's profile, {name: text}."""
    out = directory / "profile"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no", "--compress-pos=no",
               "--dump-line=no", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    said = {}
    for line in done.stdout.splitlines():
        name, packets, aead = line.split("\t")
        said[name] = int(packets), aead
    profiles = {}
    for path in directory.glob("profile.*"):
        text = path.read_text(encoding="utf-8")
        profiles[re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)[1]] = text
    return said, profiles


def inclusive_costs(profile):
    """{function: instructions of it and all that it calls}, from the lines behind each `cfn=` (callgrind's manual, "Callgrind
    Format Specification"): `calls=COUNT POSITION`, then `POSITION COST`."""
    costs = {}
    lines = iter(profile.splitlines())
    for line in lines:
        if not line.startswith("cfn="):
            continue
        function = line.removeprefix("cfn=")
        if not next(lines).startswith("calls="):
            sys.exit(f"callgrind's format is not what this reads: no calls= behind {line}")
        costs[function] = costs.get(function, 0) + int(next(lines).split()[1])
    return costs


def figures_of(profile, packets):
    """Instructions per packet by step."""
    costs = inclusive_costs(profile)

    def cost(name):
        found = [value for function, value in costs.items() if name in function]
        if not found:
            sys.exit(f"no call of {name}...) was counted: was it renamed or inlined?")
        return sum(found)

    figures = {}
    for step, (whole, others, aead) in STEPS.items():
        figures[step] = round((cost(whole) - sum(map(cost, others)) - cost(aead)) / packets)
        figures[AEAD_NAME[step]] = round(cost(aead) / packets)
    return figures


def compare(kept, found, aead):
    """Prints a line per figure; returns those that grew."""
    grown = []
    for shape, figures in found.items():
        for step, now in figures.items():
            was = kept.get(shape, {}).get(step)
            if step in AEAD_NAME.values() and aead != AEAD_COMPARED:
                verdict = f"not compared: this processor's AEAD is {aead}, the figure kept is of {AEAD_COMPARED}"
            elif was is None:
                verdict = "MORE: no figure is kept"
            elif now > was * (1 + TOLERANCE):
                verdict = f"MORE: by {now / was - 1:.1%}"
            else:
                verdict = f"less by {1 - now / was:.1%}: keep it?" if now < was * (1 - TOLERANCE) else "as before"
            if verdict.startswith("MORE"):
                grown.append(f"{shape} {step}")
            print(f"{shape:>7} {step:9} {was or '-':>6} -> {now:6} instructions per packet: {verdict}")
    return grown


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("program", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        said, profiles = run(arguments.program, pathlib.Path(directory))
    found = {shape: figures_of(profiles[shape], packets) for shape, (packets, _) in said.items()}
    aead = next(iter(said.values()))[1]
    if arguments.keep:
        if aead != AEAD_COMPARED:
            sys.exit(f"figures are kept on a processor with AVX2; the AEAD is {aead} here")
        KEPT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    grown = compare(kept, found, aead)
    if grown:
        print(f"\n{', '.join(grown)}: more than {TOLERANCE:.0%} above {KEPT.name}. If it is meant to be, say why in the commit, and keep it:\n"
              f"    tests/callgrind/packet_path.py --keep {arguments.program}")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
