"""`cds-rules review import | load`: a review set of a replay run, as the page makes it; a run as a store of its own.

Flows in: settings of the service, the output of a replay. Flows out: a set in the store, a store. Floor: edge.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cds_rules import load_packs
from cds_rules.commands.ledger import store
from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.hooks.profiles import SHIPPED, shaped
from cds_rules.hooks.response import pruned
from cds_rules.vocabulary.errors import BadInput

if TYPE_CHECKING:
    from cds_rules.store.decisions import Decision

BATCH = 200
"""Decisions that are written together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of the command line. seed: below 0: a new one."""

    run: Path
    name: str
    issuer: str
    tenant: str
    alerts: int
    silences: int
    rules: tuple[str, ...]
    seed: int


def bring_in(config: Path | None, asked: Asked) -> int:
    """Draw it, and say where it is.

    Raises:
        BadInput: the file is something else, or there is nothing to draw.
    """
    with store(config) as opened, asked.run.open("rb") as run:
        from cds_rules.review.sampling import Wish, sample
        from cds_rules.store import reviews
        from cds_rules.store.decisions import Caller

        seed = asked.seed if asked.seed >= 0 else secrets.randbelow(2**31)
        drawn = sample(run, Wish(asked.alerts, asked.silences, asked.rules, seed))
        identity = reviews.add(
            opened.database, opened.keys, drawn.items, name=asked.name or asked.run.stem,
            house=Caller(asked.tenant, asked.issuer).house, by="command line", at=datetime.now(UTC),
            fingerprint=drawn.fingerprint, seed=seed, strata=drawn.strata,
        )  # fmt: skip
    for each in drawn.strata:
        print(f"{each.rule}: {each.drawn} of {each.population} ({each.stratum})")
    print(f"review set {identity}: {len(drawn.items)} items, seed {seed}; to be read at /review/sets/{identity}")
    return 0


def load(run: Path, into: Path) -> int:
    """Write every evaluation of a run into a new store, so that the review pages show it as they show decisions.

    It is a store of its own: what was replayed is never counted among what was shown to clinicians.

    Raises:
        BadInput: the file is something else, or the store is there already.
    """
    if into.exists():
        raise BadInput("it is there already; the name of a new file belongs there", "--into")
    from cds_rules.service import settings as sections
    from cds_rules.service.settings import Secret, Settings
    from cds_rules.store.store import Store

    knowledge = load_packs()
    made = Store(Settings(store=sections.Store(url=Secret(f"sqlite:///{into.absolute()}"), keep="full")))
    made.migrate()
    count = cards = other = 0
    try:
        with run.open("rb") as file:
            found = _decisions(file, knowledge)
            while several := list(islice(found, BATCH)):
                made.write([decision for decision, _ in several])
                count += len(several)
                cards += sum(len(decision.cards) for decision, _ in several)
                other += sum(fingerprint != knowledge.fingerprint for _, fingerprint in several)
    finally:
        made.database.close()
    if other:
        print(f"{other} of them were replayed with other rules: they are judged with those of this installation")
    print(f"{count} evaluations, {cards} alerts; to see them:")
    print(f"  CDS_RULES_STORE_URL=sqlite:///{into.absolute()} cds-rules serve    and then /review")
    return 0


def _decisions(run: IO[bytes], knowledge: Knowledge) -> Iterator[tuple[Decision, str]]:
    """Decisions with the fingerprint each was replayed with."""
    from cds_rules.review.sampling import lines
    from cds_rules.store.decisions import Decision
    from cds_rules.store.packing import unpacked

    for number, _, line in lines(run):
        try:
            call = unpacked(json.dumps(line["call"]).encode())
        except (KeyError, TypeError, ValueError):
            raise BadInput("what was judged in it is nothing of ours", f"line {number}") from None
        told = evaluate(knowledge, call)
        made = [pruned(card) for card in shaped(told.cards, SHIPPED["default"], call.patient_id or "")]
        status = 412 if told.not_judged and not made else 200
        yield Decision(call, told, tuple(made), status, call.at, 0, "replay"), str(line.get("fingerprint", ""))
