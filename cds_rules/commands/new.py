"""`cds-rules new`: the two files of a new rule, ready to be filled in, as a draft that is judged and never shown.

Floor: edge.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from cds_rules.knowledge.pack import RULE_ID
from cds_rules.vocabulary.errors import BadInput

_RULE = """\
# yaml-language-server: $schema={schema}/rule.schema.json
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
# yaml-language-server: $schema={schema}/cases.schema.json
given:
  medication: {{class: ppi, state: active}}
cases:
  - {{name: never measured, expect: info}}
  - {{name: measured 365 days ago, with: {{lab: {{code: magnesium, age_days: 365}}}}, expect: silent}}
  - {{name: measured 366 days ago, with: {{lab: {{code: magnesium, age_days: 366}}}}, expect: info}}
"""


def new_rule(folder: Path, identifier: str, group: str, title: str, today: date) -> tuple[Path, Path]:
    """Write rules/<id>.yaml and rules/<id>.cases.yaml; nothing that exists is touched.

    Raises:
        BadInput: no rule id, or one of the files exists.
    """
    if not RULE_ID.match(identifier):
        raise BadInput(
            f'"{identifier}" is not a rule id; small letters, digits and hyphens belong there, such as mg-total-dose'
        )
    if not (folder / "pack.yaml").exists():
        raise BadInput(f"{folder} holds no pack.yaml; the folder of a pack belongs there")
    rule, cases = (folder / "rules" / f"{identifier}{end}" for end in (".yaml", ".cases.yaml"))
    for path in (rule, cases):
        if path.exists():
            raise BadInput(f"{path} exists and is left as it is")
    schema = "../../../../docs/schema"
    rule.write_text(
        _RULE.format(quoted=json.dumps(title, ensure_ascii=False), group=group, today=today, schema=schema),
        encoding="utf-8",
    )
    cases.write_text(_CASES.format(schema=schema), encoding="utf-8")
    return rule, cases
