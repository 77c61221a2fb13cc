#!/usr/bin/env python3
"""Runs machine.cc on the processor of Bochs, which has AVX-512 with IFMA wherever this runs.

usage: LD_PRELOAD=NEWER_LIBC run.py MACHINE BATCHES
"""

import os
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "build/tools/bochscpu"))
import bochscpu._bochscpu as bochs  # noqa: E402

PAGE, PAGE_TABLES, STACK_TOP, STACK_BYTES = 4096, 0x10000000, 0x70000000, 256 * 1024
LOADABLE, WRITABLE_USER_PAGE = 1, 7


class Memory:
    """Virtual pages on physical ones, in the order in which they are asked for."""

    def __init__(self):
        self.physical, self.tables, self.next = {}, bochs.memory.PageMapLevel4Table(), 0x100000

    def page(self, address):
        address -= address % PAGE
        if address not in self.physical:
            bochs.memory.page_insert(self.next, bochs.memory.allocate_host_page())
            self.tables.insert(address, self.next, WRITABLE_USER_PAGE)
            self.physical[address] = self.next
            self.next += PAGE
        return self.physical[address]

    def reserve(self, address, size):
        for at in range(address - address % PAGE, address + size, PAGE):
            self.page(at)

    def write(self, address, data):
        while data:
            offset = address % PAGE
            part = data[:PAGE - offset]
            bochs.memory.phy_write(self.page(address) + offset, list(part))
            address, data = address + len(part), data[len(part):]

    def finish(self):
        for host, physical in self.tables.commit(PAGE_TABLES):
            bochs.memory.page_insert(physical, host)


def load(elf, memory):
    """Gives the entry's address."""
    entry, headers = struct.unpack_from("<QQ", elf, 24)
    for i in range(struct.unpack_from("<H", elf, 56)[0]):
        kind, _, offset, address, _, file_size, size = struct.unpack_from("<IIQQQQQ", elf, headers + 56 * i)
        if kind == LOADABLE:
            memory.reserve(address, size)
            memory.write(address, elf[offset:offset + file_size])
    return entry


def segment(selector, attributes):
    result = bochs.Segment()
    result.present, result.selector, result.base, result.limit, result.attr = True, selector, 0, 0xFFFFFFFF, attributes
    return result


def register(kind, *flags):
    result = kind()
    for flag in flags:
        setattr(result, flag, True)
    return result


def long_mode(entry):
    """A processor as a kernel leaves it to a program, with all vector state switched on."""
    state = bochs.State()
    state.cr0 = register(bochs.cpu.ControlRegister, "PG", "PE", "NE", "MP", "ET")
    state.cr3 = PAGE_TABLES
    state.cr4 = register(bochs.cpu.ControlRegister, "PAE", "OSFXSR", "OSXSAVE", "OSXMMEXCPT")
    state.efer = register(bochs.cpu.FeatureRegister, "LME", "LMA", "SCE")
    state.xcr0 = 0xE7
    state.cs = segment(8, 0xA09B)
    for name in ("ds", "es", "ss", "fs", "gs"):
        setattr(state, name, segment(16, 0xC093))
    state.rip, state.rsp, state.rflags, state.mxcsr, state.mxcsr_mask = entry, STACK_TOP - 64, 2, 0x1F80, 0xFFFF
    return state


def main():
    machine, batches = pathlib.Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
    session, memory, hook, faults = bochs.Session(), Memory(), bochs.Hook(), []
    entry = load(machine, memory)
    memory.reserve(STACK_TOP - STACK_BYTES, STACK_BYTES)
    memory.finish()

    def fault(_, cpu, vector, error):
        faults.append(f"exception {vector}, error {error}, at {session.cpu.rip:#x}")
        session.stop()

    def missing_page(address):
        faults.append(f"no memory at {address:#x}")
        session.stop()

    hook.exception, hook.hlt = fault, lambda *_: session.stop()
    session.missing_page_handler = missing_page
    session.cpu.state = long_mode(entry)
    session.run([hook])
    agreed = session.cpu.rax
    print("; ".join(faults) or f"{agreed} of {batches} batches agree")
    return bool(faults) or agreed != batches


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the module takes its own end for a leak, and says so at length
