"""Findings as CDS Hooks cards: summary, detail in four blocks, suggestions, override reasons, links, extension.

Flows in: findings that stay, with the views and the chart they rest on. Flows out: plain JSON-shaped dicts, most urgent
first, with uuids derived from hookInstance, instant and rule, so that a replay gives the same bytes.
Floor: cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cds_rules.cards.suggestions import excluding, offers
from cds_rules.cards.texts import Texts, escaped
from cds_rules.engine.judging import Finding, Outcome, Returned
from cds_rules.engine.reference import World
from cds_rules.fhir.versions import Version
from cds_rules.knowledge.languages import Language
from cds_rules.knowledge.pack import Pack
from cds_rules.knowledge.rules import Rule
from cds_rules.vocabulary.asked import called
from cds_rules.vocabulary.chart import UNREAD_REASONS, Chart, Medication, Source, Unread
from cds_rules.vocabulary.clock import days_between
from cds_rules.vocabulary.frozen import Frozen, field
from cds_rules.vocabulary.quantities import Vague
from cds_rules.vocabulary.wording import Said, joined, said, word

AGAIN, FOUND, WHY = said("Shown again"), said("Found in this chart"), said("Why it matters")
REASONS = said("Why this card")
CONSIDER, UNCERTAIN = said("Consider"), said("Not used / uncertain")
FINDING = "dev.cds-rules.finding"
OVERRIDES_SYSTEM = "https://cds-rules.dev/fhir/CodeSystem/override-reason"
TOPICS_SYSTEM = "https://cds-rules.dev/fhir/CodeSystem/rule"
_NAMESPACE = sha1(uuid5(NAMESPACE_URL, "https://cds-rules.dev/").bytes, usedforsecurity=False)
_MOST_UNREAD = 6
_QUIET = frozenset({"duplicate", "other-patient", "unknown-type"})


class Scene(Frozen, frozen=True):
    """What cards are written from: one evaluation's chart, views and world.

    views: what templates read. focal: medications in focus. magnesium_mg: elemental magnesium a day of all oral
    products together. version: of FHIR, which the record speaks. undelivered: why a part of
    the record was not wholly delivered -> which, in a clinician's words. reasons: rule -> what would have to differ, how
    certain the card is, what a draft adds; empty where nobody asked.
    """

    hook_instance: str
    at: datetime
    chart: Chart
    world: World
    pack_of: Mapping[str, Pack]
    views: Mapping[str, Any]
    raw: Mapping[str, bytes]
    version: Version
    focal: Sequence[Medication]
    magnesium_mg: float
    undelivered: Mapping[str, Said]
    language: Language
    reasons: Mapping[str, Sequence[Said]] = field(default_factory=dict)


def cards(
    findings: Sequence[Finding], texts: Mapping[str, Texts], scene: Scene, unassessed: Sequence[str] = ()
) -> tuple[dict[str, Any], ...]:
    """Write the cards of one evaluation. unassessed: lines about what could not be judged, for every card."""
    if not findings:
        return ()
    sheet = _Sheet(scene)
    return tuple(_card(finding, texts[finding.rule.id], scene, sheet, unassessed) for finding in findings)


def _card(finding: Finding, texts: Texts, scene: Scene, sheet: _Sheet, unassessed: Sequence[str]) -> dict[str, Any]:
    rule = finding.rule
    pack = scene.pack_of[rule.id]
    say = scene.language.say
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
        scene.magnesium_mg,
        pack.tables.get("rxnorm_products", ()),
        scene.version,
        say,
    )
    identity = f"{scene.hook_instance}|{scene.at.isoformat()}|{pack.name}|{rule.id}"
    suggestions = [
        {"label": each["label"], "uuid": uuid_of(identity, str(number)), **each}
        for number, each in enumerate(offered.suggestions)
    ]
    filled = texts.fill(views)
    evidence, told = _evidence(finding, filled.found, sheet)
    found = [line for line in dict.fromkeys(filled.found) if line.partition(": ")[2] not in told]  # said once is enough
    if offered.in_words:
        filled.consider.append(say(said("To order: {tests}", tests=joined(offered.in_words))))
    if offered.already_ordered:
        filled.consider.append(say(said("Already ordered: {tests}", tests=joined(offered.already_ordered))))
    detail = "\n\n".join(
        block
        for block in (
            _block(say(AGAIN), [escaped(say(line)) for line in _again(finding.returned, pack.overrides)]),
            _block(
                say(FOUND),
                [
                    *evidence,
                    *found,
                    *_also(finding, scene.pack_of, scene.language),
                ],
            ),
            _block(say(REASONS), [escaped(say(line)) for line in scene.reasons.get(rule.id, ())]),
            f"**{say(WHY)}**\n\n{filled.why}",
            _block(say(CONSIDER), filled.consider),
            _block(
                say(UNCERTAIN),
                [*filled.uncertain, *_doubts(finding, scene, texts.about), *unassessed]
                or [say(said("nothing relevant was set aside"))],
            ),
        )
        if block
    )
    card: dict[str, Any] = {
        "uuid": uuid_of(identity),
        "summary": filled.summary,
        "detail": detail,
        "indicator": finding.indicator,
        "source": {
            "label": say(said(pack.source_label)),
            "url": pack.source_url,
            "topic": {"system": TOPICS_SYSTEM, "code": rule.topic, "display": title(pack, rule, scene.language)},
        },
        "overrideReasons": [
            {"system": OVERRIDES_SYSTEM, "code": code, "display": say(said(pack.overrides[code]))}
            for code in rule.overrides
        ],
        "links": [{"label": say(said(link.label)), "url": link.url, "type": "absolute"} for link in rule.links],
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
        card |= {"suggestions": suggestions, "selectionBehavior": "at-most-one" if excluding(suggestions) else "any"}
    return {key: value for key, value in card.items() if value not in ("", [], {})}


def _again(found: Returned | None, overrides: Mapping[str, str]) -> Iterable[Said]:
    """Why a card that was overridden is shown again. overrides: texts of the reasons that cards offer, by code."""
    if found is None:
        return
    code = found.reason
    reason = (
        said(overrides[code]) if code in overrides else said("{code}", code=code) if code else said("no reason given")
    )
    since = joined(found.changes, "; ")
    yield said("Overridden {date} ({reason}); since then: {changes}", date=found.at, reason=reason, changes=since)


def uuid_of(identity: str, part: str = "") -> str:
    """The uuid of a card or, with its number, of a suggestion: `uuid.uuid5` without the objects it makes on the way.

    Source:
        RFC 9562, 5.5 (version 5).
    """
    digest = _NAMESPACE.copy()
    digest.update(f"{identity}|{part}".encode())
    found = digest.hexdigest()
    variant = "89ab"[int(found[16], 16) & 3]
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{variant}{found[17:20]}-{found[20:32]}"


def _block(title: str, entries: Sequence[str]) -> str:
    lines = "\n- ".join(entries)
    return f"**{title}**\n\n- {lines}" if entries else ""


def _line(source: Source, at: datetime, language: Language, state: str = "") -> tuple[str, str]:
    """One value as charted, with its date, age, state and resource, in Markdown; and its value and age alone, where it has both."""
    label, value = escaped(source.label), escaped(language.charted(source.value))
    when = age = ""
    if source.when:
        days = days_between(source.when, at)
        age = language.ago(Vague(days, source.written) if source.written else days)
    if source.written:  # a month or a year: its age would be that date again
        when = f", {language.written(source.written)}"
    elif source.when:
        when = f", {source.when.strftime(language.day_format)} ({age})"
    what = f"{label}{': ' if source.label and value else ''}{value}{when}{f', {language.say(word(state))}' if state else ''}"
    return f"{what} — {escaped(source.reference)}", f"{value}, {age}" if age and source.value else ""


class _Sheet:
    """What the record says, in lines: each is written once, however many cards of an evaluation show it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._states = {each.source.reference: each.state for each in scene.chart.medications if each.state != "active"}
        self._lines: dict[Source, tuple[str, str]] = {}
        self._products = [(escaped(each.name), each.source) for each in scene.views["magnesium"].sources]
        values = (*scene.views["labs"].values(), scene.views["kidney"])
        # words hold their age: a text without it does not show them, and most values need none
        self._values = [
            ("" if each.shown_days is None else escaped(scene.language.ago(each.shown_days)), each) for each in values
        ]

    def shown(self, text: str) -> Iterator[Source]:
        """Where the magnesium products, laboratory values and the kidney function stand that a text shows."""
        for name, source in self._products:
            if name in text:
                yield source
        for age, view in self._values:
            # a word of its own: "5 mmol/L" does not stand in "4.5 mmol/L"
            if age in text and f" {escaped(self._scene.language.say(view.words))}" in text:
                yield from view.shown_sources

    def line(self, source: Source) -> tuple[str, str]:
        """One value as charted, in Markdown; and value and age alone, where it has both."""
        if (known := self._lines.get(source)) is None:
            state = self._states.get(source.reference, "")
            known = self._lines[source] = _line(source, self._scene.at, self._scene.language, state)
        return known


