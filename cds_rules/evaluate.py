"""The whole as one pure function: a call with its record in, findings, cards and what could not be judged out.

The service, replay and the review pages call this same `evaluate`; they cannot disagree.
Flows in: `Knowledge` (built once) and a `Call`. Flows out: `Evaluation`. Floor: evaluate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import Any

from cds_rules.cards.cards import Scene, cards, not_assessed
from cds_rules.cards.reasons import reasons
from cds_rules.cards.texts import Texts, all_texts
from cds_rules.cards.views import views
from cds_rules.derive import Derived, Lookups
from cds_rules.engine.arbitration import Policy
from cds_rules.engine.changes import Change, applied
from cds_rules.engine.inquiry import Inquiry
from cds_rules.engine.judging import Finding, Judge, Outcome, Verdict
from cds_rules.engine.overrides import Override
from cds_rules.engine.settling import Rulebook, Scenario, Settled, settle
from cds_rules.fhir import Document, Reading, read_chart
from cds_rules.fhir.validation import why_invalid
from cds_rules.knowledge.decisions import Decisions, decisions_of, settled
from cds_rules.knowledge.languages import ENGLISH, Language, read_languages
from cds_rules.knowledge.overlay import with_overlay
from cds_rules.knowledge.pack import Pack, Rows, merged_tables
from cds_rules.knowledge.rules import Rule
from cds_rules.knowledge.terminology import Terminology
from cds_rules.vocabulary.asked import PARTS
from cds_rules.vocabulary.chart import Chart, Unread
from cds_rules.vocabulary.facts import VITALS
from cds_rules.vocabulary.frozen import Frozen, field, replace
from cds_rules.vocabulary.wording import Said, joined, said, word


class Call(Frozen, frozen=True):
    """One question: the hook, the instant, and the record as delivered.

    documents: resources and Bundles; drafts have the origin "draft". selections: ids ("Type/id") of the drafts in focus,
    None: all. missing: domain of the record (vocabulary.facts.DOMAINS) -> why it was not wholly delivered, in words
    without patient data. zone: for dates without an offset. language: of the texts (BCP 47); one that no pack brings is
    English. why: work out for each card what would have to differ, how certain it is and what a draft adds. overrides: what
    was answered to earlier cards of this patient. changes: what of the record is imagined to be otherwise, for the question
    "what if"; no call of a client has any.
    """

    hook: str
    at: datetime
    documents: tuple[Document, ...] = ()
    patient_id: str | None = None
    hook_instance: str = ""
    selections: frozenset[str] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo = UTC
    language: str = ENGLISH
    why: bool = False
    overrides: tuple[Override, ...] = ()
    changes: tuple[Change, ...] = ()


class Evaluation(Frozen, frozen=True):
    """The answer: cards in CDS Hooks JSON shape, most urgent first, and exactly one outcome for each rule of the hook.

    not_assessed: what could not be judged, in Markdown, in a clinician's words and the language of the call.
    silenced: rule -> why an override keeps it silent.
    """

    hook: str
    at: datetime
    cards: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]
    outcomes: Mapping[str, Outcome]
    not_judged: Mapping[str, tuple[str, ...]]
    not_assessed: tuple[str, ...]
    unread: tuple[Unread, ...]
    matcher: str
    disagreements: tuple[str, ...]
    fingerprint: str
    scenario: Scenario
    settled: Settled
    silenced: Mapping[str, str] = field(default_factory=dict)

    @property
    def chart(self) -> Chart:
        """What was read and used."""
        return self.scenario.chart

    @property
    def derived(self) -> Derived:
        """What was computed from it."""
        return self.settled.derived

    @property
    def speaks(self) -> bool:
        """Whether a rule fired, or did before what it rests on was withdrawn; if not, no override changes anything."""
        return bool(self.settled.verdict.findings) or any(each.reason == "invalid" for each in self.unread)


class Knowledge(Frozen, frozen=True):
    """Rules, terminology and texts of a pack, compiled once and shared by all evaluations."""

    packs: tuple[Pack, ...]
    rules: Mapping[str, Rule]
    pack_of: Mapping[str, Pack]
    terminology: Terminology
    parameters: SimpleNamespace
    rulebook: Rulebook
    languages: Mapping[str, Language]
    texts: Mapping[str, Mapping[str, Texts]]
    fingerprint: str

    @property
    def judge(self) -> Judge:
        """The compiled rules."""
        return self.rulebook.judge

    @property
    def policy(self) -> Policy:
        """The order between rules."""
        return self.rulebook.policy

    @property
    def tables(self) -> Mapping[str, Rows]:
        """The tables of all packs by name."""
        return self.rulebook.tables

    @property
    def decisions(self) -> Decisions:
        """What the packs' parameters decide for derived facts."""
        return self.rulebook.decisions

    def prepared(self) -> Iterator[str]:
        """Compile, step by step, what is compiled when it is first wanted: rulesets, and texts of every language."""
        yield from self.judge.prepared()
        for tag, texts in self.texts.items():
            for each in texts.values():
                each.prepare()
                yield tag


