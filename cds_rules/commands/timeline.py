"""`cds-rules timeline`: a patient's record event by event, as a table, and as one picture.

Flows in: a file, the words of the command line. Flows out: lines on standard output, an SVG file. Floor: edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cds_rules.cards.texts import cleaned
from cds_rules.commands.explain import records
from cds_rules.evaluate import Knowledge
from cds_rules.replay.plot import picture
from cds_rules.replay.timeline import Timeline, timeline
from cds_rules.vocabulary.errors import BadInput


def command(knowledge: Knowledge, file: Path, hook: str, svg: Path | None, patient: str) -> int:
    """Tell each record of a file.

    Raises:
        BadInput: no such hook or patient, no dated entry, or several patients and one picture.
    """
    if hook not in knowledge.judge.hooks():
        raise BadInput(
            f'"{hook}" is no hook of our rules; one of {", ".join(knowledge.judge.hooks())} belongs there', "--hook"
        )
    found = [each for each in records(file) if patient in ("", each.patient_id, each.name)]
    if not found:
        raise BadInput("no record of such a patient in it" if patient else "no patient's record in it", str(file))
    if svg is not None and len(found) > 1:
        raise BadInput(f"{len(found)} patients, and one picture shows one; name it with --patient", "--svg")
    told = [each for each in (timeline(knowledge, record, hook) for record in found) if each is not None]
    if not told:
        raise BadInput("nothing in it has a date", str(file))
    for each in told:
        print("\n".join(lines(each)))
        if svg is not None:
            svg.write_text(picture(each), "utf-8")
            print(f"picture written to {svg}")
    return 0


def lines(told: Timeline) -> Iterator[str]:
    """A timeline as a table: when each rule first spoke, and how long before the abnormal result."""
    yield f"{cleaned(told.name)}: {told.moments} moments from {told.since:%Y-%m-%d %H:%M} to {told.until:%Y-%m-%d %H:%M} UTC, nothing later read at any of them"
    if not told.first:
        yield "  no card at any moment"
    width = max((len(each.rule) for each in told.first), default=0)
    for each in told.first:
        yield f"  {each.at:%Y-%m-%d %H:%M}  {each.level:8}  {each.rule:{width}}  {each.title}"
        for point, days in each.labs:
            yield f"  {'':16}  {'':8}  {'':{width}}  {days:.1f} d before {point.key} {point.value:g} {point.unit} ({point.flag}) of {point.at:%Y-%m-%d %H:%M}"
    if told.disagreements:
        yield f"  the matchers disagreed at {told.disagreements} moments"
