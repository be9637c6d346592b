"""`cds-rules feedback report`: how cards are received, rule by rule.

Flows in: the store of the service. Flows out: a table or JSON. Floor: edge.
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from cds_rules.commands.ledger import store
from cds_rules.vocabulary.errors import CdsRulesError


def report(config: Path | None, since: str, until: str, issuer: str, tenant: str, as_json_: bool) -> int:
    """Print the report."""
    with store(config) as opened:
        from cds_rules.store.decisions import Caller
        from cds_rules.store.report import as_json, read_instant, wilson

        try:
            limits = [read_instant(said) if said else None for said in (since, until)]
        except ValueError as error:
            raise CdsRulesError(f"--since, --until: {error}") from None
        made = opened.report(*limits, Caller(tenant, issuer) if issuer or tenant else None)
    if as_json_:
        print(json.dumps(as_json(made), indent=1))
        return 0
    table = Table(
        Column("rule", no_wrap=True, overflow="ignore"),
        Column("shown", min_width=5),
        Column("accepted", min_width=8),
        Column("overridden", min_width=10),  # a head that does not fit would be cut
        Column("unanswered", min_width=10),
        Column("reasons", min_width=7),
        box=None,
    )
    for each in made.rules:

        def share(count: int, shown: int = each.shown) -> str:
            low, high = wilson(count, shown)
            return f"{count} ({count / shown:.0%}, {low:.0%}-{high:.0%})"

        reasons = sorted(each.overridden.items(), key=lambda pair: (-pair[1], pair[0]))
        table.add_row(
            each.rule,
            str(each.shown),
            share(each.accepted),
            share(sum(each.overridden.values())),
            share(each.unanswered),
            ", ".join(f"{reason or 'none given'} {count}" for reason, count in reasons),
        )
    Console().print(table)
    print(f"feedback on cards that are not known: {made.unmatched}")
    return 0
