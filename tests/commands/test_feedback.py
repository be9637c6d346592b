"""`cds-rules feedback report` and `cds-rules ledger` as an operator meets them, over a real store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.store.store import Store
from tests.commands.conftest import Typed
from tests.store import scenes
from tests.store.scenes import decided, override, write

RULE, PATIENT = "mg-oral-severe-ckd", "mg-oral-severe-ckd-patient"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knowledge: Knowledge) -> Iterator[Store]:
    """A store with two decisions about one patient, of which one card was overridden."""
    url = f"sqlite:///{tmp_path / 'kept.db'}"
    monkeypatch.setenv("CDS_RULES_STORE_URL", url)
    monkeypatch.setenv("CDS_RULES_STORE_KEY", scenes.KEY)
    made = scenes.store(url)
    first, second = decided(knowledge), decided(knowledge, scenes.sample(hookInstance="another"))
    write(made, first, second)
    made.feedback([override(first.cards[0]["uuid"])], service=scenes.SERVICE, caller=scenes.NOBODY)
    yield made
    made.database.close()


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_table_names_its_columns_whole(typed: Typed, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    done = typed("feedback", "report")
    head, *rest = done.out.splitlines()
    assert head.split() == ["rule", "shown", "accepted", "overridden", "unanswered", "reasons"]
    assert rest[0].split()[:2] == [RULE, "2"]
    assert "feedback on cards that are not known: 0" in rest[-1]


@pytest.mark.usefixtures("kept")
def test_the_report_is_told_as_json_within_limits(typed: Typed) -> None:
    (rule,) = json.loads(typed("feedback", "report", "--json").out)["rules"]
    assert (rule["shown"], rule["overridden"]["count"], rule["unanswered"]["count"]) == (2, 1, 1)
    assert json.loads(typed("feedback", "report", "--json", "--since", "2999-01-01").out)["rules"] == []
    refused = typed("feedback", "report", "--until", "9999-12-31T23:59:59-14:00")
    assert (refused.code, refused.out) == (2, "")
    assert "--since, --until: a day such as" in refused.err


def test_a_ledger_is_verified_and_a_change_of_it_found(kept: Store, typed: Typed) -> None:
    done = typed("ledger", "verify")
    assert (done.code, done.out.split("; anchor")[0]) == (0, "as written: 2 rows, 2 alerts")
    with kept.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alert SET level = 'info' WHERE sequence = 2")
    changed = typed("ledger", "verify")
    assert changed.code == 1
    assert changed.out.startswith("NOT AS WRITTEN: row 2 or its alerts were changed")


def test_a_patient_is_forgotten_once(kept: Store, typed: Typed) -> None:
    assert typed("ledger", "forget", "--patient", PATIENT).out.startswith(
        "forgotten: 2 decisions, 2 alerts, 1 feedback"
    )
    again = typed("ledger", "forget", "--patient", "somebody")
    assert again.code == 1
    assert "nothing is kept under this id; decisions are recorded of" in again.out
    assert kept.verify().problem == ""