def build(packs: Sequence[Pack], version: str, overlay: Rows = ()) -> Knowledge:
    """Compile packs that have been read.

    Args:
        overlay: codes that a terminology server added.

    Raises:
        PackError: a text is not a valid template. MatcherError: too many compiled rules for one hook.
    """
    tables = merged_tables(pack.tables for pack in packs)
    if overlay:
        tables = with_overlay(tables, overlay)
    parameters = settled(pack.parameters for pack in packs)
    rules = tuple(rule for pack in packs for rule in pack.rules)
    languages = read_languages(pack.translations for pack in packs)
    return Knowledge(
        packs=tuple(packs),
        rules={rule.id: rule for rule in rules},
        pack_of={rule.id: pack for pack in packs for rule in pack.rules},
        terminology=Terminology.from_tables(tables),
        parameters=SimpleNamespace(**parameters),
        rulebook=Rulebook(
            Judge(rules),
            Policy(
                [group for pack in packs for group in pack.groups],
                [removal for pack in packs for removal in pack.removals],
                next((pack.comfort_care for pack in packs if pack.comfort_care), None),
            ),
            tables,
            Lookups.of(tables),
            decisions_of(parameters),
        ),
        languages=languages,
        texts=all_texts(packs, languages),
        fingerprint=_fingerprint(packs, tables, languages, version),
    )


def _fingerprint(
    packs: Iterable[Pack], tables: Mapping[str, Rows], languages: Mapping[str, Language], version: str
) -> str:
    """One hash over rules, texts in every language, order between rules, parameters, tables and the version of this package."""
    digest = hashlib.sha256(version.encode())
    for pack in packs:
        for part in (
            pack.name,
            pack.version,
            pack.rules,
            pack.groups,
            pack.removals,
            pack.comfort_care,
            tuple(sorted(pack.overrides.items())),
            tuple(pack.parameters.values()),
            tuple(pack.translations.items()),
        ):
            digest.update(_stable(part).encode())
    digest.update(_stable(tuple(languages.values())).encode())
    for name, rows in sorted(tables.items()):
        digest.update(name.encode())
        digest.update(_rows(rows))
    return digest.hexdigest()


def _stable(value: object) -> str:
    """A text of nested values that does not depend on the order of sets."""
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(_stable, value))) + "}"
    if isinstance(value, Mapping):
        return _stable(tuple(value.items()))
    if isinstance(value, tuple):
        return "(" + ",".join(map(_stable, value)) + ")"
    if isinstance(value, Frozen):
        names = value.__struct_fields__
        return f"{type(value).__name__}({','.join(f'{name}={_stable(getattr(value, name))}' for name in names)})"
    return repr(value)


def _rows(rows: Rows) -> bytes:
    return "\n".join("\t".join(str(value) for value in row.values()) for row in rows).encode()


