"""Feedback is kept once, finds its card before or after it, and the last word counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.feedback import Item
from cds_rules.store.decisions import Caller
from cds_rules.store.report import as_json
from cds_rules.store.store import Store
from cds_rules.store.tables import alert, feedback
from tests.store import scenes
from tests.store.scenes import NOBODY, SERVICE, decided, override, sample, write

STRANGER = "0b9e3c3e-2f4e-4b6f-9a52-8e7e1f0d1c11"
NOW = datetime.now(UTC)


@pytest.fixture
def kept(url: str) -> Iterator[Store]:
    made = scenes.store(url)
    yield made
    made.database.close()


def answer(kept: Store, *items: Item, caller: Caller = NOBODY) -> list[str]:
    return list(kept.feedback(items, service=SERVICE, caller=caller))


def state(kept: Store) -> list[tuple[str, str | None]]:
    with kept.database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(alert.c.state, alert.c.reason).order_by(alert.c.id))]


def test_the_same_feedback_is_kept_once(kept: Store, knowledge: Knowledge) -> None:
    decision = decided(knowledge)
    write(kept, decision)
    said = override(decision.cards[0]["uuid"])
    assert [*answer(kept, said, said), *answer(kept, said)] == ["recorded", "repeated", "repeated"]
    assert state(kept) == [("overridden", "benefit-outweighs-risk")]
    with kept.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(feedback)) == 1


def test_a_card_that_is_answered_again_counts_once_with_its_last_word(kept: Store, knowledge: Knowledge) -> None:
    decision = decided(knowledge)
    write(kept, decision)
    card = decision.cards[0]["uuid"]
    late, early = NOW - timedelta(minutes=1), NOW - timedelta(minutes=5)
    answer(kept, override(card, late), Item(0, card, "accepted", early, ("x",)))
    assert state(kept) == [("overridden", "benefit-outweighs-risk")]
    answer(kept, Item(0, card, "accepted", NOW - timedelta(seconds=1), ("x",)))
    assert state(kept) == [("accepted", None)]
    (rule,) = as_json(kept.report())["rules"]
    assert (rule["shown"], rule["accepted"]["count"], rule["overridden"]["count"]) == (1, 1, 0)


def test_feedback_before_its_decision_waits_for_it(kept: Store, knowledge: Knowledge) -> None:
    decision = decided(knowledge)
    card = decision.cards[0]["uuid"]
    assert answer(kept, override(card.upper())) == ["unmatched"]
    assert kept.report().unmatched == 1
    write(kept, decision)
    assert state(kept) == [("overridden", "benefit-outweighs-risk")]
    assert kept.report().unmatched == 0


def test_feedback_of_another_client_or_tenant_does_not_count(kept: Store, knowledge: Knowledge) -> None:
    decision = decided(knowledge, caller=Caller("one", "https://ehr.example.org"))
    write(kept, decision)
    card = decision.cards[0]["uuid"]
    for other in (Caller("two", "https://ehr.example.org"), Caller("one", "https://other.example.org"), Caller()):
        assert answer(kept, override(card), caller=other) == ["unmatched"]
        assert as_json(kept.report(of=other))["unmatched"] == 1
    assert state(kept) == [("open", None)]
    assert answer(kept, override(card), caller=Caller("one", "https://ehr.example.org")) == ["recorded"]


def test_a_clock_that_runs_ahead_does_not_have_the_last_word_for_ever(kept: Store, knowledge: Knowledge) -> None:
    decision = decided(knowledge)
    write(kept, decision)
    card = decision.cards[0]["uuid"]
    answer(kept, override(card, NOW + timedelta(days=3650)))
    with kept.database.reading() as connection:
        at = connection.scalar(select(alert.c.state_at))
    assert at is not None
    assert at < NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("code", "system", "stored"),
    [
        ("some-code-of-the-client", "urn:oid:1.2.3", ("some-code-of-the-client", "urn:oid:1.2.3")),
        ("Jane Doe, born 1950", "Jane Doe", ("other", None)),
        ("", "", (None, None)),
    ],
)
def test_a_reason_of_the_client_is_kept_when_it_is_a_code(
    kept: Store, code: str, system: str, stored: tuple[str | None, str | None]
) -> None:
    answer(kept, override(STRANGER, reason=code, reason_system=system))
    with kept.database.reading() as connection:
        assert tuple(connection.execute(select(feedback.c.reason, feedback.c.reason_system)).one()) == stored


def test_a_comment_is_kept_where_that_is_configured_and_then_sealed(url: str) -> None:
    for keeps in (False, True):
        kept = scenes.store(url, keep_comments=keeps)
        answer(kept, override(STRANGER, NOW + timedelta(seconds=keeps), comment="ask Mrs Doe"))
        with kept.database.reading() as connection:
            sealed = connection.scalars(select(feedback.c.comment).order_by(feedback.c.id.desc())).first()
        assert (sealed is not None) is keeps
        if sealed:
            assert b"Doe" not in sealed
            assert kept.keys.unseal(sealed) == b"ask Mrs Doe"
        kept.database.close()


@pytest.mark.parametrize("card", ["not a uuid", "MRN 1234567", "\x00", "ä" * 250])
def test_an_id_that_is_no_uuid_is_kept_as_a_hash(kept: Store, card: str) -> None:
    assert answer(kept, override(card)) == ["unmatched"]
    assert answer(kept, override(card)) in (["repeated"], ["unmatched"])
    with kept.database.reading() as connection:
        assert len(connection.scalars(select(feedback.c.card)).first() or "") == 64


def test_the_report_counts_by_rule_and_reason_with_intervals(kept: Store, knowledge: Knowledge) -> None:
    decisions = [decided(knowledge, sample(hookInstance=str(number))) for number in range(10)]
    write(kept, *decisions)
    cards = [each.cards[0]["uuid"] for each in decisions]
    answer(kept, *(override(card) for card in cards[:3]), override(cards[3], reason=""))
    answer(kept, *(Item(0, card, "accepted", NOW, ("x",)) for card in cards[4:6]))
    answer(kept, override(STRANGER))
    found = as_json(kept.report())
    assert found["unmatched"] == 1
    assert found["rules"] == [
        {
            "rule": "mg-oral-severe-ckd",
            "shown": 10,
            "accepted": {"count": 2, "share": 0.2, "interval": [0.0567, 0.5098]},
            "overridden": {"count": 4, "share": 0.4, "interval": [0.1682, 0.6873]},
            "unanswered": {"count": 4, "share": 0.4, "interval": [0.1682, 0.6873]},
            "reasons": [
                {"reason": "benefit-outweighs-risk", "count": 3, "share": 0.3, "interval": [0.1078, 0.6032]},
                {"reason": None, "count": 1, "share": 0.1, "interval": [0.0179, 0.4042]},
            ],
        }
    ]
    shown = decisions[0].at
    assert as_json(kept.report(since=shown + timedelta(seconds=1)))["rules"] == []
    assert as_json(kept.report(until=shown))["rules"] == []
    assert as_json(kept.report(of=Caller("other"))) == {"since": None, "until": None, "rules": [], "unmatched": 0}


def test_feedback_that_outlives_its_decision_is_no_stranger(kept: Store, knowledge: Knowledge) -> None:
    """Decisions are kept for a year, feedback for three: what was matched is not counted as unmatched afterwards."""
    decision = decided(knowledge)
    write(kept, decision)
    answer(kept, override(decision.cards[0]["uuid"]))
    assert kept.prune(NOW + timedelta(days=400))["decisions"] == 1
    assert (kept.report().rules, kept.report().unmatched) == ((), 0)


def test_an_override_is_remembered_for_its_patient_server_client_and_tenant_alone(
    kept: Store, knowledge: Knowledge
) -> None:
    body = sample(fhirServer="https://fhir.example.org/r4/")
    one = Caller("one", "https://ehr.example.org")
    decision = decided(knowledge, body, caller=one)
    patient = body["context"]["patientId"]
    write(kept, decision)
    answer(kept, override(decision.cards[0]["uuid"]), caller=one)
    server = "https://fhir.example.org/r4"
    (found,) = kept.overrides(one, server, patient, NOW)
    assert (found.reason, found.indicator, found.covers[0].rule) == (
        "benefit-outweighs-risk",
        "critical",
        "mg-oral-severe-ckd",
    )
    assert found.covers[0].products
    for caller, where, who in (
        (Caller(), server, patient),
        (Caller("one", "https://other.example.org"), server, patient),
        (one, "https://other.example.org", patient),
        (one, "", patient),
        (one, server, "other"),
    ):
        assert kept.overrides(caller, where, who, NOW) == ()


def test_an_override_works_on_the_next_call_and_its_record_says_so(kept: Store, knowledge: Knowledge) -> None:
    body = sample()
    first = decided(knowledge, body)
    write(kept, first)
    answer(kept, override(first.cards[0]["uuid"], first.at + timedelta(hours=1)))
    at = first.at + timedelta(days=2)
    remembered = kept.overrides(Caller(), "", body["context"]["patientId"], at)
    again = decided(knowledge, body, at=at, overrides=remembered)
    assert again.cards == ()
    write(kept, again)
    assert kept.verify().problem == ""
