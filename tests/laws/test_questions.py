"""The laws of explanations on some patients and on every vignette, and on answers that are wrong on purpose.

More patients: `python -m tests.laws 5000`.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from cds_rules.engine.faithfulness import unfaithful
from cds_rules.engine.judging import Outcome
from cds_rules.evaluate import Evaluation, Knowledge, evaluate
from cds_rules.hooks.request import read_request
from cds_rules.vocabulary.frozen import replace
from tests.laws.laws import Trial
from tests.laws.patients import Patients
from tests.laws.questions import QUESTIONS, counterfactuals_hold, explained_once
from tests.vignettes.render import AT, render
from tests.vignettes.test_vignettes import VIGNETTES

PATIENTS = 40
Law = Callable[[Trial], str | None]


@pytest.fixture(scope="module")
def trials(knowledge: Knowledge) -> list[Trial]:
    patients = Patients(knowledge.tables)
    return [Trial.of(knowledge, patients, seed) for seed in range(PATIENTS)]


@pytest.mark.parametrize("law", QUESTIONS, ids=lambda law: law.__name__)
def test_law(law: Law, trials: list[Trial]) -> None:
    broken = {trial.seed: told for trial in trials if (told := law(trial)) is not None}
    assert not broken


@pytest.fixture(scope="module")
def answers(knowledge: Knowledge) -> dict[str, Evaluation]:
    """What each vignette is told."""
    found = {}
    for name, vignette in VIGNETTES.items():
        body = json.dumps(render(vignette, "us-core").request).encode()
        found[name] = evaluate(knowledge, read_request(body).call(AT))
    return found


def test_every_vignette_is_explained_as_it_was_answered(knowledge: Knowledge, answers: dict[str, Evaluation]) -> None:
    assert {name: told for name, answer in answers.items() if (told := explained_once(knowledge, answer))} == {}


def test_the_evidence_of_every_vignette_is_faithful(answers: dict[str, Evaluation]) -> None:
    wrong = {
        (name, finding.rule.id): told
        for name, answer in answers.items()
        for finding in answer.settled.verdict.findings
        if (told := unfaithful(finding, answer.derived.facts, answer.derived.gaps))
    }
    assert wrong == {}


def test_the_counterfactuals_of_every_vignette_hold(knowledge: Knowledge, answers: dict[str, Evaluation]) -> None:
    assert {name: told for name, answer in answers.items() if (told := counterfactuals_hold(knowledge, answer))} == {}


# --- laws that cannot be broken prove nothing --------------------------------------------------------------------


def test_an_answer_that_falls_silent_is_not_explained_by_its_tree(knowledge: Knowledge, trials: list[Trial]) -> None:
    spoken = next(trial.answer for trial in trials if trial.answer.findings)
    silent = replace(spoken.settled, outcomes=dict.fromkeys(spoken.outcomes, Outcome("not-fired")))
    assert explained_once(knowledge, replace(spoken, settled=silent)) is not None


def test_evidence_that_cites_too_much_or_too_little_is_found(trials: list[Trial]) -> None:
    trial = next(trial for trial in trials if trial.answer.findings)
    finding = trial.answer.settled.verdict.findings[0]
    facts, gaps = trial.answer.derived.facts, trial.answer.derived.gaps
    assert unfaithful(replace(finding, rests_on=lambda: finding.sources[1:]), facts, gaps)
    idle = next(each for each in facts if each.kind not in ("call", *(fact.kind for fact in finding.facts)))
    assert unfaithful(replace(finding, rests_on=lambda: (*finding.sources, (idle, ()))), facts, gaps)


def test_every_law_is_about_something(trials: list[Trial]) -> None:
    assert sum(len(trial.answer.findings) for trial in trials) > PATIENTS / 3
