"""The check of ourselves: patients whose cards are known, asked through the whole path before we say "ready", and again and again.

One invented patient is asked at start, in a millisecond; the packs' own samples when readiness is asked for, and on a
schedule. Each must get the cards its sample names (unless the site's parameters may have changed them), and the same cards
every time. Flows in: knowledge, samples. Flows out: "" or what is wrong. Floor: edge (service).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.discovery import service_at, service_for
from cds_rules.hooks.prefetch import QUERIES
from cds_rules.hooks.profiles import SHIPPED
from cds_rules.hooks.response import FINDING, answer
from cds_rules.hooks.wire import encode
from cds_rules.service.logs import log, place_of
from cds_rules.service.metrics import Metrics
from cds_rules.service.samples import Sample, read_samples, samples_folder
from cds_rules.service.settings import Settings
from cds_rules.vocabulary.errors import CdsRulesError

RULE = "hypermagnesemia-lab"
"""Magnesium 6.1 mg/dL the day before: the one rule that no version of our pack can be without."""

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)


def _request() -> bytes:
    subject = {"reference": "Patient/canary"}
    magnesium = {
        "resourceType": "Observation",
        "id": "canary-magnesium",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "19123-9", "display": "Magnesium"}]},
        "subject": subject,
        "effectiveDateTime": "2026-01-14T12:00:00Z",
        "valueQuantity": {"value": 6.1, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    }
    return encode(
        {
            "hook": "patient-view",
            "hookInstance": "00000000-0000-4000-8000-000000000000",
            "context": {"userId": "Practitioner/canary", "patientId": "canary"},
            "prefetch": {query.key: None for query in QUERIES}
            | {
                "patient": {"resourceType": "Patient", "id": "canary", "birthDate": "1960-01-01", "gender": "female"},
                "magnesium": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": magnesium}]},
            },
        }
    )


def failing(knowledge: Knowledge) -> str:
    """Say why this knowledge must not answer anybody, or "" when it does what it must."""
    service = service_for("patient-view")
    if service is None:
        return "there is no service for patient-view"
    try:
        found = answer(knowledge, service, _request(), at=AT, profile=SHIPPED["sandbox"])
    except Exception as error:  # whatever it is, it would meet the first patient as well
        return f"the invented patient could not be judged: {place_of(error)}"
    fired = [card["extension"][FINDING]["rule"] for card in found.body["cards"]]
    if RULE in knowledge.rules and fired != [RULE]:
        return f"the invented patient must get {RULE} and got {', '.join(fired) or 'nothing'}"
    return "" if found.evaluation.outcomes else "no rule judges patient-view"


Fired = frozenset[tuple[str, str]]
"""Rule and indicator of each card."""


class Canaries:
    """The patients, and what came of asking them last."""

    def __init__(self, knowledge: Knowledge, settings: Settings, metrics: Metrics) -> None:
        self._knowledge = knowledge
        self._as_shipped = settings.packs.parameters is None
        self._seconds = settings.telemetry.canary_seconds
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._samples: Mapping[str, Sample] = {}
        self._due: Mapping[str, Fired] = {}
        self._before: dict[str, Fired] = {}
        self.trouble = ""
        self._tell(failing(knowledge))

    async def watch(self) -> None:
        """Ask all of them on the schedule, until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            await self.ensure()

    async def ensure(self) -> None:
        """Ask all of them, unless that was done a moment ago; other requests are answered in between."""
        async with self._lock:
            if time.monotonic() - self._asked < self._seconds / 2:
                return
            if not self._samples:
                self._samples, self._due = await asyncio.to_thread(_samples, self._knowledge)
            trouble = failing(self._knowledge)
            for sample in self._samples.values():
                trouble = trouble or self._wrong(sample)
                await asyncio.sleep(0)
            self._tell(trouble)
            self._asked = time.monotonic()

    def _tell(self, trouble: str) -> None:
        self._metrics.canaries.set(not trouble)
        if trouble:
            self._metrics.canary_failures.inc()
            log(logging.ERROR, f"not ready: {trouble}")
        elif self.trouble:
            log(logging.WARNING, "ready again")
        self.trouble = trouble

    def _wrong(self, sample: Sample) -> str:
        """What is wrong with the cards of a sample, "" when nothing is."""
        service = service_at(sample.service)
        assert service is not None
        try:
            found = answer(
                self._knowledge, service, sample.body, at=AT, profile=SHIPPED["sandbox"], heed_at=True
            ).evaluation
        except Exception as error:  # whatever it is, it would meet the next patient as well
            return f"the sample {sample.name} could not be judged: {place_of(error)}"
        fired = frozenset((finding.rule.id, finding.indicator) for finding in found.findings)
        missing = self._due.get(sample.name, frozenset()) - fired if self._as_shipped else frozenset()
        if missing:
            return f"the sample {sample.name} must get {_listed(missing)} and got {_listed(fired)}"
        if fired != self._before.setdefault(sample.name, fired):
            return f"the sample {sample.name} got {_listed(self._before[sample.name])} before and now {_listed(fired)}"
        return ""


def _listed(fired: Fired) -> str:
    return ", ".join(f"{rule} ({indicator})" for rule, indicator in sorted(fired)) or "nothing"


def _samples(knowledge: Knowledge) -> tuple[Mapping[str, Sample], Mapping[str, Fired]]:
    """The samples there are, and the cards of rules we have that each must get."""
    from cds_rules.replay.expectations import read_expectations  # nothing of replay is needed to start

    folder = samples_folder()
    try:
        held = read_expectations(folder).held if folder else {}
    except CdsRulesError:
        held = {}
    due = {
        name: frozenset(
            (card["rule"], card["indicator"])
            for expected in entries
            for card in expected.cards
            if card["rule"] in knowledge.rules and "indicator" in card
        )
        for name, entries in held.items()
    }
    return read_samples(), due
