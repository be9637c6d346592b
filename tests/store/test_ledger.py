"""The chain shows every change, removal and other order; retention and forgetting leave it whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.store.browse import Wanted, browse, find
from cds_rules.store.decisions import Caller, Decision
from cds_rules.store.packing import unpacked
from cds_rules.store.store import Store
from cds_rules.store.tables import alert, feedback, ledger
from tests.store import scenes
from tests.store.scenes import EARLIER, KEY, NOBODY, decided, override, sample, write

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def kept(url: str) -> Iterator[Store]:
    made = scenes.store(url)
    yield made
    made.database.close()


def _several(knowledge: Knowledge, count: int, first: datetime = NOW) -> list[Decision]:
    return [
        decided(knowledge, sample(hookInstance=f"call {number}"), at=first + timedelta(hours=number))
        for number in range(count)
    ]


def _sql(kept: Store, said: str) -> None:
    with kept.database.writing() as connection:
        connection.execute(text(said))


def test_an_empty_ledger_is_as_written(kept: Store) -> None:
    assert (kept.verify().problem, kept.verify().rows) == ("", 0)


def test_what_was_written_is_as_written(kept: Store, knowledge: Knowledge) -> None:
    write(kept, *_several(knowledge, 3))
    write(kept, *_several(knowledge, 2, NOW + timedelta(days=1)))
    found = kept.verify()
    assert (found.problem, found.rows, found.alerts) == ("", 5, 5)


@pytest.mark.parametrize(
    ("tampering", "problem"),
    [
        ("UPDATE ledger SET latency_us = latency_us + 1 WHERE sequence = 3", "row 3 or its alerts were changed"),
        ("UPDATE ledger SET record = '{}' WHERE sequence = 2", "row 2 or its alerts were changed"),
        ("UPDATE ledger SET patient = NULL WHERE sequence = 2", "row 2 or its alerts were changed"),
        ("UPDATE ledger SET record = NULL WHERE sequence = 4", "row 4 was emptied, and no record says"),
        ("UPDATE alert SET level = 'info' WHERE sequence = 2", "row 2 or its alerts were changed"),
        ("UPDATE alert SET memory = NULL WHERE sequence = 2", "row 2 or its alerts were changed"),
        ("DELETE FROM alert WHERE sequence = 5", "row 5 or its alerts were changed"),
        ("UPDATE alert SET sequence = 4 WHERE sequence = 3", "row 3 or its alerts were changed"),
        ("DELETE FROM ledger WHERE sequence = 3", "row 3 is missing, and no record says that it was pruned"),
        ("DELETE FROM ledger WHERE sequence <= 2", "rows 1 to 2 are missing, and no record says"),
        ("DELETE FROM ledger WHERE sequence >= 4", "rows 4 to 5 are missing at the end"),
        ("DELETE FROM ledger", "rows 1 to 5 are missing at the end"),
        (
            "UPDATE ledger SET sequence = CASE sequence WHEN 2 THEN -3 ELSE -2 END WHERE sequence IN (2, 3);"
            "UPDATE ledger SET sequence = -sequence WHERE sequence < 0",
            "row 2 was changed, or does not follow the row before it",
        ),
        ("UPDATE chain SET sequence = 6", "row 6 is missing at the end"),
        ("UPDATE chain SET mac = digest FROM ledger", "the end of the chain does not fit to row 5"),
        (
            "DELETE FROM ledger WHERE sequence = 5;"
            "UPDATE chain SET sequence = 4, mac = (SELECT mac FROM ledger WHERE sequence = 4)",
            "the end of the chain was not signed by a key of this site",
        ),
    ],
)
def test_tampering_is_found_and_its_first_place_named(
    kept: Store, knowledge: Knowledge, tampering: str, problem: str
) -> None:
    write(kept, *_several(knowledge, 5))
    with kept.database.writing() as connection:  # somebody with the database, who is not held up by references
        connection.execute(
            text("PRAGMA defer_foreign_keys = ON" if kept.database.sqlite else "SET session_replication_role = replica")
        )
        for each in tampering.split(";"):
            connection.execute(text(each))
        if kept.database.sqlite:  # what still refers to a row that is gone
            connection.execute(text("DELETE FROM alert WHERE sequence NOT IN (SELECT sequence FROM ledger)"))
        else:
            connection.execute(text("SET session_replication_role = origin"))
    assert problem in kept.verify().problem


def test_a_ledger_written_anew_does_not_fit_an_earlier_anchor(kept: Store, knowledge: Knowledge) -> None:
    write(kept, *_several(knowledge, 2))
    anchor = kept.verify().anchor
    write(kept, *_several(knowledge, 1, NOW + timedelta(days=1)))
    assert kept.verify(anchor).problem == ""
    for table in ("alert", "ledger"):
        _sql(kept, f"DELETE FROM {table}")
    _sql(kept, "UPDATE chain SET sequence = 0, mac = '', seal = ''")
    assert kept.verify().problem == ""
    assert "rows 1 to 2 are missing at the end" in kept.verify(anchor).problem
    write(kept, *_several(knowledge, 3))
    assert "another than the anchor has seen" in kept.verify(anchor).problem
    assert "the anchor is not one" in kept.verify("nonsense").problem


def test_a_key_that_is_not_set_is_told_and_an_earlier_one_still_verifies(
    url: str, kept: Store, knowledge: Knowledge
) -> None:
    write(kept, *_several(knowledge, 2))
    rotated = scenes.store(url, key=scenes.SecretStr(EARLIER), previous_keys=scenes.SecretStr(KEY.replace(" ", "_")))
    assert "the key that signed this row is not set" in rotated.verify().problem
    rotated.database.close()


def test_after_a_rotation_the_chain_goes_on(url: str, knowledge: Knowledge) -> None:
    first, second = "a" * 40, "b" * 40
    before = scenes.store(url, key=scenes.SecretStr(first))
    write(before, *_several(knowledge, 2))
    after = scenes.store(url, key=scenes.SecretStr(second), previous_keys=scenes.SecretStr(first))
    write(after, *_several(knowledge, 2, NOW + timedelta(days=1)))
    assert (after.verify().problem, after.verify().rows) == ("", 4)
    patient = sample()["context"]["patientId"]
    assert after.forget(NOW, patient, NOBODY)["decisions"] == 4
    before.database.close()
    after.database.close()


def test_a_batch_that_is_written_again_is_kept_once(kept: Store, knowledge: Knowledge) -> None:
    batch = _several(knowledge, 3)
    write(kept, *batch[:2])
    write(kept, *batch)
    assert (kept.verify().problem, kept.verify().rows) == ("", 3)


def test_many_writers_make_one_chain(url: str, kept: Store, knowledge: Knowledge) -> None:
    batches = [_several(knowledge, 3) for _ in range(6)]
    others = [scenes.store(url) for _ in batches]
    threads = [
        threading.Thread(target=lambda pair=pair: [write(pair[0], each) for each in pair[1]])
        for pair in zip(others, batches, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (kept.verify().problem, kept.verify().rows) == ("", 18)
    for each in others:
        each.database.close()


def test_what_is_pruned_leaves_a_chain_that_verifies(kept: Store, knowledge: Knowledge) -> None:
    write(kept, *_several(knowledge, 3, NOW - timedelta(days=400)), *_several(knowledge, 2, NOW - timedelta(days=10)))
    kept.feedback([override("0b9e3c3e-2f4e-4b6f-9a52-8e7e1f0d1c11")], service=scenes.SERVICE, caller=scenes.Caller())
    assert kept.prune(NOW) == {"decisions": 3, "contents": 0, "feedback": 0}
    assert (kept.verify().problem, kept.verify().rows, kept.verify().alerts) == ("", 3, 2)
    write(kept, *_several(knowledge, 1))
    assert kept.prune(NOW + timedelta(days=4000)) == {"decisions": 4, "contents": 0, "feedback": 1}
    assert (kept.verify().problem, kept.verify().rows) == ("", 1)
    _sql(kept, "DELETE FROM ledger WHERE sequence = (SELECT min(sequence) FROM ledger)")
    assert kept.verify().problem


def test_pruning_twice_removes_nothing_more(kept: Store, knowledge: Knowledge) -> None:
    write(kept, *_several(knowledge, 2, NOW))
    assert kept.prune(NOW)["decisions"] == 0
    assert kept.verify().rows == 2


def test_a_forgotten_patient_is_nowhere_and_the_chain_verifies(kept: Store, knowledge: Knowledge) -> None:
    other = sample("statin-muscle-symptoms")
    write(kept, *_several(knowledge, 2), decided(knowledge, other))
    card = decided(knowledge, sample(hookInstance="call 0"), at=NOW).cards[0]["uuid"]
    kept.feedback([override(card)], service=scenes.SERVICE, caller=scenes.Caller())
    patient = sample()["context"]["patientId"]
    assert kept.forget(NOW, patient, Caller("another tenant")) == {"decisions": 0, "alerts": 0, "feedback": 0}
    assert kept.forget(NOW, patient, NOBODY) == {"decisions": 2, "alerts": 2, "feedback": 1}
    assert kept.forget(NOW, patient, NOBODY) == {"decisions": 0, "alerts": 0, "feedback": 0}
    found = kept.verify()
    assert (found.problem, found.rows) == ("", 4)
    with kept.database.reading() as connection:
        hashed = kept.keys.hashed("patient", "", patient)
        for table in (ledger, alert):
            assert not connection.scalar(select(func.count()).where(table.c.patient == hashed))
        assert not connection.scalar(select(func.count()).select_from(feedback))
        assert connection.scalar(select(func.count()).select_from(alert)) == found.alerts == 1


def test_where_all_is_kept_a_decision_can_be_judged_again(url: str, knowledge: Knowledge) -> None:
    kept = scenes.store(url, keep="full", content_days=5)
    decision = decided(knowledge)
    write(kept, decision)
    with kept.database.reading() as connection:
        row = connection.execute(select(ledger)).mappings().one()
    call = unpacked(kept.keys.unseal(row["content"]))
    again = evaluate(knowledge, call)
    assert again.cards == decision.evaluation.cards
    assert again.fingerprint == row["fingerprint"]
    assert kept.prune(decision.at + timedelta(days=6)) == {"decisions": 0, "contents": 1, "feedback": 0}
    assert kept.verify().problem == ""
    kept.database.close()


def test_what_was_judged_cannot_be_changed_unseen(url: str, knowledge: Knowledge) -> None:
    kept = scenes.store(url, keep="full")
    write(kept, decided(knowledge))
    _sql(kept, "UPDATE ledger SET content = NULL")
    assert "what row 1 was judged on was removed" in kept.verify().problem
    kept.database.close()


def test_emptying_one_decision_is_said_and_the_rest_stays(url: str, knowledge: Knowledge) -> None:
    kept = scenes.store(url, keep="full")
    write(kept, *_several(knowledge, 3))
    one, other, *_ = browse(kept.database, None, Wanted()).alerts
    assert kept.empty(NOW, one) == 1
    assert kept.empty(NOW, one) == 0
    assert kept.verify().problem == ""
    emptied, whole = (find(kept.database, None, each.card) for each in (one, other))
    assert emptied
    assert whole
    assert (emptied.decision.emptied, emptied.decision.sealed) == (True, None)
    assert emptied.decision.fates[one.rule].state == "fired"
    assert whole.decision.call(kept.keys)
    _sql(kept, f"UPDATE ledger SET content = NULL WHERE sequence = {other.sequence}")
    assert "was removed, and no record says so" in kept.verify().problem
    kept.close()


def test_a_patient_is_forgotten_by_the_alert(kept: Store, knowledge: Knowledge) -> None:
    write(kept, decided(knowledge), decided(knowledge, sample("statin-dose-limit")))
    (one,) = browse(kept.database, None, Wanted(rule="mg-oral-severe-ckd")).alerts
    assert kept.forget_like(NOW, one)["decisions"] == 1
    assert [each.rule for each in browse(kept.database, None, Wanted()).alerts] == ["statin-dose-limit"]
    assert kept.verify().problem == ""