def evaluate(knowledge: Knowledge, call: Call) -> Evaluation:
    """Judge one call.

    A resource that a card is about to cite is validated in full first; one that fails is withdrawn and the patient is
    judged again without it. What was withdrawn, or could not be read at all, makes its part of the record incomplete: a
    rule that would need it is not judged, never silent.
    """
    reading = read_chart(
        call.documents,
        terminology=knowledge.terminology,
        at=call.at,
        patient_id=call.patient_id,
        zone=call.zone,
        selections=call.selections,
    )
    chart = applied(call.changes, reading.chart, call.at)
    missing = _joined(call.missing, reading.lost)
    withdrawn: dict[str, str] = {}
    while True:
        scenario = Scenario(chart, call.hook, call.at, missing, call.overrides)
        reached = settle(knowledge.rulebook, scenario)
        found = _invalid(reached.findings, reading)
        refused = {reference: reason for reference, reason in found.items() if reference not in withdrawn}
        if not refused:
            break
        withdrawn |= refused
        kinds = ", ".join(sorted({reference.partition("/")[0].partition("#")[0] for reference in refused}))
        because = f"a resource that is not valid FHIR was not used ({kinds})"
        missing = _joined(missing, dict.fromkeys(sorted(parts_told_by(chart, refused)), because))
        chart = withdraw(chart, refused)
    rules, derived, findings, outcomes = knowledge.rules, reached.derived, reached.findings, reached.outcomes
    language = knowledge.languages.get(call.language) or knowledge.languages[ENGLISH]
    not_judged = {
        name: outcome.because
        for name, outcome in outcomes.items()
        if outcome.state == "not-judged" and rules[name].status == "active"
    }
    scene = Scene(
        hook_instance=call.hook_instance,
        at=call.at,
        chart=chart,
        world=reached.world,
        pack_of=knowledge.pack_of,
        views=views(derived, knowledge.parameters) if findings else {},
        raw=reading.raw,
        version=reading.version,
        focal=derived.focal,
        magnesium_mg=derived.magnesium.total_mg,
        undelivered=_by_reason(missing),
        reasons=_reasons(knowledge.rulebook, scenario, reached) if call.why else {},
        language=language,
    )
    lines = not_assessed([(rules[name], outcomes[name]) for name in not_judged], scene) if not_judged else ()
    return Evaluation(
        hook=call.hook,
        at=call.at,
        cards=cards(findings, knowledge.texts[language.tag], scene, lines),
        findings=findings,
        outcomes=outcomes,
        not_judged=not_judged,
        not_assessed=lines,
        unread=chart.unread,
        matcher=reached.verdict.matcher,
        disagreements=reached.verdict.disagreements,
        fingerprint=knowledge.fingerprint,
        scenario=scenario,
        settled=reached,
        silenced=reached.overridden,
    )


def _reasons(rulebook: Rulebook, scenario: Scenario, settled: Settled) -> dict[str, tuple[Said, ...]]:
    inquiry = Inquiry(rulebook, scenario, settled)
    return {finding.rule.id: reasons(finding, inquiry) for finding in settled.findings}


def _by_reason(missing: Mapping[str, str]) -> dict[str, Said]:
    """Why parts of the record were not wholly delivered -> which parts those are, as a clinician calls them."""
    parts: dict[str, list[Said]] = {}
    for part, why in missing.items():
        parts.setdefault(why, []).append(PARTS.get(part) or word(part))
    return {why: said("incomplete: {parts}", parts=joined(several)) for why, several in parts.items()}


def _joined(before: Mapping[str, str], further: Mapping[str, str]) -> dict[str, str]:
    """Why parts of the record are not wholly there, each reason once."""
    found = dict(before)
    for part, why in further.items():
        known = found.get(part)
        found[part] = why if known is None or known == why else f"{known}; {why}"
    return found


def _invalid(findings: Iterable[Finding], reading: Reading) -> dict[str, str]:
    """Of the resources findings rest on, those that full validation refuses, with the reason."""
    cited = dict.fromkeys(reference for finding in findings for reference in finding.references)
    found = {}
    for reference in cited:
        if (
            reference not in reading.drafts
            and (body := reading.raw.get(reference)) is not None
            and (reason := why_invalid(body))
        ):
            found[reference] = reason
    return found


def parts_told_by(chart: Chart, references: Mapping[str, str]) -> set[str]:
    """The parts of the record (`vocabulary.facts.DOMAINS`) in which some resources say something."""
    statements: tuple[tuple[str, Iterable[Any]], ...] = (
        ("medications", chart.medications),
        ("conditions", (*chart.problems, *chart.symptoms)),
        ("orders", chart.orders),
        ("procedures", chart.events),
        ("vitals", [each for each in chart.results if each.key in VITALS]),
        ("labs", [each for each in chart.results if each.key not in VITALS]),
    )
    found = {part for part, said in statements if any(each.source.reference in references for each in said)}
    return found | ({"patient"} if chart.subject and chart.subject.reference in references else set())


def withdraw(chart: Chart, references: Mapping[str, str]) -> Chart:
    """The chart without the statements of some resources, which are noted as unread."""

    def kept(entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(entry for entry in entries if entry.source.reference not in references)

    return replace(
        chart,
        subject=None if chart.subject and chart.subject.reference in references else chart.subject,
        results=kept(chart.results),
        medications=kept(chart.medications),
        problems=kept(chart.problems),
        symptoms=kept(chart.symptoms),
        orders=kept(chart.orders),
        events=kept(chart.events),
        unread=(*chart.unread, *(Unread(reference, "invalid", reason) for reference, reason in references.items())),
    )


__all__ = ["Call", "Evaluation", "Knowledge", "Verdict", "build", "evaluate", "withdraw"]
