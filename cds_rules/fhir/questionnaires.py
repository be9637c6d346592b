"""QuestionnaireResponses: symptoms a patient reported by answering questions.

A decoded QuestionnaireResponse flows in; `Symptom`s or reasons flow into the `Reader`. A question is known by the site's
mapping (canonical and linkId, knowledge table `questionnaires`), else by the LOINC code in its linkId or definition; an
answer that is itself coded as a symptom counts too. Rules: clinical specification 5.4.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Iterator

from cds_rules.fhir import symptoms, wire
from cds_rules.fhir.reader import Dated, Reader
from cds_rules.fhir.wire import Spoken, many, spoken
from cds_rules.knowledge.terminology import Question
from cds_rules.vocabulary.chart import Source

_FILLED = frozenset(("completed", "amended"))
_LOINC = "http://loinc.org"
_DEEPEST = 12


def read(reader: Reader, reference: str, response: wire.QuestionnaireResponse) -> None:
    """Read one QuestionnaireResponse; one that is not filled in, or says nothing of ours, adds nothing."""
    questionnaire = response.questionnaire if isinstance(response.questionnaire, str) else ""
    asked = [
        (item, answer, _questions(reader, questionnaire, item))
        for item in _items(response.item or (), 0)
        for answer in many(item.answer)
    ]
    ours = [
        each for each in asked if each[2] or symptoms.is_reported(reader, _valued(each[0], each[1]), _said(each[0]))
    ]
    if not ours:
        return
    if response.status not in _FILLED:
        reader.skip_status(reference, response.status, "completed or amended")
        return
    when = reader.dated(response.authored)
    if when is None:
        reader.skip(reference, "no-date", "authored belongs here")
    elif reader.is_future(when.at):
        reader.skip(reference, "future", "authored after the evaluation")
    else:
        for item, answer, questions in ours:
            _read_answer(reader, reference, item, answer, questions, when)


def _items(items: list[wire.Item] | tuple[()], depth: int) -> Iterator[wire.Item]:
    """Every question, those of groups and those below an answer too."""
    if depth > _DEEPEST:
        return
    for item in items:
        yield item
        yield from _items(item.item or (), depth + 1)
        for answer in many(item.answer):
            yield from _items(answer.item or (), depth + 1)


def _questions(reader: Reader, questionnaire: str, item: wire.Item) -> tuple[Question, ...]:
    return reader.terminology.questions(questionnaire.partition("|")[0], item.linkId or "")


def _said(item: wire.Item) -> Spoken:
    """The question as a concept: its LOINC code, by which linkId or definition often name it, and its words."""
    names = [name.rpartition("/")[2] for name in (item.linkId, item.definition) if name]
    return Spoken(tuple((_LOINC, name, "") for name in names), item.text or "")


def _valued(item: wire.Item, answer: wire.Answered) -> wire.Valued:
    """A question and its answer as an observation has them."""
    said = _said(item)
    coding = answer.valueCoding
    return wire.Valued(
        code=wire.CodeableConcept([wire.Coding(system, code) for system, code, _ in said.codings], said.text),
        valueCodeableConcept=wire.CodeableConcept([coding]) if coding is not None else None,
        valueString=answer.valueString,
        valueBoolean=answer.valueBoolean,
        valueInteger=answer.valueInteger,
    )


def _read_answer(
    reader: Reader,
    reference: str,
    item: wire.Item,
    answer: wire.Answered,
    questions: tuple[Question, ...],
    when: Dated,
) -> None:
    part, said = _valued(item, answer), _said(item)
    if not questions:
        symptoms.read_observed(reader, reference, wire.Observation(), part, said, when)
        return
    number = answer.valueDecimal if answer.valueDecimal is not None else answer.valueInteger
    value = spoken(part.valueCodeableConcept)
    for question in questions:
        if question.least is not None:
            meant = None if number is None else number >= question.least
        elif question.answer:
            meant = any(code == question.answer for _, code, _ in value.codings)
        else:
            meant = symptoms.states(part, said, value)
        if meant is None:
            reader.skip(
                reference, "no-value", "an answer of the kind that the mapping names belongs here", question.match.key
            )
        elif meant:
            source = Source(reference, said.called(question.match.key), value.label, when.at, when.written)
            symptoms.add(reader, source, (question.match,), (), when.at, None, confirmed=True)


__all__ = ["read"]
