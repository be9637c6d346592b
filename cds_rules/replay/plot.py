"""A timeline as one picture (SVG): medications, eGFR, magnesium, potassium, CK, symptoms and cards on one time axis.

Readable in black and white: levels differ in fill and hatching, abnormal results in their mark. The picture says in its
title and description what it shows, and its text is text. What a card rests on is ringed. One of matplotlib's doors.
Flows in: a `Timeline`. Flows out: SVG. Floor: edge.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from cds_rules.replay.timeline import SERIES, Point, Span, Timeline
from cds_rules.vocabulary.directions import isolated
from cds_rules.vocabulary.errors import CdsRulesError

_WIDTH, _ROW, _PANEL = 11.0, 0.26, 1.25
_MOST_ROWS, _LONGEST = 14, 40
_INK, _MARK = "#1a1a1a", "#0b5cad"
_LEVELS: dict[str, dict[str, Any]] = {
    "critical": {"facecolor": _INK, "hatch": ""},
    "warning": {"facecolor": "#b8b8b8", "hatch": "////"},
    "info": {"facecolor": "#ffffff", "hatch": ""},
}
_STYLE = {
    "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "cds-rules", "font.size": 8, "hatch.linewidth": 0.6, "hatch.color": _INK,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK),
}  # fmt: skip
_DARK = {
    _INK: "#e8eaed", "#ffffff": "#1d2127", "#b8b8b8": "#4a525d", "#d9d9d9": "#3a414b", "#dddddd": "#31373f",
    "#888888": "#8a939e", "#555555": "#aab3bf", "#0b5cad": "#7db8f5",
}  # fmt: skip
"""Our colours on white paper -> on dark."""
_NAMES = {
    "egfr": "eGFR\nmL/min/1.73 m²", "magnesium": "Magnesium\nmg/dL", "potassium": "Potassium\nmmol/L", "ck": "CK\nU/L",
}  # fmt: skip
_LIMITS = {"egfr": (60.0, 45.0, 30.0, 15.0), "magnesium": (), "potassium": (), "ck": ()}
_HEADING = "What was charted, and the cards it would have raised at each moment"
_COLOUR = re.compile("#[0-9a-f]{6}")
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that stand in no document (XML 1.0, Char)."""
_LOCK = threading.Lock()


