"""Conditions: problems that count and symptoms that were recorded as conditions.

A decoded Condition flows in; `Problem`s, `Symptom`s or reasons flow into the `Reader`. Rules: clinical specification 4.3, 9.12 to 9.14.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cds_rules.fhir import symptoms, wire
from cds_rules.fhir.reader import Reader, status_word
from cds_rules.fhir.wire import Spoken, in_words, many, spoken
from cds_rules.vocabulary.chart import Problem, Source
from cds_rules.vocabulary.clock import is_exact_day

_ACTIVE = frozenset(("active", "recurrence", "relapse", ""))
_INACTIVE = frozenset(("inactive", "remission", "resolved"))
_UNSURE = frozenset(("unconfirmed", "provisional", "differential"))
_EXCLUDED = {"refuted": "verification", "entered-in-error": "entered-in-error"}


def read(reader: Reader, reference: str, condition: wire.Condition, born: datetime | None) -> None:
    """Read one Condition. born: birth of the patient, for an onset given as an age."""
    concept = spoken(condition.code)
    keys = reader.terminology.problems(concept.codings, concept.text)
    matches = reader.terminology.symptoms(concept.codings, concept.text)
    if not keys and not matches:
        if not concept.codings and not concept.text:
            reader.skip(reference, "no-code", "code or text belongs here")
        return
    about = keys[0] if keys else matches[0].key
    verification = status_word(condition.verificationStatus)
    clinical = status_word(condition.clinicalStatus)
    if "entered-in-error" in (verification, clinical):
        verification = "entered-in-error"
    if verification in _EXCLUDED:
        reader.skip(reference, _EXCLUDED[verification], f"verificationStatus is {verification}", about)
        return
    recorded = reader.moment(condition.recordedDate)
    onset = _onset(condition, born, reader.moment)
    if reader.is_future(recorded) or reader.is_future(onset):
        reader.skip(reference, "future", "recorded or begun after the evaluation", about)
        return
    if clinical not in _ACTIVE and clinical not in _INACTIVE:
        reader.skip(reference, "status", "clinicalStatus is no word of FHIR", about)
        reader.lose("conditions", "the status of a Condition")
        return
    abated, has_abated = _abatement(reader, condition)
    active = clinical in _ACTIVE and not has_abated
    confirmed = verification not in _UNSURE
    source = Source(reference, concept.called(in_words(about)), clinical, recorded or onset, _written(condition))
    reader.problems.extend(Problem(key, active, confirmed, source, recorded, onset, abated) for key in keys)
    if not matches:
        return
    if not active:
        reader.skip(reference, "status", "a symptom that is over", matches[0].key)
        return
    when = recorded or onset
    if when is None:
        reader.skip(reference, "no-date", "recordedDate or onsetDateTime belongs here", matches[0].key)
        return
    sites: list[Spoken] = [spoken(site) for site in many(condition.bodySite)]
    latest = _onset(condition, born, reader.latest)
    began = condition.onsetDateTime or (condition.onsetPeriod.start if condition.onsetPeriod else None) or ""
    onset_written = "" if is_exact_day(began) else began
    symptoms.add(reader, source, matches, sites, when, latest, confirmed=confirmed, onset_written=onset_written)


def _onset(
    condition: wire.Condition, born: datetime | None, moment: Callable[[str | None], datetime | None]
) -> datetime | None:
    if onset := moment(condition.onsetDateTime):
        return onset
    if condition.onsetPeriod is not None:
        return moment(condition.onsetPeriod.start)
    return _at_age(condition.onsetAge, born)


def _written(condition: wire.Condition) -> str:
    """The date a source shows, where it names no day."""
    period = condition.onsetPeriod
    text = condition.recordedDate or condition.onsetDateTime or (period.start if period else None) or ""
    return "" if is_exact_day(text) else text


def _at_age(age: wire.Quantity | None, born: datetime | None) -> datetime | None:
    if (
        age is None
        or born is None
        or age.value is None
        or (age.code or age.unit) not in ("a", "a_j", "years", "year", "yr")
    ):
        return None
    return born + timedelta(days=age.value * 365.25) if 0 <= age.value < 150 else None


def _abatement(reader: Reader, condition: wire.Condition) -> tuple[datetime | None, bool]:
    """When a condition ended, and whether it has: an end without a readable date is an end all the same."""
    period = condition.abatementPeriod
    text = condition.abatementDateTime or (period.end or period.start if period else None)
    if text:
        abated = reader.moment(text)
        return abated, not reader.is_future(abated)
    if condition.abatementBoolean is not None:
        return None, condition.abatementBoolean
    return None, condition.abatementString is not None or condition.abatementAge is not None
