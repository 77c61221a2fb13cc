"""What is reported: the rows with their aims, the figures of a run, and the tables that are made of both. Measures nothing."""

import dataclasses
import statistics

OURS = "vpn-engine"
WIREGUARD_GO, GOTATUN, BORINGTUN, DEBIAN = "wireguard-go", "gotatun", "boringtun", "wireguard-go of Debian"
VETH = "plain veth"
OURS_TO_THEIRS, THEIRS_TO_OURS = f"{OURS} to {WIREGUARD_GO}", f"{WIREGUARD_GO} to {OURS}"
CROWDS = {1: "1 peer", 1_000: "1,000 peers", 100_000: "100,000 peers"}

TCP, TCP_BACK, TCP_FOUR = "TCP, one stream (Gb/s)", "TCP, one stream back (Gb/s)", "TCP, four streams (Gb/s)"
UDP_SMALL, UDP_LARGE = "UDP received, 64 B (thousand/s)", "UDP received, 1360 B (thousand/s)"
PING = "ping through the idle tunnel (ms)"
RSS_SERVER, RSS_CLIENT = "peak resident memory, server (MB)", "peak resident memory, client (MB)"
HANDSHAKES = "handshakes answered (1/s and core)"
KEPT, RSS_FLOODED = "share of TCP kept under a handshake flood", "peak resident memory under it (MB)"
KIB_PER_PEER, IDLE = "memory of an idle peer (KiB)", "processor time of idle peers (ms/s)"

BEGIN, END = "<!-- bench/run writes from here -->\n", "<!-- to here -->\n"


@dataclasses.dataclass(frozen=True)
class Aim:
    """At least (or most) `factor` times the figure of the column `of`; where none is named, at least (or most) `factor`."""
    factor: float
    of: str = ""
    at_most: bool = False

    def __str__(self):
        return f"{'<=' if self.at_most else '>='} {number(self.factor)}" + (f" x {self.of}" if self.of else "")

    def is_reached(self, value):
        return value <= self.factor if self.at_most else value >= self.factor


def at_least(factor, of=""):
    return Aim(factor, of)


def at_most(factor, of=""):
    return Aim(factor, of, at_most=True)


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure by columns: its aim, and how the values of the rounds become one."""
    name: str
    aim: Aim
    of_rounds: callable = statistics.median


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows by columns; the aims are those of the columns `judged`."""
    title: str
    columns: tuple
    judged: tuple
    rows: tuple


PATH = {TCP: at_least(2.5, WIREGUARD_GO), TCP_BACK: at_least(2.5, WIREGUARD_GO), TCP_FOUR: at_least(2.5, WIREGUARD_GO),
        UDP_SMALL: at_least(3, GOTATUN), UDP_LARGE: at_least(3, GOTATUN), PING: at_most(0.9, BORINGTUN)}
TABLES = (
    Table("Both ends the same daemon", (OURS, WIREGUARD_GO, GOTATUN, BORINGTUN, DEBIAN, VETH), (OURS,), (
        *(Row(name, aim) for name, aim in PATH.items()),
        Row(RSS_SERVER, at_most(16), max), Row(RSS_CLIENT, at_most(16), max),
        Row(HANDSHAKES, at_least(2, WIREGUARD_GO)),
        Row(KEPT, at_least(0.8)), Row(RSS_FLOODED, at_most(16), max),
        Row(KIB_PER_PEER, at_most(1)), Row(IDLE, at_most(0)))),
    Table("The client one daemon, the server another", (WIREGUARD_GO, OURS_TO_THEIRS, THEIRS_TO_OURS), (OURS_TO_THEIRS, THEIRS_TO_OURS),
          tuple(Row(name, dataclasses.replace(aim, factor=1, of=WIREGUARD_GO)) for name, aim in PATH.items())),
    Table(f"{OURS} with peers that say nothing", tuple(CROWDS.values()), tuple(CROWDS.values())[1:], (
        Row(TCP, at_least(0.95, CROWDS[1])), Row(KIB_PER_PEER, at_most(1)), Row(IDLE, at_most(0)))),
)


class Figures:
    """What was measured, round by round."""

    def __init__(self):
        self.samples = {}

    def add(self, name, column, value):
        self.samples.setdefault(name, {}).setdefault(column, []).append(value)

    def value(self, row, column):
        """One value of all rounds; None where there is none."""
        values = self.samples.get(row.name, {}).get(column)
        return row.of_rounds(values) if values else None


def number(value):
    """Three digits that count, or the whole number; a dash for none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"


def base(figures, row):
    """What the aim's factor is to be multiplied with; None where that was not measured."""
    return figures.value(row, row.aim.of) if row.aim.of else 1


def judgement(figures, row, column):
    """What a column's figure is in the terms of its aim, and whether that is reached; None where a figure is missing."""
    value, unit = figures.value(row, column), base(figures, row)
    if value is None or not unit:
        return None
    return value / unit, row.aim.is_reached(value / unit)


def judgement_text(figures, row, column):
    judged = judgement(figures, row, column)
    if judged is None:
        return "-"
    return (f"{number(judged[0])}, " if row.aim.of else "") + ("reached" if judged[1] else "not reached")


def judgements(figures):
    """Every figure that has an aim, beside it."""
    for table in TABLES:
        for row in table.rows:
            for column in table.judged:
                if (judged := judgement(figures, row, column)) is not None:
                    yield {"figure": row.name, "column": column, "value": figures.value(row, column), "in terms of the aim": judged[0],
                           "aim": str(row.aim), "reached": judged[1]}


def table_lines(figures, table):
    """The table in Markdown, without columns of which nothing was measured; no line when there is no row."""
    rows = [row for row in table.rows if any(figures.value(row, column) is not None for column in table.columns)]
    columns = [column for column in table.columns if any(figures.value(row, column) is not None for row in rows)]
    if not rows:
        return []
    cells = [[table.title, *columns, "to reach", "got"], ["---"] * (len(columns) + 3)]
    for row in rows:
        values = [number(figures.value(row, column)) for column in columns]
        got = " / ".join(judgement_text(figures, row, column) for column in table.judged)
        cells.append([row.name, *values, str(row.aim), got])
    return [f"| {' | '.join(line)} |" for line in cells] + [""]


def page(figures, preface):
    """All tables below the lines of `preface`."""
    lines = [*preface, ""]
    for table in TABLES:
        lines += table_lines(figures, table)
    return "\n".join(lines).rstrip() + "\n"


def with_page(document, text):
    """The document with what stands between the two marks replaced."""
    before, _, rest = document.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"no lines {BEGIN.strip()} and {END.strip()}")
    return before + BEGIN + text + END + after
