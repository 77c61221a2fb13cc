"""The commands of a guide, as it stands: its fenced blocks, each with the machine that it is for."""

import re


def blocks(page):
    """(machine, commands) of each block that opens with ```sh MACHINE, in order."""
    return re.findall(r"^```sh (\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
