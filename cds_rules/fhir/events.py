"""What happened or was agreed on: Procedures, Encounters, CarePlans and Consents.

Decoded resources flow in; `Event`s (dialysis, transplant, delivery), the problem comfort-care, or reasons flow into the
`Reader`. Rules: clinical specification 3.1, 3.11, 9.14.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from cds_rules.fhir import wire
from cds_rules.fhir.orders import COMFORT_CARE
from cds_rules.fhir.reader import Reader
from cds_rules.fhir.wire import Spoken, many, spoken
from cds_rules.vocabulary.chart import Event, Problem, Source

PREGNANCY_DAYS = 300
"""How long a pregnancy status counts (clinical specification 9.14)."""
_NOT_AGREED = frozenset(("proposal", "option"))
_OFF = frozenset(("cancelled", "stopped", "completed", "entered-in-error", "on-hold"))
"""States of an activity in a plan that say that it is not going on."""
_RUNNING = frozenset(("in-progress", "arrived", "triaged", "onleave", "on-hold", "discharged"))


def read_procedure(reader: Reader, reference: str, procedure: wire.Procedure) -> None:
    """Read one Procedure."""
    concept = spoken(procedure.code)
    key = reader.terminology.event(concept.codings, concept.text)
    if key is None:
        return
    if procedure.status not in ("completed", "in-progress"):
        reader.skip_status(reference, procedure.status, "completed or in-progress", key, domain="procedures")
        return
    running = procedure.status == "in-progress"
    period = procedure.performedPeriod
    when = reader.moment(procedure.performedDateTime)
    if when is None and period is not None:
        when = _last(reader, period)
    _add_event(reader, reference, key, concept, procedure.status, when, ongoing=running)


def read_encounter(reader: Reader, reference: str, encounter: wire.Encounter) -> None:
    """Read one Encounter by its type, service or reason."""
    concepts = [
        spoken(one) for one in (*many(encounter.type), *many(encounter.serviceType), *many(encounter.reasonCode))
    ]
    for concept in concepts:
        key = reader.terminology.event(concept.codings, concept.text)
        if key is None:
            continue
        status = encounter.status
        if status not in ("finished", "completed") and status not in _RUNNING:
            reader.skip_status(reference, status, "finished or in-progress", key)
            return
        period = encounter.period
        _add_event(reader, reference, key, concept, status, _last(reader, period) if period else None, ongoing=False)
        return


def _last(reader: Reader, period: wire.Period) -> datetime | None:
    """The end of a period; while it lies ahead, or is not known, its start."""
    end = reader.moment(period.end)
    return end if end is not None and not reader.is_future(end) else reader.moment(period.start)


def _add_event(
    reader: Reader,
    reference: str,
    key: str,
    concept: Spoken,
    status: str | None,
    when: datetime | None,
    *,
    ongoing: bool,
) -> None:
    if reader.is_future(when):
        reader.skip(reference, "future", "dated after the evaluation", key)
    elif when is None and not ongoing:
        reader.skip(reference, "no-date", "a date or period belongs here", key)
    else:
        reader.events.append(Event(key, when, Source(reference, concept.label, status or "", when), ongoing))


def read_care_plan(reader: Reader, reference: str, plan: wire.CarePlan) -> None:
    """Read one CarePlan: palliative care, or an ongoing dialysis programme. An activity that is off tells nothing."""
    if plan.intent in _NOT_AGREED:
        return
    details = [
        activity.detail
        for activity in many(plan.activity)
        if activity.detail is not None and not activity.detail.doNotPerform and activity.detail.status not in _OFF
    ]
    concepts = [*_concepts(plan.category), *(spoken(detail.code) for detail in details), Spoken((), plan.title or "")]
    _read_agreement(reader, reference, concepts, plan.status, plan.period, None)


def read_consent(reader: Reader, reference: str, consent: wire.Consent) -> None:
    """Read one Consent: "comfort measures only"; a provision that denies them is none."""
    provisions = list(_provisions(consent.provision))
    concepts = [
        *_concepts(consent.category),
        *(one for provision in provisions if provision.type != "deny" for one in _concepts(provision.code)),
    ]
    period = next((provision.period for provision in provisions if provision.period is not None), None)
    _read_agreement(reader, reference, concepts, consent.status, period, consent.dateTime)


def _provisions(field: list[wire.Provision] | wire.Provision | None) -> Iterator[wire.Provision]:
    """Provisions and those inside them, which make exceptions."""
    for provision in many(field):
        yield provision
        yield from _provisions(provision.provision)


def _concepts(field: wire.Concepts) -> Iterator[Spoken]:
    return (spoken(one) for one in many(field))


def _read_agreement(
    reader: Reader,
    reference: str,
    concepts: Iterable[Spoken],
    status: str | None,
    period: wire.Period | None,
    date: str | None,
) -> None:
    terminology = reader.terminology
    for concept in concepts:
        if not concept.codings and not concept.text:
            continue
        comfort = COMFORT_CARE in terminology.problems(concept.codings, concept.text)
        dialysis = not comfort and terminology.event(concept.codings, concept.text) == "dialysis"
        if not comfort and not dialysis:
            continue
        about = COMFORT_CARE if comfort else "dialysis"
        start = reader.moment(period.start if period else None) or reader.moment(date)
        end = reader.end(period.end) if period else None
        if status != "active" or (end is not None and end < reader.at):
            reader.skip_status(reference, status, "active and not over", about)
        elif reader.is_future(start):
            reader.skip(reference, "future", "begins after the evaluation", about)
        elif comfort:
            reader.problems.append(
                Problem(COMFORT_CARE, True, True, Source(reference, concept.label, "active", start), start)
            )
        else:
            reader.events.append(
                Event("dialysis", start, Source(reference, concept.label, "active", start), ongoing=True)
            )
        return


def settle_pregnancy(reader: Reader) -> None:
    """Add the problem pregnant when the latest pregnancy status says so and is not older than 300 days.

    Of two at the same instant the one that says pregnant counts: the more cautious reading.
    """
    latest = max(reader.pregnancies, key=lambda found: found[:3], default=None)
    if latest is None or not latest[1]:
        return
    if reader.at - latest[0] <= timedelta(days=PREGNANCY_DAYS):
        reader.problems.append(latest[3])
