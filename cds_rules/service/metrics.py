"""What is counted and timed, for Prometheus; no label holds anything of a patient or of a request's text.

With several workers each writes files into one folder, which `run` makes, and any of them answers for all. Floor: edge
(service). The only door to prometheus_client.
"""

from __future__ import annotations

import collections
import os
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cds_rules.evaluate import Evaluation

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FILE_OF = re.compile(r"gauge_live\w+_(\d+)\.db")


class Outcomes(collections.Counter[str]):
    """What attempts to read from FHIR servers came to, in a Counter that Prometheus sees as well."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self._counter = counter

    def __setitem__(self, outcome: str, count: int) -> None:
        self._counter.labels("fhir", outcome).inc(count - self[outcome])
        super().__setitem__(outcome, count)


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = {"namespace": "cds_rules", "registry": self._registry}
        self.requests = Counter("requests", "Answers to clients.", ["endpoint", "status"], **own)
        self.request_seconds = Histogram(
            "request_seconds", "Time of a whole request.", ["endpoint"], buckets=_BUCKETS, **own
        )
        self.stage_seconds = Histogram(
            "stage_seconds", "Time of one stage of a request.", ["stage"], buckets=_BUCKETS, **own
        )
        self.stage = cache(self.stage_seconds.labels)
        self.rules = Counter("rule_outcomes", "What became of each rule.", ["rule", "outcome"], **own)
        self._fate = cache(self.rules.labels)
        self.cards = Counter("cards", "Cards that were shown.", ["indicator"], **own)
        self.disagreements = Counter(
            "matcher_disagreements", "Conditions on which the two matchers differed.", ["rule"], **own
        )
        self.failures = Counter("failures", "Requests that failed through an error of the service.", **own)
        self.refusals = Counter("refused_tokens", "Calls without a token that holds.", ["category"], **own)
        self.turned_away = Counter("turned_away", "Requests beyond a limit.", ["limit"], **own)
        self.under_way = Gauge(
            "requests_under_way", "Requests that are being answered.", multiprocess_mode="livesum", **own
        )
        self.fetches = Counter("fetches", "Calls to FHIR servers and for key sets.", ["purpose", "outcome"], **own)
        self.queue = Gauge("decision_queue", "Decisions that wait to be written.", multiprocess_mode="livesum", **own)
        self.dropped = Counter("decisions_dropped", "Decisions that were never written.", **own)
        self.unheeded = Counter("overrides_unheeded", "Answers given without looking for overrides.", **own)
        self.canaries = Gauge(
            "canary_ok", "1 while every patient of the check of ourselves gets the cards that are due.",
            multiprocess_mode="livemin", **own,
        )  # fmt: skip
        self.canary_failures = Counter("canary_failures", "Checks of ourselves that failed.", **own)

    def evaluated(self, evaluation: Evaluation) -> None:
        """Count what an evaluation came to."""
        for rule, outcome in evaluation.outcomes.items():
            self._fate(rule, outcome.state).inc()
        for finding in evaluation.findings:
            self.cards.labels(finding.indicator).inc()
        for disagreement in evaluation.disagreements:
            self.disagreements.labels(disagreement.partition(":")[0]).inc()

    def text(self) -> bytes:
        """All of it, of all workers, in Prometheus's own form."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")  # what `run` sets, and prometheus_client itself reads
        if not folder:
            return generate_latest(self._registry)
        forget_the_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)
        return generate_latest(registry)


def forget_the_dead(folder: Path) -> None:
    """Take what workers that are gone said of the present out of the sums; what they counted stays."""
    dead = {int(found[1]) for each in folder.glob("gauge_live*.db") if (found := _FILE_OF.fullmatch(each.name))}
    for process in dead:
        if not _alive(process):
            mark_process_dead(process, str(folder))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Timed:
    """Tells how long something took, however it ended."""

    __slots__ = ("_began", "_observe")

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._observe(time.perf_counter() - self._began)