def picture(told: Timeline, heading: str = _HEADING, dark: bool = False, width: float = _WIDTH) -> str:
    """The picture of a timeline as SVG.

    Args:
        dark: for a dark page; else for white paper. width: in inches of 72 points; a narrower one has larger letters
            on a page it fills.

    Raises:
        CdsRulesError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ModuleNotFoundError:
        raise CdsRulesError(
            "matplotlib is not installed; `pip install 'cds-rules[plot]'` brings what the picture needs"
        ) from None
    buffer = io.BytesIO()
    with _LOCK, rc_context(_STYLE):  # matplotlib's settings are those of the process
        _figure(told, heading, width).savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=dark
        )
    svg = buffer.getvalue().decode()
    if dark:
        svg = _COLOUR.sub(lambda found: _DARK.get(found[0], found[0]), svg)
    start = svg.index("<svg")
    inside = svg.index(">", start) + 1
    head = svg[start : inside - 1] + ' role="img" aria-labelledby="title description">'
    title = f"Timeline of one patient, {told.since:%Y-%m-%d} to {told.until:%Y-%m-%d}"
    whole = (
        f'{svg[:start]}{head}<title id="title">{escape(title)}</title>'
        f'<desc id="description">{escape(description(told))}</desc>{svg[inside:]}'
    )
    return isolated(_NO_XML.sub("\ufffd", whole))


def description(told: Timeline) -> str:
    """What the picture shows, in sentences for who cannot see it."""
    sentences = [f"{told.moments} moments were judged, each with what was known by then."]
    for each in told.first:
        later = "; ".join(
            f"{days:.1f} days before {point.key} {point.value:g} ({point.flag})" for point, days in each.labs
        )
        sentences.append(
            f"{each.rule} first spoke on {each.at:%Y-%m-%d %H:%M} ({each.level}){', ' + later if later else ''}."
        )
    if not told.first:
        sentences.append("No card would have been given.")
    for key in SERIES:
        points = [each for each in told.results if each.key == key]
        if points:
            low, high = min(each.value for each in points), max(each.value for each in points)
            sentences.append(f"{key}: {len(points)} results from {low:g} to {high:g} {points[0].unit}.")
    sentences.append(
        f"{len({each.name for each in told.medications})} medications, {len(told.symptoms)} reported symptoms."
    )
    return " ".join(sentences)


def _figure(told: Timeline, heading: str, width: float) -> Any:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    taken, cards = _rows(told.medications), _rows(told.cards)
    symptoms = sorted({key for key, _ in told.symptoms})[:_MOST_ROWS]
    shown = [key for key in SERIES if any(each.key == key for each in told.results)]
    panels = [("Medications", max(len(taken), 1) * _ROW + 0.3), *[(key, _PANEL) for key in shown]]
    if symptoms:
        panels.append(("Symptoms", len(symptoms) * _ROW + 0.3))
    panels.append(("Cards", max(len(cards), 1) * _ROW + 0.3))
    heights = [height for _, height in panels]
    figure = Figure(figsize=(width, sum(heights) + 0.28 * len(heights) + 0.9), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, gridspec_kw={"height_ratios": heights}, squeeze=False)[:, 0]
    edge = max((told.until - told.since) * 0.02, timedelta(hours=1))
    axes[0].set_xlim(told.since - edge, told.until + edge)
    for axis, (name, _) in zip(axes, panels, strict=True):
        if name in SERIES:
            _series(axis, name, [each for each in told.results if each.key == name], told.used)
        elif name == "Symptoms":
            _symptoms(axis, symptoms, told)
        else:
            _bars(axis, taken if name == "Medications" else cards, told, name)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", color="#dddddd", linewidth=0.5)
        axis.set_axisbelow(True)
    locator = AutoDateLocator(maxticks=9, interval_multiples=False)
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    _legend(axes[-1], bool(told.used), 7 if width >= _WIDTH else 4)
    figure.suptitle(heading, fontsize=10)
    figure.align_ylabels(axes)
    figure.canvas.draw()
    return figure


def _rows(spans: Sequence[Span]) -> list[tuple[str, list[Span]]]:
    """Spans by name in the order in which the names first appear; what does not fit is counted in one last row."""
    found: dict[str, list[Span]] = {}
    for span in spans:
        found.setdefault(span.name, []).append(span)
    rows = list(found.items())
    if len(rows) <= _MOST_ROWS:
        return rows
    rest = [span for _, several in rows[_MOST_ROWS - 1 :] for span in several]
    return [*rows[: _MOST_ROWS - 1], (f"{len(rows) - _MOST_ROWS + 1} more", rest)]


def _bars(axis: Any, rows: Sequence[tuple[str, list[Span]]], told: Timeline, name: str) -> None:
    for place, (_, spans) in enumerate(rows):
        for span in spans:
            style = _LEVELS.get(span.level, {"facecolor": "#d9d9d9", "hatch": ""})
            end = span.end or told.until
            used = (span.name, span.start) in told.used
            axis.barh(
                place, end - span.start, left=span.start, height=0.62, edgecolor=_MARK if used else _INK,
                linewidth=2.0 if used else 0.7, **style,
            )  # fmt: skip
            if end == span.start:  # a moment, or known at the last one only
                ink = _MARK if used else _INK
                fill = style["facecolor"] if span.level else ink
                marker = "s" if span.level else "|"
                axis.plot([end], [place], marker, color=ink, markerfacecolor=fill, markersize=7, markeredgewidth=1.2)
    axis.set_yticks(
        range(len(rows)), [label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…" for label, _ in rows]
    )
    axis.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axis.set_ylabel(name)
    if not rows:
        axis.set_yticks([])
        axis.text(0.01, 0.5, "none", transform=axis.transAxes, va="center", color="#555555")


def _series(axis: Any, key: str, points: Sequence[Point], used: frozenset[tuple[str, datetime]]) -> None:
    axis.plot([each.at for each in points], [each.value for each in points], color=_INK, linewidth=0.9)
    for flag, marker, fill in (("", "o", "#ffffff"), ("low", "v", _INK), ("high", "^", _INK)):
        those = [each for each in points if each.flag == flag]
        axis.plot(
            [each.at for each in those], [each.value for each in those], marker, markersize=4.5,
            markerfacecolor=fill, markeredgecolor=_INK, linestyle="none",
        )  # fmt: skip
    _ring(axis, [(each.at, each.value) for each in points if (key, each.at) in used])
    for limit in _LIMITS[key]:
        axis.axhline(limit, color="#888888", linewidth=0.6, linestyle=(0, (4, 3)))
    axis.set_ylabel(_NAMES[key])
    axis.margins(y=0.18)


def _ring(axis: Any, places: Sequence[tuple[datetime, float]]) -> None:
    """Mark what a card rests on."""
    axis.plot(
        [at for at, _ in places], [value for _, value in places], "o", markersize=10, markerfacecolor="none",
        markeredgecolor=_MARK, markeredgewidth=1.8, linestyle="none",
    )  # fmt: skip


def _symptoms(axis: Any, keys: Sequence[str], told: Timeline) -> None:
    places = {key: place for place, key in enumerate(keys)}
    those = [(key, at) for key, at in told.symptoms if key in places and told.since <= at <= told.until]
    axis.plot([at for _, at in those], [places[key] for key, _ in those], "x", color=_INK, markersize=5)
    _ring(axis, [(at, places[key]) for key, at in those if (key, at) in told.used])
    axis.set_yticks(range(len(keys)), [key.replace("-", " ") for key in keys])
    axis.set_ylim(len(keys) - 0.5, -0.5)
    axis.set_ylabel("Symptoms")


def _legend(axis: Any, used: bool, columns: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [Patch(edgecolor=_INK, label=level, **style) for level, style in _LEVELS.items()]
    for marker, fill, label in (
        ("^", _INK, "high"),
        ("v", _INK, "low"),
        ("o", "#ffffff", "in range or no range"),
    ):
        handles.append(
            Line2D([], [], marker=marker, linestyle="none", markerfacecolor=fill, markeredgecolor=_INK, label=label)  # type: ignore[arg-type]
        )
    if used:
        handles.append(
            Line2D([], [], marker="o", linestyle="none", markerfacecolor="none", markeredgecolor=_MARK, markersize=8,
                   markeredgewidth=1.8, label="the card rests on it")  # type: ignore[arg-type]
        )  # fmt: skip
    axis.figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
