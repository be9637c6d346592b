from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fhir.builders import AT, ago, coded, condition, only, patient, read, reasons


def status(code: str) -> dict[str, object]:
    return coded("http://terminology.hl7.org/CodeSystem/condition-clinical", code)


@pytest.mark.parametrize("clinical", ["active", "recurrence", "relapse", None])
def test_conditions_are_active_unless_said_otherwise(clinical: str | None) -> None:
    problem = only(read(condition(clinicalStatus=status(clinical) if clinical else None)).chart.problems)
    assert (problem.key, problem.active, problem.confirmed) == ("ckd-4", True, True)
    assert problem.recorded == AT - timedelta(days=40)


@pytest.mark.parametrize("clinical", ["inactive", "remission", "resolved"])
def test_what_is_over_is_kept_as_such(clinical: str) -> None:
    assert not only(read(condition(clinicalStatus=status(clinical))).chart.problems).active


@pytest.mark.parametrize(
    ("verification", "reason"), [("refuted", "verification"), ("entered-in-error", "entered-in-error")]
)
def test_what_was_refuted_is_not_read(verification: str, reason: str) -> None:
    reading = read(condition(verificationStatus=status(verification)))
    assert not reading.chart.problems
    assert reasons(reading) == {"Condition/c": reason}


@pytest.mark.parametrize("verification", ["unconfirmed", "provisional", "differential"])
def test_what_is_not_confirmed_says_so(verification: str) -> None:
    assert not only(read(condition(verificationStatus=status(verification))).chart.problems).confirmed


@pytest.mark.parametrize(
    ("abatement", "active"),
    [
        ({"abatementDateTime": ago(5)}, False),
        ({"abatementDateTime": ago(-5)}, True),
        ({"abatementString": "last spring"}, False),
        ({"abatementBoolean": True}, False),
        ({"abatementBoolean": False}, True),
        ({"abatementPeriod": {"start": ago(9), "end": ago(5)}}, False),
    ],
)
def test_an_abatement_in_the_past_ends_a_condition(abatement: dict[str, object], active: bool) -> None:
    assert only(read(condition(**abatement)).chart.problems).active is active  # type: ignore[arg-type]


def test_statuses_may_be_codes_as_in_stu3() -> None:
    assert not only(read(condition(clinicalStatus="resolved", verificationStatus="confirmed")).chart.problems).active
    assert reasons(read(condition(clinicalStatus="who knows"))) == {"Condition/c": "status"}


def test_onset_may_be_an_age() -> None:
    problem = only(read(patient(birthDate="1950-03-01"), condition(onsetAge={"value": 60, "code": "a"})).chart.problems)
    assert problem.onset is not None
    assert problem.onset.year == 2010


def test_a_condition_from_the_future_is_not_read() -> None:
    assert reasons(read(condition(days=-1))) == {"Condition/c": "future"}
    assert reasons(read(condition(onsetDateTime=ago(-3)))) == {"Condition/c": "future"}


def test_a_condition_of_no_interest_leaves_no_trace_and_one_without_code_does() -> None:
    assert not read(condition(code="Z00.0")).chart.unread
    assert reasons(read(condition() | {"code": {}})) == {"Condition/c": "no-code"}


def test_a_problem_without_any_date_is_from_long_ago() -> None:
    assert only(read(condition(days=None)).chart.problems).recorded is None
