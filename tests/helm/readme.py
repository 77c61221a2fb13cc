#!/usr/bin/env python3
"""The table of the chart's README, made from the comments of values.yaml. Usage: readme.py [--check]

Without an argument it writes the table between the two markers of README.md; with --check it says whether that one stands there.
"""

import pathlib
import re
import sys

CHART = pathlib.Path(__file__).resolve().parents[2] / "deploy/helm/vpn"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
DESCRIPTION = re.compile(r"^ *# -- (.*)$")
KEY = re.compile(r"^( *)([A-Za-z0-9_.]+):(?: (.*))?$")


class Fault(Exception):
    """values.yaml or README.md is not as it should be."""


def rows(lines):
    """The described keys in order: (path, default, description). A key that holds a value and has no description is a fault."""
    path, found, description, undescribed_below = [], [], None, None
    for number, line in enumerate(lines, 1):
        if match := DESCRIPTION.match(line):
            description = match[1]
        elif match := KEY.match(line):
            indent, name, value = len(match[1]), match[2], match[3]
            if undescribed_below is not None and indent > undescribed_below:
                continue  # the described block's own content is its default
            undescribed_below = None
            path = path[:indent // 2] + [name]
            if description is None and value is not None:
                raise Fault(f"values.yaml line {number}: {'.'.join(path)} has no description")
            if description is not None:
                found.append((".".join(path), default_of(lines, number, indent, value), description))
                if value is None:
                    undescribed_below = indent
            description = None
    return found


def default_of(lines, number, indent, value):
    """The value in the key's line, else the block under it, on one line."""
    if value is not None:
        return value
    block = []
    for line in lines[number:]:
        if len(line) - len(line.lstrip()) <= indent:
            break
        block.append(line.strip().removeprefix("- "))
    return ", ".join(block)


def table(lines):
    text = "| key | default | meaning |\n|---|---|---|\n"
    for path, default, description in rows(lines):
        cells = (f"`{path}`", "" if default == '""' else f"`{default}`", description)
        text += "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
    return text


def main():
    readme = (CHART / "README.md").read_text()
    begin, end = readme.find(BEGIN), readme.find(END)
    if not 0 <= begin < end:
        raise Fault(f"README.md lacks the lines {BEGIN.strip()} and {END.strip()}")
    current = readme[:begin + len(BEGIN)] + table((CHART / "values.yaml").read_text().splitlines()) + readme[end:]
    if sys.argv[1:] != ["--check"]:
        (CHART / "README.md").write_text(current)
    elif current != readme:
        raise Fault("the table of deploy/helm/vpn/README.md is not that of values.yaml: run tests/helm/readme.py")


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(str(fault))
