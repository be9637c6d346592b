"""What if: the answer is that of an evaluation of the changed record, and agrees with what was told of it."""

from __future__ import annotations

import pytest

from cds_rules.engine.inquiry import Inquiry
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.review.whatif import NONE, Answer, answer, form
from cds_rules.vocabulary.frozen import replace
from tests.store.scenes import SAMPLES, decided, sample

NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/request.json"))


def asked(knowledge: Knowledge, rule: str = "mg-oral-severe-ckd", **fields: str) -> Answer | None:
    made = decided(knowledge, sample(rule))
    return answer(knowledge, made.call, made.evaluation, rule, fields)


def told(found: Answer | None, rule: str = "mg-oral-severe-ckd") -> tuple[str, str]:
    assert found
    return found.evaluation.outcomes[rule].state, found.evaluation.outcomes[rule].indicator or ""


def test_nothing_asked_is_nothing_answered(knowledge: Knowledge) -> None:
    assert asked(knowledge) is None
    assert asked(knowledge, egfr="28", magnesium="", dose1="482", symptom="", other="1") is None


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"egfr": "29"}, ("fired", "critical")),
        ({"egfr": "30"}, ("not-fired", "")),
        ({"egfr": "14"}, ("fired", "critical")),
        ({"dose1": "350"}, ("fired", "warning")),
        ({"dose1": "351"}, ("fired", "critical")),
        ({"dose1": "0"}, ("not-fired", "")),
        ({"magnesium": "1.5"}, ("fired", "warning")),
        ({"egfr": "75,5"}, ("not-fired", "")),
    ],
    ids=str,
)
def test_a_value_on_either_side_of_a_limit(
    knowledge: Knowledge, fields: dict[str, str], outcome: tuple[str, str]
) -> None:
    assert told(asked(knowledge, **fields)) == outcome


@pytest.mark.parametrize("value", ["mud", "nan", "inf", "-1", "0", "1e9", "9" * 400])
def test_what_is_no_value_is_said_and_changes_nothing(knowledge: Knowledge, value: str) -> None:
    found = asked(knowledge, egfr=value)
    assert found
    assert [str(each) for each in found.problems] == ["eGFR: a number from 1 to 200 belongs here"]
    assert not found.asked
    assert not found.differences


def test_symptoms_can_be_imagined_and_thought_away(knowledge: Knowledge) -> None:
    rule = "statin-muscle-symptoms"
    made = decided(knowledge, sample(rule))
    gone = answer(knowledge, made.call, made.evaluation, rule, {"symptom": NONE})
    assert told(gone, rule)[0] == "not-fired"
    cramps = asked(knowledge, "statin-dose-limit", symptom="muscle-pain")
    assert cramps
    assert rule in {each.rule for each in cramps.differences}


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_can_be_asked_and_a_counterfactual_holds_through_evaluate(knowledge: Knowledge, name: str) -> None:
    made = decided(knowledge, sample(name))
    fields = form(made.evaluation, knowledge)
    assert all(each.mg > 0 for each in fields.doses)
    for each in made.evaluation.findings:
        for way in _inquiry(knowledge, made.evaluation).counterfactuals(each.rule):
            changed = evaluate(knowledge, _with(made.call, way.changes))
            found = changed.outcomes[each.rule.id]
            assert (found.state, found.indicator) == (way.outcome.state, way.outcome.indicator)


def _inquiry(knowledge: Knowledge, evaluation: Evaluation) -> Inquiry:
    return Inquiry(knowledge.rulebook, evaluation.scenario, evaluation.settled)


def _with(call: Call, changes: object) -> Call:
    return replace(call, changes=tuple(changes))  # type: ignore[arg-type, call-overload]