def _evidence(finding: Finding, found: Iterable[str], sheet: _Sheet) -> tuple[list[str], set[str]]:
    """What the finding rests on, then what its text shows besides; and what these lines say, without label and source."""
    # the birth date behind an age limit stays a reference: on a card it is noise
    sources = dict.fromkeys(source for each, places in finding.sources if each.kind != "patient" for source in places)
    sources |= dict.fromkeys(sheet.shown("\n".join(found)))
    lines = [sheet.line(source) for source in sources]
    return [line for line, _ in lines], {told for _, told in lines if told}


def _also(finding: Finding, pack_of: Mapping[str, Pack], language: Language) -> list[str]:
    return [
        escaped(
            language.say(
                said(
                    "Also noted: {finding} ({level})",
                    finding=title(pack_of[each.rule.id], each.rule, language),
                    level=word(each.indicator),
                )
            )
        )
        for each in _flat(finding.also)
    ]


def title(pack: Pack, rule: Rule, language: Language) -> str:
    """What a rule is called in a language."""
    translation = pack.translations.get(language.tag)
    return (translation.titles.get(rule.id) if translation else None) or rule.title


def _flat(findings: Iterable[Finding]) -> list[Finding]:
    return [each for finding in findings for each in (finding, *_flat(finding.also))]


