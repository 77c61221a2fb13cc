"""The chart of a run: a panel for each row of the first table, a bar for each daemon, a line where ours is to be."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

import report  # noqa: E402

PANELS_ACROSS = 4
OURS_COLOUR, OTHERS_COLOUR, GOAL_COLOUR = "#1b6ca8", "#b8c4cc", "#c23b22"


def draw(figures, path, caption):
    table = report.TABLES[0]
    rows = [row for row in table.rows if figures.value(row, report.OURS) is not None]
    down = -(-len(rows) // PANELS_ACROSS)
    sheet, panels = pyplot.subplots(down, PANELS_ACROSS, figsize=(4.4 * PANELS_ACROSS, 2.6 * down), squeeze=False)
    for panel in panels.flat[len(rows):]:
        panel.axis("off")
    for panel, row in zip(panels.flat, rows):
        _draw_row(panel, figures, table, row)
    sheet.text(0.5, 0.005, caption, ha="center", fontsize=8)
    sheet.tight_layout(rect=(0, 0.02, 1, 1))
    sheet.savefig(path, dpi=90)
    pyplot.close(sheet)


def _draw_row(panel, figures, table, row):
    columns = [column for column in table.columns if figures.value(row, column) is not None][::-1]
    values = [figures.value(row, column) for column in columns]
    bars = panel.barh(columns, values, color=[OURS_COLOUR if column == report.OURS else OTHERS_COLOUR for column in columns])
    panel.bar_label(bars, [report.number(value) for value in values], padding=3, fontsize=8)
    goal = row.aim.factor * (report.base(figures, row) or 0)
    if goal:
        panel.axvline(goal, color=GOAL_COLOUR, linestyle="--", linewidth=1)
    panel.set_xlim(0, 1.2 * (max(*values, goal) or 1))
    panel.set_title(f"{row.name}\nto reach: {row.aim}", fontsize=9)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
