"""The chart of the worklist: alerts per day, one row a rule, all on one scale, as SVG.

One of matplotlib's doors. A chart is drawn for light or dark paper, carries no colour that means something, and stands
beside a table that says the same. Flows in: counts of days. Flows out: SVG. Floor: edge (review).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from cds_rules.store.browse import Counted

MOST_RULES, MOST_BARS = 8, 62
OTHERS = "…"
"""Stands for the rules that have no row of their own."""
_STYLE = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "cds-rules",
    "font.size": 8.5,
    "font.family": "sans-serif",
}
_INKS = {"light": ("#1b1f24", "#525b66", "#d5dae0", "#0b5cad"), "dark": ("#e8eaed", "#aab3bf", "#3a414b", "#7db8f5")}
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Row:
    """One rule, or the rest of them. counts: of each bar, from the first day on."""

    rule: str
    total: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Days:
    """What the chart shows. starts: the first day of each bar; step: days of a bar."""

    starts: tuple[date, ...]
    step: int
    rows: tuple[Row, ...]


def days_of(told: Counted) -> Days:
    """Counts as rows of bars: the rules with most alerts, then the rest in one."""
    span = (told.until - told.since).days + 1
    step = next((days for days in (1, 7, 28) if span <= MOST_BARS * days), -(-span // MOST_BARS))
    starts = tuple(told.since + timedelta(days=place) for place in range(0, span, step))
    named = sorted(told.rules, key=lambda rule: (-told.rules[rule], rule))
    if len(named) > MOST_RULES:
        named = named[: MOST_RULES - 1]
    rows: dict[str, list[int]] = {rule: [0] * len(starts) for rule in named}
    for day, rules in told.by_day.items():
        for rule, count in rules.items():
            row = rows.setdefault(rule if rule in named else OTHERS, [0] * len(starts))
            row[(day - told.since).days // step] += count
    return Days(starts, step, tuple(Row(rule, sum(counts), tuple(counts)) for rule, counts in rows.items()))


def chart(days: Days, titles: Mapping[str, str], scheme: str) -> bytes:
    """The chart as SVG. titles: rule -> what its row is called; scheme: "light" or "dark"."""
    return _drawn(days, tuple(titles.get(row.rule, row.rule) for row in days.rows), scheme)


@lru_cache(maxsize=64)
def _drawn(days: Days, names: Sequence[str], scheme: str) -> bytes:
    from matplotlib import rc_context
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    ink, quiet, line, fill = _INKS[scheme]
    with _LOCK, rc_context(_STYLE):  # its settings are those of the process
        figure = Figure(figsize=(9.4, 0.32 * len(names) + 0.4), facecolor="none")
        axes = figure.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        figure.subplots_adjust(left=0.37, right=0.93, top=0.98, bottom=0.28 / (0.32 * len(names) + 0.4), hspace=0.28)
        most = max(max(row.counts) for row in days.rows)
        # bars stand over the middle of their days; a float axis, so that one day has a width as well
        middle = [float(date2num(start)) + days.step / 2 for start in days.starts]
        for axis, name, row in zip(axes, names, days.rows, strict=True):
            axis.bar(middle, row.counts, width=days.step * 0.8, color=fill, linewidth=0)
            axis.set_facecolor("none")
            axis.spines[["top", "right", "left"]].set_visible(False)
            axis.spines["bottom"].set_color(line)
            axis.set_yticks([])
            axis.set_ylim(0, most * 1.05)
            axis.tick_params(axis="x", colors=quiet, length=0)
            shown = name if len(name) <= 54 else f"{name[:53]}…"
            axis.text(-0.012, 0.08, shown, transform=axis.transAxes, ha="right", color=ink)
            axis.text(1.012, 0.08, str(row.total), transform=axis.transAxes, color=ink, weight="bold")
        axes[-1].set_xlim(middle[0] - days.step / 2, middle[-1] + days.step / 2)
        axes[-1].xaxis_date()
        locator = AutoDateLocator(maxticks=9)
        axes[-1].xaxis.set_major_locator(locator)
        axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