def _doubts(finding: Finding, scene: Scene, about: frozenset[str]) -> list[str]:
    """What was not used for this rule and what could not be told, in lines."""
    unread = [each for each in scene.chart.unread if each.reason not in _QUIET and _concerns(each, about)]
    entries = [_unread_words(each) for each in unread[:_MOST_UNREAD]]
    if len(unread) > _MOST_UNREAD:
        entries.append(said("and {count} more that could not be used", count=len(unread) - _MOST_UNREAD))
    entries += dict.fromkeys(_plainly(doubt, scene.undelivered) for doubt in finding.doubts)
    return [escaped(scene.language.say(each)) for each in entries]


def not_assessed(unjudged: Iterable[tuple[Rule, Outcome]], scene: Scene) -> tuple[str, ...]:
    """What could not be judged, a line a reason, in Markdown."""
    reasons: dict[Said, list[str]] = {}
    for rule, outcome in unjudged:
        for reason in dict.fromkeys(_plainly(each, scene.undelivered) for each in outcome.because):
            reasons.setdefault(reason, []).append(title(scene.pack_of[rule.id], rule, scene.language))
    lines = (
        said("Not assessed ({reason}): {titles}", reason=reason, titles="; ".join(titles))
        for reason, titles in reasons.items()
    )
    return tuple(escaped(scene.language.say(line)) for line in lines)


def _plainly(reason: str, undelivered: Mapping[str, Said]) -> Said:
    """A reason in a clinician's words: the parts of the record that are incomplete, not the keys they came by."""
    if reason in undelivered:
        return undelivered[reason]
    if not isinstance(reason, Said):
        return said("{reason}", reason=reason)
    return said(
        reason.pattern,
        **{
            name: _plainly(each, undelivered) if isinstance(each, str) else each for name, each in reason.values.items()
        },
    )


def _concerns(unread: Unread, about: frozenset[str]) -> bool:
    return unread.about in about or (unread.about.startswith("mg-") and "medication" in about)


def _unread_words(unread: Unread) -> Said:
    return said(
        "Not used: {what} ({reference}): {reason}",
        what=called(unread.about),
        reference=unread.reference,
        reason=UNREAD_REASONS[unread.reason],
    )
