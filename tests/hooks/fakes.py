"""An evaluation without knowledge, for tests of what is made of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cds_rules.derive import derive
from cds_rules.engine.judging import Outcome, Verdict
from cds_rules.engine.reference import World
from cds_rules.engine.settling import Scenario, Settled
from cds_rules.evaluate import Evaluation
from cds_rules.vocabulary.chart import Chart
from cds_rules.vocabulary.frozen import replace

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
NOTHING = derive(Chart(None), hook="patient-view", at=AT)


def card(rule: str = "mg-total-dose", **fields: Any) -> dict[str, Any]:
    """A card such as `cards` makes."""
    return {
        "uuid": "1",
        "summary": "s",
        "indicator": "info",
        "source": {"label": "l", "topic": {"system": "x", "code": rule.replace("-", "")}},
        "extension": {
            "dev.cds-rules.finding": {"rule": rule, "version": "1.0.0", "level": "info", "evidence": ["Observation/1"]}
        },
        **fields,
    }


def evaluation(**changes: Any) -> Evaluation:
    """An evaluation in which one rule was judged and did not fire."""
    quiet = Evaluation(
        hook="patient-view",
        at=AT,
        cards=(),
        findings=(),
        outcomes={"mg-total-dose": Outcome("not-fired")},
        not_judged={},
        not_assessed=(),
        unread=(),
        matcher="reference",
        disagreements=(),
        fingerprint="abc",
        scenario=Scenario(Chart(None), "patient-view", AT),
        settled=Settled(NOTHING, World(()), Verdict((), {}, "reference"), (), {}),
    )
    return replace(quiet, **changes)


def unjudged(**reasons: str) -> dict[str, Any]:
    """Changes that make rules not judged, each for one reason; _ in a name stands for -."""
    rules = {name.replace("_", "-"): reason for name, reason in reasons.items()}
    return {
        "outcomes": {"mg-total-dose": Outcome("not-fired")}
        | {rule: Outcome("not-judged", None, (reason,)) for rule, reason in rules.items()},
        "not_judged": {rule: (reason,) for rule, reason in rules.items()},
    }
