"""A pack: rules with their texts, groups and removals, parameters, override reasons and tables, read from one folder.

    pack.yaml   rules/<id>.yaml   rules/<id>.cases.yaml   valuesets/*.csv   tables/*.csv   languages/<tag>/

Flows in: folders. Flows out: `Pack`, or a PackError with every mistake of every file.
Floor: knowledge. Reading is an edge of this floor and happens at start-up or in a command.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cds_rules.knowledge.conditions import Words, read_condition
from cds_rules.knowledge.files import Reader, near, read_yaml, shown
from cds_rules.knowledge.languages import Translation, card_text, read_translations
from cds_rules.knowledge.rules import (
    ALWAYS,
    ANY_CITED,
    CAP,
    INDICATORS,
    Condition,
    Evidence,
    Group,
    Level,
    Link,
    Parameter,
    Pattern,
    Removal,
    Rule,
    Suggestion,
    Unless,
    Worse,
)
from cds_rules.vocabulary.errors import Mistake, PackError
from cds_rules.vocabulary.facts import HOOKS, KINDS, TESTS
from cds_rules.vocabulary.frozen import Frozen, replace

Rows = Sequence[Mapping[str, str]]

RULE_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
VERSION = re.compile(r"\d+\.\d+\.\d+\Z")
OFFERS = ("stop", "delete", "revise", *(f"order-{test}" for test in TESTS if test != "other"))


class Pack(Frozen, frozen=True):
    """Everything a folder says, read and checked."""

    name: str
    title: str
    version: str
    source_label: str
    source_url: str
    folder: Path
    rules: tuple[Rule, ...]
    groups: tuple[Group, ...]
    removals: tuple[Removal, ...]
    comfort_care: Condition | None
    parameters: Mapping[str, Parameter]
    overrides: Mapping[str, str]
    tables: Mapping[str, Rows]
    words: Words
    translations: Mapping[str, Translation]


def read_tables(folder: Path) -> dict[str, Rows]:
    """Read every CSV below valuesets/ and tables/ by its file stem.

    Raises:
        PackError: a file is not CSV in UTF-8, or a value set without keys.
    """
    tables: dict[str, Rows] = {}
    for path in sorted([*folder.glob("valuesets/*.csv"), *folder.glob("tables/*.csv")]):
        name = f"{folder.name}/{path.parent.name}/{path.name}"
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise PackError((Mistake(name, "", f"cannot be read as CSV in UTF-8 ({type(error).__name__})"),)) from None
        if path.parent.name == "valuesets" and rows and "key" not in rows[0]:
            raise PackError((Mistake(name, "", "has no column key; the key a row stands for belongs there", 1),))
        tables[path.stem] = rows
    return tables


class Site(Frozen, frozen=True):
    """What a site changes: parameter name -> value, and the file that says so."""

    path: str
    values: Mapping[str, float | str]


def read_site(path: Path) -> Site:
    """Read a site's parameters, a mapping of names to numbers or words.

    Raises:
        PackError: with every mistake. Names and bounds are checked by `read_packs`, which knows them.
    """
    document, syntax = read_yaml(path, path.name)
    if syntax and document is None:
        raise PackError(syntax)
    reader = Reader(path.name, syntax)
    body = reader.mapping(document, "", open_keys=True)
    values = {
        name: value if isinstance(value, str) else reader.number(body, name, "")
        for name, value in body.items()
        if isinstance(name, str)
    }
    if reader.mistakes:
        raise PackError(tuple(reader.mistakes))
    return Site(path.name, values)


def read_packs(folders: Sequence[Path], parameters: Path | None = None) -> tuple[Pack, ...]:
    """Read several packs, each checked against the classes and keys that all of them bring.

    Args:
        parameters: a site's file of parameter values, each within the bounds of its pack.

    Raises:
        PackError: with every mistake of every pack and of the site's file.
    """
    site = read_site(parameters) if parameters else None
    tables = [read_tables(folder) for folder in folders]
    words = vocabulary_words(merged_tables(tables))
    mistakes: list[Mistake] = []
    packs: list[Pack] = []
    for folder, own in zip(folders, tables, strict=True):
        try:
            packs.append(read_pack(folder, words, site, own))
        except PackError as error:
            mistakes += error.mistakes
    owners: dict[str, str] = {}
    for pack in packs:
        for rule in pack.rules:
            if rule.id in owners:
                mistakes.append(
                    Mistake(
                        f"{pack.folder.name}/rules/{rule.id}.yaml",
                        "",
                        f"the pack {owners[rule.id]} has a rule of this id already",
                    )
                )
            owners[rule.id] = pack.name
    if site and not mistakes:
        known = {name for pack in packs for name in pack.parameters}
        mistakes += [
            Mistake(site.path, name, f"no pack has such a parameter{near(name, known)}")
            for name in site.values
            if name not in known
        ]
    if mistakes:
        raise PackError(tuple(mistakes))
    return tuple(packs)


PARENT_CLASSES = frozenset({"diuretic", "mg-wasting"})
"""Classes that are unions of others (clinical specification 3.9b, 5.1); facts of them stand beside those of their members."""


BY_ROUTE = frozenset({"mg-enema"})
"""Classes that no code has: the route makes them."""


def vocabulary_words(tables: Mapping[str, Rows]) -> Words:
    """The words that value sets give to fields of facts: medication classes, condition keys, symptom keys."""

    def keys(*names: str) -> frozenset[str]:
        found = {row["key"] for name in names for row in tables.get(name, ())}
        return frozenset(key for key in found if key and not key.startswith("!"))

    classes, conditions = keys("medication_classes"), keys("conditions")
    symptoms = keys("symptoms") | {"myoglobinuria", "ventricular-arrhythmia"}
    if not classes:
        return {}
    return {
        ("medication", "class"): classes | PARENT_CLASSES | BY_ROUTE,
        ("magnesium-product", "class"): frozenset(each for each in classes if each.startswith("mg-")) | BY_ROUTE,
        ("condition", "key"): conditions,
        ("symptom", "key"): symptoms,
        ("renal-risk", "key"): classes | conditions,
        ("deficiency-risk", "key"): classes | conditions,
    }


def merged_tables(several: Iterable[Mapping[str, Rows]]) -> dict[str, Rows]:
    """The tables of several packs, those of one name one after the other."""
    merged: dict[str, Rows] = {}
    for tables in several:
        for name, rows in tables.items():
            merged[name] = [*merged.get(name, ()), *rows]
    return merged


def read_pack(
    folder: Path, words: Words | None = None, site: Site | None = None, tables: Mapping[str, Rows] | None = None
) -> Pack:
    """Read a pack's folder.

    Args:
        folder: where pack.yaml lies.
        words: the classes and keys that value sets give (other packs' too); None checks no such words.
        tables: its tables, where they have been read.

    Raises:
        PackError: with every mistake found in every file.
    """
    try:
        return _read_pack(folder, words, site, tables, lines=False)
    except PackError:  # again, so that mistakes name their lines
        return _read_pack(folder, words, site, tables, lines=True)


def _read_pack(
    folder: Path, words: Words | None, site: Site | None, tables: Mapping[str, Rows] | None, *, lines: bool
) -> Pack:
    mistakes: list[Mistake] = []
    name = f"{folder.name}/pack.yaml"
    document, syntax = read_yaml(folder / "pack.yaml", name, lines)
    if syntax and document is None:
        raise PackError(syntax)
    reader = Reader(name, syntax)
    head = reader.mapping(
        document,
        "",
        ("name", "title", "version", "source", "groups", "overrides"),
        ("parameters", "removals", "comfort_care", "links"),
    )
    parameters = _parameters(reader, head, site)
    known = words or {}
    source = reader.mapping(head.get("source", {}), "source", ("label", "url"))
    source_url = _url(reader, source, "source")
    overrides = {
        str(key): str(value)
        for key, value in reader.mapping(head.get("overrides", {}), "overrides", open_keys=True).items()
    }
    groups = _groups(reader, head)
    links = _links(reader, head)
    comfort = (
        read_condition(reader, head["comfort_care"], "comfort_care", parameters, known)
        if "comfort_care" in head
        else None
    )
    group_ids = [group.id for group in groups]
    rules = []
    for path in sorted((folder / "rules").glob("*.yaml")):
        if path.name.endswith(".cases.yaml"):
            continue
        rule, wrong = read_rule(
            path, f"{folder.name}/rules/{path.name}", group_ids, overrides, links, parameters, known
        )
        mistakes += wrong
        if rule:
            rules.append(rule)
    removals = _removals(reader, head, groups, parameters, known)
    _same_rules(reader, groups, rules, mistakes)
    mistakes = [*reader.mistakes, *mistakes]
    translations: Mapping[str, Translation] = {}
    try:
        translations = read_translations(folder, (rule for group in groups for rule in group.rules))
    except PackError as error:
        mistakes += error.mistakes
    if mistakes:
        raise PackError(tuple(mistakes))
    order = {rule: (place, rank) for place, group in enumerate(groups) for rank, rule in enumerate(group.rules)}
    return Pack(
        name=reader.text(head, "name", ""),
        title=reader.text(head, "title", ""),
        version=reader.text(head, "version", ""),
        source_label=reader.text(source, "label", "source"),
        source_url=source_url,
        folder=folder,
        rules=tuple(sorted(rules, key=lambda rule: order[rule.id])),
        groups=groups,
        removals=removals,
        comfort_care=comfort,
        parameters=parameters,
        overrides=overrides,
        tables=read_tables(folder) if tables is None else tables,
        words=known,
        translations=translations,
    )


def _parameters(reader: Reader, head: Mapping[str, Any], site: Site | None) -> dict[str, Parameter]:
    found = {}
    for name, value in reader.mapping(head.get("parameters", {}), "parameters", open_keys=True).items():
        where = f"parameters.{name}"
        parameter = _parameter(reader, name, value, where)
        if not parameter.fits(parameter.value):
            reader.wrong(where, f"value {_said(parameter.value)} does not fit; {parameter.allowed} belongs here", value)
        if site and name in site.values:
            wanted = site.values[name]
            if not parameter.fits(wanted):
                message = f"found {_said(wanted)}; {parameter.allowed} belongs here ({parameter.because})"
                reader.mistakes.append(Mistake(site.path, name, message))
            parameter = replace(parameter, value=wanted)
        found[name] = parameter
    return found


def _parameter(reader: Reader, name: str, value: object, where: str) -> Parameter:
    if isinstance(value, Mapping) and "choices" in value:
        body = reader.mapping(value, where, ("value", "choices", "because"))
        choices = reader.texts(body, "choices", where)
        return Parameter(
            name, reader.text(body, "value", where), 0.0, 0.0, "", reader.text(body, "because", where), choices
        )
    body = reader.mapping(value, where, ("value", "low", "high", "because"), ("unit",))
    return Parameter(
        name,
        reader.number(body, "value", where),
        reader.number(body, "low", where),
        reader.number(body, "high", where),
        reader.text(body, "unit", where),
        reader.text(body, "because", where),
    )


def _said(value: float | str) -> str:
    return shown(value) if isinstance(value, str) else f"{value:g}"


def _groups(reader: Reader, head: Mapping[str, Any]) -> tuple[Group, ...]:
    groups = []
    for item, where in reader.items(head, "groups", "", 1):
        body = reader.mapping(item, where, ("id", "title", "rules"))
        groups.append(
            Group(reader.text(body, "id", where), reader.text(body, "title", where), reader.texts(body, "rules", where))
        )
    return tuple(groups)


def _links(reader: Reader, head: Mapping[str, Any]) -> dict[str, Link]:
    found = {}
    for name, value in reader.mapping(head.get("links", {}), "links", open_keys=True).items():
        where = f"links.{name}"
        body = reader.mapping(value, where, ("label", "url"))
        found[name] = Link(reader.text(body, "label", where), _url(reader, body, where))
    return found


def _url(reader: Reader, body: Mapping[str, Any], where: str) -> str:
    url = reader.text(body, "url", where)
    if url and not re.match(r"https?://[^\s]+\Z", url):
        reader.wrong(f"{where}.url", f"found {shown(url)}; an absolute https address belongs here", body, "url")
    return url


def _removals(
    reader: Reader, head: Mapping[str, Any], groups: Sequence[Group], parameters: Mapping[str, Parameter], words: Words
) -> tuple[Removal, ...]:
    members = {group.id: group.rules for group in groups}
    members |= {rule: (rule,) for group in groups for rule in group.rules}
    found = []
    for item, where in reader.items(head, "removals", ""):
        body = reader.mapping(item, where, ("by", "removes"), ("at_least", "hooks", "unless"))
        found.append(
            Removal(
                by=frozenset(rule for name in reader.words(body, "by", where, members) for rule in members[name]),
                removes=frozenset(
                    rule for name in reader.words(body, "removes", where, members) for rule in members[name]
                ),
                at_least=reader.word(body, "at_least", where, INDICATORS, "info"),  # type: ignore[arg-type]  # checked by word()
                hooks=frozenset(reader.words(body, "hooks", where, HOOKS)),
                unless=read_condition(reader, body["unless"], f"{where}.unless", parameters, words)
                if "unless" in body
                else None,
            )
        )
    return tuple(found)


def _same_rules(reader: Reader, groups: Sequence[Group], rules: Sequence[Rule], mistakes: Sequence[Mistake]) -> None:
    """Every rule stands in the group it names and every rule a group names has a file."""
    listed = {rule: group.id for group in groups for rule in group.rules}
    for rule in rules:
        if listed.get(rule.id) != rule.group:
            reader.wrong("groups", f'the rule {rule.id} says group "{rule.group}" and is not listed there')
    broken = {mistake.path for mistake in mistakes}
    present = {rule.id for rule in rules}
    for identifier in listed:
        if identifier not in present and not any(f"/{identifier}.yaml" in path for path in broken):
            reader.wrong(
                "groups",
                f"the rule {identifier} is listed and has no file rules/{identifier}.yaml{near(identifier, present)}",
            )


RULE_KEYS = (
    "title",
    "version",
    "status",
    "group",
    "hooks",
    "reviewed",
    "when",
    "levels",
    "card",
    "overrides",
    "evidence",
)
SUGGESTION_OPTIONAL = ("recommended", "when", "classes", "urgent", "ingredient", "at_most", "below")
RULE_OPTIONAL = ("ages", "unless", "suggestions", "links", "worse")


def read_rule(
    path: Path,
    name: str,
    groups: Sequence[str],
    overrides: Mapping[str, str],
    links: Mapping[str, Link],
    parameters: Mapping[str, Parameter],
    words: Words,
) -> tuple[Rule | None, tuple[Mistake, ...]]:
    """Read one rule file. Returns the rule (None when the file has mistakes) and all mistakes."""
    given = (path, name, groups, overrides, links, parameters, words)
    rule, mistakes = _read_rule(*given, lines=False)
    return (rule, mistakes) if rule else _read_rule(*given, lines=True)  # again, so that mistakes name their lines


def _read_rule(
    path: Path,
    name: str,
    groups: Sequence[str],
    overrides: Mapping[str, str],
    links: Mapping[str, Link],
    parameters: Mapping[str, Parameter],
    words: Words,
    *,
    lines: bool,
) -> tuple[Rule | None, tuple[Mistake, ...]]:
    document, syntax = read_yaml(path, name, lines)
    if syntax and document is None:
        return None, syntax
    reader = Reader(name, syntax)
    identifier = path.name.removesuffix(".yaml")
    if not RULE_ID.match(identifier):
        reader.wrong(
            "", f'the file name "{path.name}" is not a rule id; small letters, digits and hyphens belong there'
        )
    body = reader.mapping(document, "", RULE_KEYS, RULE_OPTIONAL)
    version = reader.text(body, "version", "")
    if version and not VERSION.match(version):
        reader.wrong("version", f"found {shown(version)}; a version such as 1.0.0 belongs here", body, "version")
    ages = reader.mapping(body.get("ages", {"from": 18}), "ages", ("from",))

    def condition(value: object, where: str) -> Condition:
        return read_condition(reader, value, where, parameters, words)

    levels = []
    for item, where in reader.items(body, "levels", "", 1):
        level = reader.mapping(item, where, ("is",), ("when",))
        indicator = reader.word(level, "is", where, INDICATORS, "info")
        levels.append(Level(indicator, condition(level["when"], f"{where}.when") if "when" in level else ALWAYS))  # type: ignore[arg-type]
    for number, earlier in enumerate(levels[:-1]):
        if earlier.when == ALWAYS:
            reader.wrong(f"levels[{number}]", "has no `when`, so the levels after it can never apply")
    unless = []
    for item, where in reader.items(body, "unless", ""):
        part = reader.mapping(item, where, ("when", "because"))
        unless.append(Unless(condition(part.get("when"), f"{where}.when"), reader.text(part, "because", where)))
    rule = Rule(
        id=identifier,
        title=reader.text(body, "title", ""),
        version=version,
        status=reader.word(body, "status", "", ("draft", "active", "retired"), "draft"),  # type: ignore[arg-type]
        group=reader.word(body, "group", "", groups, ""),
        hooks=_hooks(reader, body),
        reviewed=reader.day(body, "reviewed", ""),
        age_from=int(reader.number(ages, "from", "ages", 18)),
        when=condition(body.get("when"), "when"),
        levels=tuple(levels),
        unless=tuple(unless),
        card=card_text(
            reader,
            reader.mapping(body.get("card", {}), "card", ("summary", "why", "consider"), ("found", "uncertain")),
            "card",
        ),
        suggestions=tuple(
            _suggestion(reader, item, where, parameters, words) for item, where in reader.items(body, "suggestions", "")
        ),
        overrides=reader.words(body, "overrides", "", overrides),
        evidence=tuple(_evidence(reader, item, where) for item, where in reader.items(body, "evidence", "", 1)),
        links=tuple(links[link] for link in reader.words(body, "links", "", links)),
        worse=tuple(
            each
            for item, where in reader.items(body, "worse", "")
            if (each := _worse(reader, item, where, parameters, words))
        ),
    )
    return (None if reader.mistakes else rule), tuple(reader.mistakes)


def _hooks(reader: Reader, body: Mapping[str, Any]) -> frozenset[str]:
    hooks = frozenset(reader.words(body, "hooks", "", HOOKS))
    if body.get("hooks") == []:
        reader.wrong("hooks", "holds no hook; at least one belongs there", body, "hooks")
    return hooks


def _suggestion(
    reader: Reader, value: object, where: str, parameters: Mapping[str, Parameter], words: Words
) -> Suggestion:
    body = reader.mapping(value, where, ("offer",), SUGGESTION_OPTIONAL)
    offer = reader.word(body, "offer", where, OFFERS, "stop")
    classes = frozenset(
        reader.words(
            body,
            "classes",
            where,
            {ANY_CITED, *(words.get(("medication", "class")) or reader.texts(body, "classes", where))},
        )
    )
    if offer in ("stop", "delete", "revise") and not classes:
        reader.wrong(f"{where}.classes", f'"{offer}" names the classes of the medications it is about', value)
    when = read_condition(reader, body["when"], f"{where}.when", parameters, words) if "when" in body else ALWAYS
    at_most: float | str | None = None
    if "at_most" in body:
        at_most = CAP if body["at_most"] == CAP else reader.number(body, "at_most", where)
    below = reader.number(body, "below", where) if "below" in body else None
    if (offer == "revise") is not (len({"at_most", "below"} & body.keys()) == 1):
        reader.wrong(
            where, '"revise" says what the draft may leave, by at_most or by below; no other offer does', value
        )
    return Suggestion(
        offer,
        reader.flag(body, "recommended", where),
        when,
        classes,
        reader.flag(body, "urgent", where),
        reader.text(body, "ingredient", where),
        at_most,
        below,
    )


def _worse(
    reader: Reader, value: object, where: str, parameters: Mapping[str, Parameter], words: Words
) -> Worse | None:
    body = reader.mapping(value, where, ("fact", "called"), open_keys=True)
    ways = [way for way in ("rises", "falls") if way in body]
    if len(ways) != 1:
        reader.wrong(where, "one of rises, falls belongs here, with the field that does", value)
        return None
    about = read_condition(
        reader, {key: each for key, each in body.items() if key not in ("called", *ways)}, where, parameters, words
    )
    field = KINDS[about.kind].fields.get(str(body[ways[0]])) if isinstance(about, Pattern) else None
    if field is None or (field.type != "number" and not (field.ordered and ways == ["rises"])):
        reader.wrong(
            f"{where}.{ways[0]}",
            f"found {shown(body[ways[0]])}; a field of the fact that is a number, or one whose words have an order and rise, belongs here",
            value,
        )
        return None
    assert isinstance(about, Pattern)
    return Worse(about, str(body[ways[0]]), ways == ["rises"], reader.text(body, "called", where))


def _evidence(reader: Reader, value: object, where: str) -> Evidence:
    body = reader.mapping(
        value, where, ("supports", "grade", "claim", "citation"), ("url", "numbers", "year", "population")
    )
    numbers = []
    for item, place in reader.items(body, "numbers", where):
        if isinstance(item, bool) or not isinstance(item, int | float):
            reader.wrong(place, f"found {shown(item)}; a number belongs here", value)
        else:
            numbers.append(float(item))
    return Evidence(
        supports=reader.text(body, "supports", where),
        grade=reader.word(body, "grade", where, ("A", "B", "C"), "C"),  # type: ignore[arg-type]
        claim=reader.text(body, "claim", where),
        citation=reader.text(body, "citation", where),
        url=_url(reader, body, where) if "url" in body else "",
        numbers=tuple(numbers),
        year=_year(reader, body, where),
        population=reader.text(body, "population", where),
    )


def _year(reader: Reader, body: Mapping[str, Any], where: str) -> int:
    year = reader.number(body, "year", where)
    if "year" in body and not (year == int(year) and 1900 <= year <= 2100):
        reader.wrong(f"{where}.year", f"found {shown(body['year'])}; a year such as 2019 belongs here", body, "year")
    return int(year)
