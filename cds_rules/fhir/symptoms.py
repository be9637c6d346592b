"""Reported symptoms and signs: from an Observation with a coded or true value, or from a Condition.

Matches of the terminology and body sites flow in, `Symptom`s flow into the `Reader`. Rules: clinical specification 3.11, 5.4, 9.14.
Floor: fhir.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from cds_rules.fhir import wire
from cds_rules.fhir.reader import Dated, Reader
from cds_rules.fhir.wire import Spoken, clipped, spoken
from cds_rules.knowledge.terminology import SymptomMatch
from cds_rules.vocabulary.chart import Problem, Source, Symptom
from cds_rules.vocabulary.clock import is_exact_day

_NOT_NOW = re.compile(
    r"\b(?:family|history of|denie[sd]|absence of|absent|ruled out|rule out|risk of|past)\b", re.IGNORECASE
)
_YES = frozenset(("373066001", "52101004", "LA33-6", "LA9633-4", "POS", "Y", "yes", "true"))
_NO = frozenset(("373067005", "2667000", "260385009", "LA32-8", "LA9634-2", "NEG", "N", "no", "false"))
_NO_WORDS = re.compile(r"\s*(?:no|none|not|never|absent|negative|denie[sd]|false|n)\b", re.IGNORECASE)
_FINDINGS_BY_OBSERVATION = frozenset(("myoglobinuria",))
"""Problem keys that an Observation alone can state (clinical specification 9.2)."""
_NONE: frozenset[str] = frozenset()


def is_reported(reader: Reader, part: wire.Valued, concept: Spoken) -> bool:
    """Whether an Observation is about a symptom or sign, by its code or by its value."""
    terminology = reader.terminology
    if terminology.symptoms(concept.codings, concept.text):
        return True
    if part.valueCodeableConcept is not None and not _NOT_NOW.search(concept.label):
        value = spoken(part.valueCodeableConcept)
        return bool(terminology.symptoms(value.codings, value.text)) or bool(_findings(reader, value))
    return bool(_findings(reader, concept))


def _findings(reader: Reader, concept: Spoken) -> frozenset[str]:
    keys = reader.terminology.problems(concept.codings, concept.text)
    return _FINDINGS_BY_OBSERVATION.intersection(keys) if keys else _NONE


def read_observed(
    reader: Reader, reference: str, observation: wire.Observation, part: wire.Valued, concept: Spoken, taken: Dated
) -> None:
    """Read an Observation that `is_reported`; one whose value says no adds nothing."""
    value = spoken(part.valueCodeableConcept)
    matches: Sequence[SymptomMatch] = ()
    findings = _NONE
    said = concept
    if value.codings or value.text:
        matches = reader.terminology.symptoms(value.codings, value.text)
        findings = _findings(reader, value)
        said = value if matches or findings else concept
    if not matches and not findings:
        matches = reader.terminology.symptoms(concept.codings, concept.text)
        findings = _findings(reader, concept)
        about = matches[0].key if matches else next(iter(findings), "")
        stated = states(part, concept, value)
        if stated is None:
            reader.skip(reference, "no-value", "a coded or true value belongs here", about)
        if not stated:
            return
    when, period = taken.at, observation.effectivePeriod
    began = (period.start if period else None) or ""
    onset = reader.latest(began)
    charted = clipped(part.valueString or value.label or _flag(part.valueBoolean))
    source = Source(reference, said.label, charted, when, taken.written)
    sites = [spoken(observation.bodySite)] if observation.bodySite is not None else []
    add(reader, source, matches, sites, when, onset, confirmed=True, onset_written="" if is_exact_day(began) else began)
    reader.problems.extend(Problem(key, True, True, source, when, onset) for key in sorted(findings))


def states(part: wire.Valued, concept: Spoken, value: Spoken) -> bool | None:
    """Whether an Observation named after a symptom says that it is there; None when it does not say.

    A code that is itself a finding (not a LOINC question) says so without any value.
    """
    if part.valueBoolean is not None:
        return part.valueBoolean
    for _, code, _ in value.codings:
        if code in _YES or code in _NO:
            return code in _YES
    text = part.valueString or value.label
    if text:
        return _NO_WORDS.match(text) is None
    if part.dataAbsentReason is not None or part.valueQuantity is not None or part.valueInteger is not None:
        return None
    return True if not any("loinc" in system for system, _, _ in concept.codings) else None


def _flag(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def add(
    reader: Reader,
    source: Source,
    matches: Sequence[SymptomMatch],
    sites: Sequence[Spoken],
    recorded: datetime,
    onset: datetime | None,
    *,
    confirmed: bool,
    onset_written: str = "",
) -> None:
    """Add a symptom for each match and body site; the site and side the record names outrank those of the code.

    The same site once left and once right is bilateral.
    """
    if onset is not None and onset > recorded:
        onset = None
    placed: dict[str | None, str | None] = {}
    for concept in sites:
        site, side = reader.terminology.body_site(concept.codings, concept.text)
        if site in placed and side and placed[site] and placed[site] != side:
            side = "bilateral"
        placed[site] = side or placed.get(site)
    if None in placed and len(placed) > 1:
        del placed[None]
    for match in matches:
        for site, side in (placed or {None: None}).items():
            reader.symptoms.append(
                Symptom(
                    key=match.key,
                    recorded=recorded,
                    source=source,
                    onset=onset,
                    site=site or match.site,
                    side=side or match.side,
                    timing=match.timing,
                    muscle_specific=match.muscle_specific,
                    confirmed=confirmed,
                    onset_written=onset_written,
                )
            )
