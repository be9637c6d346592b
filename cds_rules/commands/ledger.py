"""`cds-rules ledger verify | prune | forget`: the ledger of decisions, as an operator holds it.

Flows in: settings of the service. Flows out: sentences, exit codes. Floor: edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cds_rules.vocabulary.errors import CdsRulesError

if TYPE_CHECKING:
    from cds_rules.store.store import Store


@contextmanager
def store(config: Path | None) -> Iterator[Store]:
    """The store that the service with these settings has, brought to this version."""
    try:
        from cds_rules.service.configuration import read_settings
        from cds_rules.store.store import Store
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cds_rules"):
            raise
        raise CdsRulesError(
            f"{error.name} is not installed; `pip install 'cds-rules[service]'` brings what the store needs"
        ) from None
    opened = Store(read_settings(config))
    opened.migrate()
    try:
        yield opened
    finally:
        opened.database.close()


def verify(config: Path | None, anchor: str) -> int:
    """Walk the ledger and say the first thing that is wrong."""
    with store(config) as opened:
        found = opened.verify(anchor)
    if found.problem:
        print(f"NOT AS WRITTEN: {found.problem} (verified before it: {found.rows} rows)")
        return 1
    print(f"as written: {found.rows} rows, {found.alerts} alerts; anchor {found.anchor}")
    return 0


def prune(config: Path | None) -> int:
    """Remove what has been kept long enough."""
    with store(config) as opened:
        _say("removed", opened.prune(datetime.now(UTC)))
    return 0


def forget(config: Path | None, patient: str, issuer: str, tenant: str) -> int:
    """Remove everything about one patient; 1 when there was nothing."""
    with store(config) as opened:
        from cds_rules.store.decisions import Caller

        found = opened.forget(datetime.now(UTC), patient, Caller(tenant, issuer))
        recorded = recorded_of(opened)
    _say("forgotten", found)
    if any(found.values()):
        return 0
    print(f"nothing is kept under this id; {recorded}")
    return 1


def recorded_of(opened: Store) -> str:
    """Of whom there are decisions: an id is looked for under issuer and tenant exactly as the tokens of its calls said them."""
    houses = opened.houses()
    if not houses:
        return "no decision at all is recorded (none is where store.keep is off)"
    said = ", ".join(f'"{each}"' if each else "calls without a token" for each in houses)
    return f"decisions are recorded of (issuer and tenant, as tokens said them): {said}"


def _say(done: str, counts: object) -> None:
    assert isinstance(counts, dict)
    print(f"{done}: {', '.join(f'{count} {name}' for name, count in counts.items())}")
