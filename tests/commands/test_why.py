"""`cds-rules why` as a user meets it, over a real store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.store.decisions import Caller
from cds_rules.store.store import Store
from tests.commands.conftest import Typed
from tests.store import scenes
from tests.store.scenes import decided, override, sample, write

RULE, PATIENT, AT = "mg-oral-severe-ckd", "mg-oral-severe-ckd-patient", "2026-06-15T14:30:00Z"
INSTANT = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    said = f"sqlite:///{tmp_path / 'kept.db'}"
    monkeypatch.setenv("CDS_RULES_STORE_URL", said)
    monkeypatch.setenv("CDS_RULES_STORE_KEY", scenes.KEY)
    return said


@pytest.fixture
def kept(url: str) -> Iterator[Store]:
    made = scenes.store(url)
    yield made
    made.database.close()


@pytest.fixture
def full(url: str) -> Iterator[Store]:
    made = scenes.store(url, keep="full")
    yield made
    made.database.close()


def why(typed: Typed, *words: str, rule: str = RULE, patient: str = PATIENT, at: str = AT) -> tuple[int, str, str]:
    done = typed("why", "--patient", patient, "--at", at, "--rule", rule, *words)
    assert PATIENT not in done.out + done.err, "the patient is named"
    return done.code, done.out, done.err


def test_the_recorded_outcome_and_its_card_are_told(typed: Typed, kept: Store, knowledge: Knowledge) -> None:
    write(kept, decided(knowledge))
    code, out, _ = why(typed)
    assert code == 0
    assert "> 2026-06-15T14:30:00+00:00  patient-view  fired critical  (row 1)" in out
    assert "RECORDED  fired critical, answered 200" in out
    assert "card shown: critical, rule version" in out
    assert "NOT JUDGED AGAIN: what was judged was not kept; store.keep = full keeps it" in out


def test_the_decision_nearest_to_the_instant_is_told_among_those_around(
    typed: Typed, kept: Store, knowledge: Knowledge
) -> None:
    write(kept, *(decided(knowledge, at=INSTANT + timedelta(days=day)) for day in range(9)))
    told = json.loads(why(typed, "--json", at="2026-06-19T20:00:00Z")[1])
    assert told["recorded"]["at"] == "2026-06-19T14:30:00+00:00"
    assert [each["at"][8:10] for each in told["decisions"]] == ["16", "17", "18", "19", "20", "21", "22"]
    assert [each["at"][8:10] for each in told["decisions"] if each["nearest"]] == ["19"]


def test_a_silence_by_override_is_told_with_its_reason(typed: Typed, kept: Store, knowledge: Knowledge) -> None:
    first = decided(knowledge)
    write(kept, first)
    kept.feedback([override(card["uuid"]) for card in first.cards], service=scenes.SERVICE, caller=scenes.NOBODY)
    later = datetime.now(UTC)
    write(
        kept,
        decided(knowledge, at=later, overrides=kept.overrides(scenes.NOBODY, first.server, PATIENT, later)),
    )
    _, out, _ = why(typed, at=later.isoformat())
    assert "RECORDED  suppressed critical" in out
    assert "suppressed by override" in out
    assert "(benefit outweighs risk), silent until" in out
    _, before, _ = why(typed)
    assert "; overridden at" in before


def test_what_was_kept_is_judged_again_without_naming_the_patient(
    typed: Typed, full: Store, knowledge: Knowledge
) -> None:
    write(full, decided(knowledge))
    code, out, _ = why(typed)
    assert code == 0
    assert "JUDGED AGAIN with the rules it was judged with\n  the same outcome as recorded" in out
    assert "+ kidney: tier is one of G4, G5  [tier G4, egfr 28 mL/min/{1.73_m2} - Observation/" in out
    assert "[age_years 78 a - Patient]" in out
    told = json.loads(why(typed, "--json")[1])
    assert (told["again"]["same rules"], told["again"]["same outcome"]) == (True, True)


def test_other_rules_are_said_to_be_others(typed: Typed, full: Store, knowledge: Knowledge, tmp_path: Path) -> None:
    write(full, decided(knowledge))
    site = tmp_path / "site.yaml"
    site.write_text("magnesium_upper_limit: 2.6\n", "utf-8")
    code, out, err = why(typed, "--site", str(site))
    assert code == 0, err
    assert "JUDGED AGAIN with other rules: fingerprint " in out
    assert f"recorded {knowledge.fingerprint[:12]}" in out


def test_what_was_removed_by_retention_is_said_to_be(typed: Typed, full: Store, knowledge: Knowledge) -> None:
    write(full, decided(knowledge))

    full.prune(INSTANT + timedelta(days=full.settings.content_days + 1))
    code, out, _ = why(typed)
    assert code == 0
    assert "NOT JUDGED AGAIN: what was judged was removed after store.content_days" in out


def test_nothing_recorded_is_a_sentence_and_exit_code_1(typed: Typed, kept: Store, knowledge: Knowledge) -> None:
    write(kept, decided(knowledge))
    code, out, _ = why(typed, patient="somebody-else")
    assert (code, "no decision about such a patient is recorded of calls without a token" in out) == (1, True)
    assert "decisions are recorded of (issuer and tenant, as tokens said them): calls without a token" in out
    code, out, _ = why(typed, rule="mg-absorption-interaction")
    assert code == 1
    assert "in none of the recorded decisions around was this rule judged (1 looked at" in out
    assert "not a rule of this hook then" in out


def test_a_patient_of_an_issuer_and_tenant_is_found_under_both(typed: Typed, kept: Store, knowledge: Knowledge) -> None:
    write(kept, decided(knowledge, caller=Caller("ward", "https://ehr")))
    assert why(typed, "--issuer", "https://ehr", "--tenant", "ward")[0] == 0
    for words in ((), ("--tenant", "ward"), ("--issuer", "https://ehr")):
        code, out, _ = why(typed, *words)
        assert (code, '"https://ehr ward"' in out) == (1, True), words


def test_wrong_words_are_a_sentence_and_exit_code_2(typed: Typed, kept: Store) -> None:
    for words, said in (
        ({"rule": "mg-oral-sever-ckd"}, '"mg-oral-sever-ckd"'),
        ({"at": "yesterday"}, '"yesterday" is no instant'),
        ({"at": "last"}, '"last" is no instant'),
        ({"patient": ""}, "context.patientId"),
    ):
        code, out, err = why(typed, **words)
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1


def test_another_key_cannot_open_what_was_kept(
    typed: Typed, full: Store, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(full, decided(knowledge))
    monkeypatch.setenv("CDS_RULES_STORE_KEY", scenes.EARLIER)
    code, out, _ = why(typed)
    assert (code, "no decision about such a patient is recorded" in out) == (1, True)


def test_an_id_that_means_others_on_another_server_is_said(typed: Typed, kept: Store, knowledge: Knowledge) -> None:
    one, other = "https://a.example.org/fhir", "https://b.example.org/fhir"
    write(kept, decided(knowledge, sample(fhirServer=one)), decided(knowledge, sample(fhirServer=other)))
    assert "these are of 2 FHIR servers" in why(typed)[1]
    assert "FHIR servers" not in why(typed, "--server", one)[1]
