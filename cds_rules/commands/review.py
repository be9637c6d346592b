"""`cds-rules review import`: a review set of a replay run, as the page makes it.

Flows in: settings of the service, the output of a replay. Flows out: a set in the store. Floor: edge.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cds_rules.commands.ledger import store


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
