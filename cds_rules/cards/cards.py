"""Findings as CDS Hooks cards: summary, detail in four blocks, suggestions, override reasons, links, extension.

Flows in: findings that stay, with the views and the chart they rest on. Flows out: plain JSON-shaped dicts, most urgent
first, with uuids derived from hookInstance, instant and rule, so that a replay gives the same bytes.
Floor: cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cds_rules.cards.suggestions import offers
from cds_rules.cards.texts import Ready, Texts, cleaned, escaped
from cds_rules.engine.judging import Finding, Outcome
from cds_rules.engine.reference import World
from cds_rules.knowledge.pack import Pack
from cds_rules.knowledge.rules import Rule
from cds_rules.vocabulary.chart import UNREAD_REASONS, Chart, Medication, Source, Unread
from cds_rules.vocabulary.clock import days_between
from cds_rules.vocabulary.quantities import age

FINDING = "dev.cds-rules.finding"
OVERRIDES_SYSTEM = "https://cds-rules.dev/fhir/CodeSystem/override-reason"
TOPICS_SYSTEM = "https://cds-rules.dev/fhir/CodeSystem/rule"
_NAMESPACE = uuid5(NAMESPACE_URL, "https://cds-rules.dev/")
_MOST_UNREAD = 6
_QUIET = frozenset({"duplicate", "other-patient", "unknown-type"})


@dataclass(frozen=True, slots=True)
class Scene:
    """What cards are written from: one evaluation's chart, views and world.

    views: what templates read. focal: medications in focus. magnesium_excess_mg: by how much the drafts pass the
    supplement limit of clinical specification 2.9. not_assessed: (rule title, reasons) of rules that could not be judged.
    """

    hook_instance: str
    at: datetime
    chart: Chart
    world: World
    views: Mapping[str, Any]
    raw: Mapping[str, bytes]
    focal: Sequence[Medication]
    magnesium_excess_mg: float
    not_assessed: Sequence[tuple[Rule, Outcome]]


def cards(
    findings: Iterable[Finding], pack_of: Mapping[str, Pack], texts: Mapping[str, Texts], scene: Scene
) -> tuple[dict[str, Any], ...]:
    """Write the cards of one evaluation."""
    return tuple(_card(finding, pack_of[finding.rule.id], texts[finding.rule.id], scene) for finding in findings)


def _card(finding: Finding, pack: Pack, texts: Texts, scene: Scene) -> dict[str, Any]:
    rule = finding.rule
    views = {**scene.views, "facts": finding.facts, "indicator": finding.indicator}
    patient = scene.chart.subject.reference if scene.chart.subject else ""
    offered = offers(
        finding,
        scene.chart,
        scene.world,
        scene.raw,
        pack.tables.get("orders", ()),
        patient,
        scene.focal,
        scene.magnesium_excess_mg,
    )
    identity = f"{scene.hook_instance}|{scene.at.isoformat()}|{pack.name}|{rule.id}"
    suggestions = [
        {"label": each["label"], "uuid": _uuid(identity, str(number)), **each}
        for number, each in enumerate(offered.suggestions)
    ]
    filled = texts.fill(views)
    if offered.already_ordered:
        filled.consider.append(f"Already ordered: {', '.join(offered.already_ordered)}.")
    detail = "\n\n".join(
        block
        for block in (
            _block(
                "Found in this chart",
                [*_evidence(finding, filled.found, scene), *filled.found, *_also(finding, views)],
            ),
            f"**Why it matters**\n\n{filled.why}",
            _block("Consider", filled.consider),
            _block(
                "Not used / uncertain",
                [*filled.uncertain, *_doubts(finding, scene, texts.about)] or ["nothing relevant was set aside"],
            ),
        )
        if block
    )
    card: dict[str, Any] = {
        "uuid": _uuid(identity),
        "summary": texts.summarize(views),
        "detail": detail,
        "indicator": finding.indicator,
        "source": {
            "label": pack.source_label,
            "url": pack.source_url,
            "topic": {"system": TOPICS_SYSTEM, "code": rule.topic, "display": rule.title},
        },
        "overrideReasons": [
            {"system": OVERRIDES_SYSTEM, "code": code, "display": pack.overrides[code]} for code in rule.overrides
        ],
        "links": [{"label": link.label, "url": link.url, "type": "absolute"} for link in rule.links],
        "extension": {
            FINDING: {
                "rule": rule.id,
                "version": rule.version,
                "level": finding.indicator,
                "evidence": list(finding.references),
            }
        },
    }
    if suggestions:
        card |= {"suggestions": suggestions, "selectionBehavior": "any"}
    return {key: value for key, value in card.items() if value not in ("", [], {})}


def _uuid(identity: str, part: str = "") -> str:
    namespace: UUID = _NAMESPACE
    return str(uuid5(namespace, f"{identity}|{part}"))


def _block(title: str, entries: Sequence[str]) -> str:
    return f"**{title}**\n\n" + "\n".join(f"- {entry}" for entry in entries) if entries else ""


def source_line(source: Source, at: datetime, state: str = "") -> Ready:
    """One value as charted, with its date, age, state and resource, in Markdown."""
    what = f"{escaped(source.label)}{': ' if source.label and source.value else ''}{escaped(source.value)}"
    when = f", {source.when:%Y-%m-%d} ({age(days_between(source.when, at))})" if source.when else ""
    return Ready(f"{what}{when}{f', {state}' if state else ''} — {escaped(source.reference)}")


def _evidence(finding: Finding, found: Iterable[str], scene: Scene) -> list[str]:
    """What the finding rests on, then what its text shows besides."""
    # the birth date behind an age limit stays a reference: on a card it is noise
    sources = dict.fromkeys(source for each in finding.facts if each.kind != "patient" for source in each.sources)
    sources |= dict.fromkeys(_shown(found, scene.views))
    states = {each.source.reference: each.state for each in scene.chart.medications if each.state != "active"}
    return [source_line(source, scene.at, states.get(source.reference, "")) for source in sources]


def _shown(found: Iterable[str], views: Mapping[str, Any]) -> Iterator[Source]:
    """Where the laboratory values and the kidney function stand that lines of a text show."""
    text = "\n".join(found)
    for view in (*views["labs"].values(), views["kidney"]):
        if f" {escaped(view.words)}" in text:  # a word of its own: "5 mmol/L" does not stand in "4.5 mmol/L"
            yield from view.shown_sources


def _also(finding: Finding, views: Mapping[str, Any]) -> list[str]:
    return [f"Also noted: {escaped(each.rule.title)} ({each.indicator})" for each in _flat(finding.also)]


def _flat(findings: Iterable[Finding]) -> list[Finding]:
    return [each for finding in findings for each in (finding, *_flat(finding.also))]


def _doubts(finding: Finding, scene: Scene, about: frozenset[str]) -> list[str]:
    """What was not used for this rule and what could not be told, in lines."""
    unread = [each for each in scene.chart.unread if each.reason not in _QUIET and _concerns(each, about)]
    entries: list[str] = [_unread_line(each) for each in unread[:_MOST_UNREAD]]
    if len(unread) > _MOST_UNREAD:
        entries.append(f"and {len(unread) - _MOST_UNREAD} more that could not be used")
    entries += [escaped(doubt) for doubt in finding.doubts]
    reasons: dict[str, list[str]] = {}
    for rule, outcome in scene.not_assessed:
        for reason in outcome.because:
            reasons.setdefault(reason, []).append(rule.title)
    entries += [f"Not assessed ({escaped(reason)}): {escaped('; '.join(titles))}" for reason, titles in reasons.items()]
    return entries


def _concerns(unread: Unread, about: frozenset[str]) -> bool:
    return unread.about in about or (unread.about.startswith("mg-") and "medication" in about)


def _unread_line(unread: Unread) -> Ready:
    what = cleaned(unread.about or "record entry").replace("_", " ")
    return Ready(
        f"Not used: {escaped(what)} ({escaped(unread.reference)}): {escaped(unread.detail or UNREAD_REASONS[unread.reason])}"
    )
