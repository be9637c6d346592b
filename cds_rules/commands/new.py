"""`cds-rules new`: the two files of a new rule, ready to be filled in, as a draft that is judged and never shown.

Floor: edge.
"""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

from cds_rules.knowledge.files import Reader, near, read_yaml
from cds_rules.knowledge.pack import RULE_ID
from cds_rules.vocabulary.errors import BadInput, PackError

_RULE = """\
title: {quoted}
version: 0.1.0
status: draft            # judged and counted, never shown, until somebody signs it active
group: {group}
hooks: [patient-view]
reviewed: {today}
when:
  all:
    - {{fact: medication, class: ppi, state: active}}
    - not: {{fact: lab, code: magnesium, age_days: {{le: 365}}}}
levels:
  - {{is: info}}
card:
  summary: {quoted}
  why: Why it matters, in one or two sentences.
  consider:
    - What to consider
suggestions:
  - {{offer: order-magnesium, recommended: true}}
overrides: [already-addressed]
evidence:
  - {{supports: "window of 365 days", grade: C, claim: "What the source says", citation: "Author. Journal year;volume:pages", numbers: [365]}}
"""

_CASES = """\
given:
  medication: {class: ppi, state: active}
cases:
  - {name: never measured, expect: info}
  - {name: measured 365 days ago, with: {lab: {code: magnesium, age_days: 365}}, expect: silent}
  - {name: measured 366 days ago, with: {lab: {code: magnesium, age_days: 366}}, expect: info}
"""


def command(folder: Path, identifier: str, group: str, title: str, today: date) -> int:
    """Write the files and say what comes next."""
    for path in new_rule(folder, identifier, group, title or identifier.replace("-", " ").capitalize(), today):
        print(f"written: {path}")
    print(
        f"next: list {identifier} in the group {group} of {folder / 'pack.yaml'}, where its rank among them belongs; "
        f"then `cds-rules lint` and `cds-rules test {identifier}`"
    )
    return 0


def new_rule(folder: Path, identifier: str, group: str, title: str, today: date) -> tuple[Path, Path]:
    """Write rules/<id>.yaml and rules/<id>.cases.yaml; nothing that exists is touched.

    Raises:
        BadInput: no rule id, no group of the pack, or one of the files exists. PackError: pack.yaml cannot be read.
    """
    if not RULE_ID.match(identifier):
        raise BadInput(
            f'"{identifier}" is not a rule id; small letters, digits and hyphens belong there, such as mg-total-dose'
        )
    groups = _groups(folder)
    if group not in groups:
        raise BadInput(f'the pack {folder.name} has no group "{group}"{near(group, groups)}')
    rule, cases = (folder / "rules" / f"{identifier}{end}" for end in (".yaml", ".cases.yaml"))
    for path in (rule, cases):
        if path.exists():
            raise BadInput(f"{path} exists and is left as it is")
    rule.parent.mkdir(exist_ok=True)
    quoted = json.dumps(title, ensure_ascii=False)
    rule.write_text(
        _schema_line(folder, "rule") + _RULE.format(quoted=quoted, group=group, today=today), encoding="utf-8"
    )
    cases.write_text(_schema_line(folder, "cases") + _CASES, encoding="utf-8")
    return rule, cases


def _groups(folder: Path) -> list[str]:
    name = f"{folder.name}/pack.yaml"
    document, mistakes = read_yaml(folder / "pack.yaml", name)
    reader = Reader(name)
    head = reader.mapping(document, "", open_keys=True) if not mistakes else {}
    groups = [
        reader.text(reader.mapping(item, where, open_keys=True), "id", where)
        for item, where in reader.items(head, "groups", "")
    ]
    if mistakes := (*mistakes, *reader.mistakes):
        raise PackError(mistakes)
    return groups


def _schema_line(folder: Path, kind: str) -> str:
    """The line by which editors find the schema: in docs/schema or schema of the pack or a folder above it, if it is there."""
    for above in (folder.resolve(), *folder.resolve().parents):
        for place in ("docs/schema", "schema"):
            if (schema := above / place / f"{kind}.schema.json").is_file():
                found = Path(os.path.relpath(schema, folder.resolve() / "rules")).as_posix()
                return f"# yaml-language-server: $schema={found}\n"
    return ""
